/** What must not grow under a steady load: memory, descriptors, goroutines. */
import type { Judgement, Observed, Predicate } from './judgement.ts'
import type { Sample } from './sample.ts'
import { judgeSlope, type Point, type SlopeBudget, type SlopeVerdict } from './slope.ts'

/** Share of the load's beginning that is warm-up for every slope. */
const WARM_UP = 0.3
const MIB = 1 << 20

type Budget = SlopeBudget & { fullSpan: number }
type Measured = 'heap_inuse_bytes' | 'goroutine_count' | 'rss_bytes' | 'fd_count'

/** Descriptors without those of connections whose clients are still there: our own open sockets are no leak. */
function valueOf(sample: Sample, key: Measured): number | undefined {
  const value = sample[key]
  if (key !== 'fd_count' || value === undefined) return value
  return value - (sample.established ?? 0)
}

/** The samples while walkers ran: the cases of the other slices are no steady load. */
function underLoad(samples: readonly Sample[]): Sample[] {
  const load = samples.filter(({ phase }) => phase === 'load')
  const most = load.at(-1)?.walker_requests ?? 0
  const done = load.findIndex(({ walker_requests: count }) => most > 0 && count >= most)
  return done < 0 ? [] : load.slice(0, done + 1)
}

function series(samples: readonly Sample[], key: Measured): Point[] {
  return underLoad(samples).flatMap((sample) => {
    const value = valueOf(sample, key)
    return value === undefined ? [] : [{ t: sample.t, value }]
  })
}

function slopeOf(observed: Pick<Observed, 'samples'>, key: Measured, budget: Budget): SlopeVerdict {
  const all = series(observed.samples, key)
  return judgeSlope(all.slice(Math.floor(all.length * WARM_UP)), budget)
}

/** Which memory grew under the load, so that it is worth a second look. */
export function grownMemory(observed: Pick<Observed, 'samples'>): { rss: boolean; heap: boolean } {
  const grew = (key: Measured): boolean => slopeOf(observed, key, MEMORY[key]!).verdict === 'growing'
  return { rss: grew('rss_bytes'), heap: grew('heap_inuse_bytes') }
}

/** Why a quantity was never seen. */
function missingOf({ missing, missingProcess }: Observed, key: Measured): string {
  return key === 'rss_bytes' || key === 'fd_count' ? missingProcess : missing
}

function judgeGrowth(observed: Observed, key: Measured, budget: Budget, kept: boolean): Judgement {
  if (!observed.samples.some((sample) => sample[key] !== undefined))
    return { state: 'not-instrumented', detail: missingOf(observed, key) }
  if (underLoad(observed.samples).length === 0)
    return { state: 'by-design', detail: 'no walkers ran: the cases alone are no steady load' }
  const all = series(observed.samples, key)
  if (all.length === 0) return { state: 'not-instrumented', detail: missingOf(observed, key) }
  const points = all.slice(Math.floor(all.length * WARM_UP))
  const verdict = slopeOf(observed, key, budget)
  const span = points.length === 0 ? 0 : points.at(-1)!.t - points[0]!.t
  if (verdict.verdict === 'too short') {
    // Of a count the interval may exclude every rise that matters; what stays below is looked for after the load.
    const most = (verdict.high ?? Infinity) * span
    if (kept && most < budget.floor)
      return { state: 'pass', detail: `${verdict.detail}, and less than ${budget.floor} in all` }
    return { state: 'by-design', detail: verdict.detail }
  }
  if (verdict.verdict === 'flat') return { state: 'pass', detail: verdict.detail }
  if (!kept) return judgeMemory(observed, key, verdict, span, budget)
  if (span >= budget.fullSpan) return { state: 'fail', detail: verdict.detail }
  // In a short cell a rise may be the load's own; it is a leak when it stays after the load.
  const rest = observed.samples.filter(({ phase }) => phase === 'quiet').flatMap((s) => valueOf(s, key) ?? [])
  const last = rest.at(-1)
  if (last === undefined) {
    return { state: 'inconclusive', detail: `${verdict.detail}; nothing was measured after the load` }
  }
  const stayed = last - points[0]!.value
  return stayed >= (verdict.rise ?? 0) / 2
    ? { state: 'fail', detail: `${verdict.detail}; after the load ${stayed} more than before are still held` }
    : { state: 'pass', detail: `${verdict.detail}; it came back after the load` }
}

/** Memory grows with what walkers write and a server keeps: below the full span it must grow with reads as well. */
function judgeMemory(
  { afterwards }: Observed,
  key: Measured,
  { detail }: SlopeVerdict,
  span: number,
  { fullSpan }: Budget
): Judgement {
  if (span >= fullSpan) return { state: 'fail', detail }
  const rounds = key === 'rss_bytes' ? afterwards?.rss : afterwards?.heap
  if (rounds?.grows === true) {
    const perRead = Math.round(rounds.grown / Math.max(1, rounds.requests))
    const told =
      rounds.requests === 0
        ? `after the load it goes on without any request, ${rounds.grown} bytes in 3 s`
        : `after the load ${rounds.requests} reads added ${perRead} bytes each`
    return { state: 'fail', detail: `${detail}; ${told}` }
  }
  const looked = rounds === undefined ? '' : ', not with reads after it'
  return {
    state: 'by-design',
    detail: `${detail}: it grew under the load${looked}; ${fullSpan} s tell a leak from what is written and kept`
  }
}

function growth(id: string, title: string, key: Measured, budget: Budget, kept: boolean): Predicate {
  return { id, title, severity: 'HIGH', judge: (observed) => judgeGrowth(observed, key, budget, kept) }
}

/** Below this span growth is only a reason to look again after the load: the floors are low. */
const SOAK_SECONDS = 600
const MEMORY: Partial<Record<Measured, Budget>> = {
  heap_inuse_bytes: {
    perSecond: 16 * 1024,
    floor: 8 * MIB,
    floorShare: 0.1,
    minSpan: 10,
    fullSpan: SOAK_SECONDS
  },
  rss_bytes: { perSecond: 64 * 1024, floor: 12 * MIB, floorShare: 0.15, minSpan: 10, fullSpan: SOAK_SECONDS }
}

/** Counts have no collector behind them: ten seconds tell. */
const COUNTS = { perSecond: 0.2, floor: 40, floorShare: 0.25, minSpan: 10, fullSpan: 90 }

export const GROWTH: readonly Predicate[] = [
  growth('I-MEM-1', 'the heap does not grow', 'heap_inuse_bytes', MEMORY.heap_inuse_bytes!, false),
  growth('I-MEM-3', 'goroutines or handles do not grow', 'goroutine_count', COUNTS, true),
  growth('I-MEM-4', 'resident memory does not grow', 'rss_bytes', MEMORY.rss_bytes!, false),
  growth('I-FD-2', 'open descriptors do not grow under a steady load', 'fd_count', COUNTS, true)
]
