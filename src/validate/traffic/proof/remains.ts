/** After the load of a slice: does anything of its dead clients remain, and of which kind of death? */
import type { RandomStream } from '../../../kit/random.ts'
import type { Target } from '../../../target/types.ts'
import type { Bench } from './bench.ts'
import type { Growth, Holding, Levels } from './holding.ts'

/** Longest wait for the server to notice that its clients are gone, ms. */
const NOTICE_MS = 8000
/** Idle workers of a pool are kept for ten seconds by many servers, ms more. */
const POOL_MS = 4000
/** Longest search where only gauges that others move too are above their level, ms. */
const SEARCH_MS = 10_000
/** The same after each batch of the search for the kind of death that leaks. */
const BATCH_NOTICE_MS = 2500
/** Surplus that pools, caches and other traffic may leave; counters of subscribers and the like are exact. */
const SURPLUS = 8
const EXACT_SURPLUS = 2
const EXACT = /subscriber|kept|ws_conn|websocket/i

/** A kind of death: where the client was, and how it went. */
export interface Death {
  /** Case that it belongs to. */
  id: string
  title: string
  batch(random: RandomStream): () => Promise<number>
}

export interface RemainsOptions {
  caseId: string
  predicate: string
  base: Levels
  deaths: readonly Death[]
  /** Added to each wait: two heartbeats of the server. */
  extraMs?: number
}

/** The last search on each server. */
const searches = new WeakMap<Target, Promise<unknown>>()

/** The batches of two slices at once would each be taken for the other's: one search after the other. */
function inTurn<T>(target: Target, search: () => Promise<T>): Promise<T> {
  const turn = (searches.get(target) ?? Promise.resolve()).then(search, search)
  searches.set(target, turn)
  return turn
}

/** True where something remains. All gauges come back; where one does not, equal batches of each death show whether it grows with them. */
export async function nothingRemains(
  bench: Bench,
  holding: Holding,
  options: RemainsOptions
): Promise<boolean> {
  const { context } = bench
  const { caseId, base, extraMs = 0 } = options
  if (base.size === 0) {
    context.ledger.inapplicable(
      caseId,
      'neither descriptors nor published counters can be read on this target'
    )
    return false
  }
  const allowed = (gauge: string): number => (EXACT.test(gauge) ? EXACT_SURPLUS : SURPLUS)
  let { over } = await holding.settle(base, allowed, Math.max(NOTICE_MS, extraMs))
  if (over.length > 0 && !over.some((gauge) => EXACT.test(gauge)))
    ({ over } = await holding.settle(base, allowed, POOL_MS))
  if (over.length > 0 && !bench.aborted) {
    const growth = await inTurn(context.target, () => searched(bench, holding, options, over))
    if (growth === 'late') {
      context.ledger.inconclusive(caseId, `${over.join(', ')} stayed above the level from before; time ended`)
      return false
    }
    if (growth !== undefined) {
      report(bench, options, growth.death, growth)
      return true
    }
    if (!bench.aborted)
      context.note(
        `${over.join(', ')} stayed above the level from before, and does not grow with clients that go: kept, not leaked`
      )
  }
  if (bench.aborted) context.ledger.inconclusive(caseId, 'stopped while the level was watched')
  else context.ledger.exercised(caseId)
  return false
}

/** The first death with which a gauge grows; undefined where there is none, or it was stopped. */
async function searched(
  bench: Bench,
  holding: Holding,
  { deaths, extraMs = 0 }: RemainsOptions,
  over: readonly string[]
): Promise<(Growth & { death: Death }) | 'late' | undefined> {
  const random = bench.context.random.stream('leak')
  const end = performance.now() + (over.some((gauge) => EXACT.test(gauge)) ? Infinity : SEARCH_MS)
  for (const death of deaths) {
    if (bench.aborted) return undefined
    if (performance.now() > end) return 'late'
    const growth = await holding.grows(death.batch(random), BATCH_NOTICE_MS + extraMs)
    if (growth !== undefined) return { ...growth, death }
  }
  return undefined
}

function report(
  { context }: Bench,
  { caseId, predicate }: RemainsOptions,
  death: Death,
  { gauge, grown, clients }: Growth
): void {
  context.ledger.exercised(caseId)
  context.report({
    predicate,
    severity: 'HIGH',
    case: death.id,
    title: `${gauge} grows with clients that go ${death.title}: +${grown.join(', +')} for ${clients} clients each`,
    standard: 'resources',
    symptom: 'leak',
    evidence: { gauge, grown: grown.join(' '), clients_per_batch: clients, batches: grown.length },
    repeats: { k: grown.length, n: grown.length }
  })
}
