/**
 * After the load: does the server give back what it took?
 *
 * A surplus alone is no leak: pools and caches stay. A leak grows again with the same work, so the work (bursts of
 * connections with one request each) is done twice more and the growth of each burst is looked at.
 */
import type { Target } from '../../target/types.ts'
import type { Published } from './sample.ts'
import { closeWait, get } from './probe.ts'

export interface Level {
  descriptors?: number
  sockets?: number
  goroutines?: number
  closeWait?: number
}

export interface QuietVerdict {
  state: 'pass' | 'fail' | 'inconclusive' | 'not-instrumented'
  detail: string
}

const SURPLUS = 16
const BURST = 100
/** Share of a burst's connections that must stay behind, in both bursts, to be called a leak. */
const LEAKED_SHARE = 0.3

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export interface QuietOptions {
  target: Target
  healthPath: string
  published: () => Promise<Published | { missing: string }>
  goroutines: (published: Published) => number | undefined
  /** Longest wait for the level to come back, ms. */
  patienceMs: number
  signal: AbortSignal
}

export async function level(options: QuietOptions): Promise<Level> {
  const [census, published, waiting] = await Promise.all([
    options.target.census(),
    options.published(),
    closeWait(options.target.port)
  ])
  const goroutines = 'missing' in published ? undefined : options.goroutines(published)
  return {
    ...(census?.descriptors === undefined ? {} : { descriptors: census.descriptors }),
    ...(census?.sockets === undefined ? {} : { sockets: census.sockets }),
    ...(goroutines === undefined ? {} : { goroutines }),
    ...(waiting === undefined ? {} : { closeWait: waiting })
  }
}

/** What is above the baseline by more than the tolerance, in words. */
function surplus(base: Level, now: Level): string[] {
  const over: string[] = []
  for (const key of ['descriptors', 'goroutines'] as const) {
    const [before, after] = [base[key], now[key]]
    if (before !== undefined && after !== undefined && after - before > SURPLUS) {
      over.push(`${key} ${before} -> ${after}`)
    }
  }
  if ((now.closeWait ?? 0) > SURPLUS) over.push(`${now.closeWait} sockets kept after their clients closed`)
  return over
}

async function settle(base: Level, options: QuietOptions): Promise<{ now: Level; over: string[] }> {
  const end = performance.now() + options.patienceMs
  for (;;) {
    const now = await level(options)
    const over = surplus(base, now)
    if (over.length === 0 || performance.now() >= end || options.signal.aborted) return { now, over }
    await wait(500)
  }
}

async function burst({ target, healthPath }: QuietOptions): Promise<void> {
  for (let i = 0; i < BURST; i += 20) {
    await Promise.all(Array.from({ length: 20 }, () => get(target.host, target.port, healthPath, 5000)))
  }
}

/** Waits for the level to return to the baseline; where it does not, looks whether it grows with work. */
export async function judgeQuiet(base: Level, options: QuietOptions): Promise<QuietVerdict> {
  if (base.descriptors === undefined && base.goroutines === undefined) {
    return { state: 'not-instrumented', detail: 'neither descriptors nor goroutines can be read' }
  }
  const first = await settle(base, options)
  if (first.over.length === 0) {
    const told = Object.entries(first.now).map(([key, value]) => `${key} ${value}`)
    return { state: 'pass', detail: `back to the baseline: ${told.join(', ')}` }
  }
  if (options.signal.aborted) return { state: 'inconclusive', detail: 'stopped while waiting' }
  const levels = [first.now]
  for (let round = 0; round < 2; round++) {
    await burst(options)
    levels.push(
      (await settle(levels.at(-1)!, { ...options, patienceMs: Math.min(3000, options.patienceMs) })).now
    )
  }
  const growth = (key: 'descriptors' | 'goroutines'): number[] =>
    [1, 2].map((i) => (levels[i]![key] ?? 0) - (levels[i - 1]![key] ?? 0))
  const leaking = (['descriptors', 'goroutines'] as const).filter((key) =>
    growth(key).every((grown) => grown >= BURST * LEAKED_SHARE)
  )
  if (leaking.length > 0) {
    const told = leaking.map((key) => `${key} +${growth(key).join(' and +')} for ${BURST} connections each`)
    return { state: 'fail', detail: `${first.over.join(', ')}; ${told.join('; ')}` }
  }
  if ((levels.at(-1)!.closeWait ?? 0) > SURPLUS) {
    return { state: 'fail', detail: `${levels.at(-1)!.closeWait} sockets still open whose clients closed` }
  }
  return {
    state: 'pass',
    detail: `${first.over.join(', ')}; stable under two more bursts, so kept, not leaked`
  }
}
