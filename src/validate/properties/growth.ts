/** What must not grow under a steady load: memory, descriptors, goroutines. */
import type { Judgement, Observed, Predicate } from './judgement.ts'
import type { Sample } from './sample.ts'
import { judgeSlope, type Point, type SlopeBudget } from './slope.ts'

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

function series(samples: readonly Sample[], key: Measured): Point[] {
  return samples.flatMap((sample) => {
    const value = valueOf(sample, key)
    return sample.phase === 'load' && value !== undefined ? [{ t: sample.t, value }] : []
  })
}

/** Why a quantity was never seen. */
function missingOf({ missing, missingProcess }: Observed, key: Measured): string {
  return key === 'rss_bytes' || key === 'fd_count' ? missingProcess : missing
}

function judgeGrowth(observed: Observed, key: Measured, budget: Budget, kept: boolean): Judgement {
  const all = series(observed.samples, key)
  if (all.length === 0) return { state: 'not-instrumented', detail: missingOf(observed, key) }
  const points = all.slice(Math.floor(all.length * WARM_UP))
  const verdict = judgeSlope(points, budget)
  const span = points.length === 0 ? 0 : points.at(-1)!.t - points[0]!.t
  if (verdict.verdict === 'too short') {
    // Of a count the interval may exclude every rise that matters; what stays below is looked for after the load.
    const most = (verdict.high ?? Infinity) * span
    if (kept && most < budget.floor)
      return { state: 'pass', detail: `${verdict.detail}, and less than ${budget.floor} in all` }
    return { state: 'by-design', detail: verdict.detail }
  }
  if (verdict.verdict === 'flat') return { state: 'pass', detail: verdict.detail }
  if (!kept || span >= budget.fullSpan) return { state: 'fail', detail: verdict.detail }
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

function growth(id: string, title: string, key: Measured, budget: Budget, kept: boolean): Predicate {
  return { id, title, severity: 'HIGH', judge: (observed) => judgeGrowth(observed, key, budget, kept) }
}

/** Counts have no collector behind them: ten seconds tell. */
const COUNTS = { perSecond: 0.2, floor: 40, floorShare: 0.25, minSpan: 10, fullSpan: 90 }

export const GROWTH: readonly Predicate[] = [
  growth(
    'I-MEM-1',
    'the heap does not grow',
    'heap_inuse_bytes',
    { perSecond: 16 * 1024, floor: 16 * MIB, floorShare: 0.25, minSpan: 30, fullSpan: 90 },
    false
  ),
  growth('I-MEM-3', 'goroutines or handles do not grow', 'goroutine_count', COUNTS, true),
  growth(
    'I-MEM-4',
    'resident memory does not grow',
    'rss_bytes',
    { perSecond: 64 * 1024, floor: 32 * MIB, floorShare: 0.3, minSpan: 30, fullSpan: 90 },
    false
  ),
  growth('I-FD-2', 'open descriptors do not grow under a steady load', 'fd_count', COUNTS, true)
]
