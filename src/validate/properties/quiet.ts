/**
 * After the load: does the server give back what it took?
 *
 * A surplus alone is no leak: pools and caches stay. A leak grows again with the same work, so work (connections with
 * one request each, and many reads on few connections) is done twice more and the growth of each round is looked at.
 */
import { reads } from './reads.ts'
import type { Target } from '../../target/types.ts'
import { fail, inconclusive, notInstrumented, pass, type Judgement } from './judgement.ts'
import type { Published } from './sample.ts'
import { connectionsOf, get } from './probe.ts'

export interface Level {
  descriptors?: number
  sockets?: number
  goroutines?: number
  closeWait?: number
}

const SURPLUS = 16
const BURST = 100
/** Growth per second without any work that is no leak. */
const IDLE_GROWTH = 1
/** Longest wait for sockets whose clients closed, ms: some servers notice at their next write only. */
const CLOSE_PATIENCE_MS = 15_000
/** Longest wait after a round of more work, ms. */
const ROUND_PATIENCE_MS = 2000
/** Share of a burst's connections that must stay behind, in both bursts, to be called a leak. */
const LEAKED_SHARE = 0.3
/** Of what the surplus per request of the load lets expect, what must come again in both rounds. */
const REPEATED_SHARE = 0.25
/** Growth that a round of reads should show if requests leak, and its least. */
const WANTED_GROWTH = 40
const LEAST_GROWTH = 8
const MOST_READS = 20_000
/** What pools keep is bounded by what was open at once: this many each, and room for crowds between two looks. */
const KEPT_EACH = 4
const KEPT_ROOM = 400

/** Before it is told: what a proxy or a pool holds for a while is given back by then, ms. */
const LATE_PATIENCE_MS = 20_000

/** Longest wait for the level to come back, ms. */
const WHOLE_PATIENCE_MS = 7000

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export interface QuietOptions {
  target: Target
  healthPath: string
  /** Requests of the walkers during the load. */
  requests: number
  /** Most connections that were open at once, as far as it was looked at. */
  connections: number
  published: () => Promise<Published | { missing: string }>
  goroutines: (published: Published) => number | undefined
  /** Why a quantity cannot be read. */
  missing: (key: 'descriptors' | 'goroutines') => string
  signal: AbortSignal
}

export async function level(options: QuietOptions): Promise<Level> {
  const [census, published, connections] = await Promise.all([
    options.target.census(),
    options.published(),
    connectionsOf(options.target.port)
  ])
  const goroutines = 'missing' in published ? undefined : options.goroutines(published)
  return {
    ...(census?.descriptors === undefined ? {} : { descriptors: census.descriptors }),
    ...(census?.sockets === undefined ? {} : { sockets: census.sockets }),
    ...(goroutines === undefined ? {} : { goroutines }),
    ...(connections === undefined ? {} : { closeWait: connections.closeWait })
  }
}

type Counted = 'descriptors' | 'goroutines'

interface Look extends Level {
  /** Seconds since the load ended. */
  t: number
}

/** What is above the baseline by more than the tolerance, in words. */
function surplus(key: Counted, base: Level, now: Level): string | undefined {
  const [before, after] = [base[key], now[key]]
  return before !== undefined && after !== undefined && after - before > SURPLUS
    ? `${key} ${before} -> ${after}`
    : undefined
}

function kept(now: Level): string | undefined {
  return (now.closeWait ?? 0) > SURPLUS
    ? `${now.closeWait} sockets kept after their clients closed`
    : undefined
}

function isOver(base: Level, now: Level): boolean {
  return (
    surplus('descriptors', base, now) !== undefined ||
    surplus('goroutines', base, now) !== undefined ||
    kept(now) !== undefined
  )
}

/** Looks twice a second until nothing is over the baseline any more, or the patience is used up. */
async function settle(
  base: Level,
  options: QuietOptions,
  patienceMs: number,
  closePatienceMs = patienceMs
): Promise<Look[]> {
  const begun = performance.now()
  const looks: Look[] = []
  for (;;) {
    const now = { ...(await level(options)), t: (performance.now() - begun) / 1000 }
    looks.push(now)
    const waited = now.t * 1000
    const closing = kept(now) !== undefined && waited < closePatienceMs
    if (!isOver(base, now) || options.signal.aborted || (waited >= patienceMs && !closing)) return looks
    await wait(500)
  }
}

async function burst({ target, healthPath }: QuietOptions): Promise<void> {
  for (let i = 0; i < BURST; i += 20) {
    await Promise.all(Array.from({ length: 20 }, () => get(target.host, target.port, healthPath, 5000)))
  }
}

/** Surplus per request of the load; 0 where nothing is over. */
function rate(key: Counted, base: Level, rested: Level, requests: number): number {
  const over = (rested[key] ?? 0) - (base[key] ?? 0)
  return over > SURPLUS && requests > 0 ? over / requests : 0
}

/** Growth while nobody asked for anything, units per second; undefined where it does not grow steadily. */
function idleGrowth(key: Counted, looks: readonly Look[]): number | undefined {
  const values = looks.flatMap((look) => (look[key] === undefined ? [] : [{ t: look.t, value: look[key] }]))
  const [first, last] = [values[0], values.at(-1)]
  if (first === undefined || last === undefined || last.t - first.t < 4) return undefined
  const perSecond = (last.value - first.value) / (last.t - first.t)
  const steady = values.every(({ value }, i) => i === 0 || value >= values[i - 1]!.value - 1)
  return steady && perSecond >= IDLE_GROWTH && last.value - first.value > 8 ? perSecond : undefined
}

export type QuietJudgements = Record<Counted, Judgement>

/** Waits for the level to return to the baseline; where it does not, looks whether it grows with work or with time. */
export async function judgeQuiet(base: Level, options: QuietOptions): Promise<QuietJudgements> {
  const looks = await settle(base, options, WHOLE_PATIENCE_MS, CLOSE_PATIENCE_MS)
  const rested = looks.at(-1)!
  const levels: Level[] = [rested]
  const made: number[] = []
  const rates = {
    descriptors: rate('descriptors', base, rested, options.requests),
    goroutines: rate('goroutines', base, rested, options.requests)
  }
  if (isOver(base, rested) && !options.signal.aborted) {
    const least = Math.min(...Object.values(rates).filter((value) => value > 0))
    const wanted = Number.isFinite(least) ? Math.min(MOST_READS, Math.ceil(WANTED_GROWTH / least)) : 0
    for (let round = 0; round < 2; round++) {
      await burst(options)
      made.push(BURST + (await reads(options.target, options.healthPath, wanted, options.signal)))
      levels.push((await settle(levels.at(-1)!, options, ROUND_PATIENCE_MS)).at(-1)!)
    }
  }
  const judge = (key: Counted, late?: Look): Judgement => {
    if (base[key] === undefined || rested[key] === undefined) return notInstrumented(options.missing(key))
    const over = surplus(key, base, rested) ?? (key === 'descriptors' ? kept(rested) : undefined)
    if (over === undefined) return pass(`back to the baseline: ${key} ${rested[key]}`)
    const pace = idleGrowth(key, looks)
    if (pace !== undefined) return fail(`${over}; without any work it grows by ${pace.toFixed(1)} a second`)
    if (levels.length < 3) return inconclusive(`${over}; stopped while waiting`)
    const grown = [1, 2].map((i) => (levels[i]![key] ?? 0) - (levels[i - 1]![key] ?? 0))
    const work = `${BURST} connections and ${made.map((count) => count - BURST).join(' and ')} reads`
    const expected = made.map((count) => rates[key] * count)
    const repeated = grown.every(
      (count, i) => expected[i]! > 0 && count >= Math.max(LEAST_GROWTH, expected[i]! * REPEATED_SHARE)
    )
    if (repeated || grown.every((count) => count >= BURST * LEAKED_SHARE)) {
      const told = `${over}; ${key} +${grown.join(' and +')} for ${work}`
      return late === undefined || surplus(key, rested, late) !== undefined
        ? fail(told)
        : pass(`${told}, given back within ${late.t.toFixed(0)} s`)
    }
    const left = key === 'descriptors' ? kept(late ?? levels.at(-1)!) : undefined
    if (left !== undefined) return fail(left)
    const most = KEPT_EACH * options.connections + KEPT_ROOM
    if (((late ?? rested)[key] ?? 0) - (base[key] ?? 0) > most)
      return fail(`${over}; no pool for ${options.connections} connections at once keeps as many`)
    if (Math.max(...grown) > 0 && Math.min(...expected) < LEAST_GROWTH * 2)
      return inconclusive(`${over}; ${work} after it were too few to tell`)
    return pass(`${over}; stable under ${work}, so kept, not leaked by them`)
  }
  const judged = { descriptors: judge('descriptors'), goroutines: judge('goroutines') }
  const fails = Object.values(judged).some(({ state }) => state === 'fail')
  if (!fails || levels.length < 3 || options.signal.aborted) return judged
  const late = (await settle(base, options, LATE_PATIENCE_MS)).at(-1)!
  return { descriptors: judge('descriptors', late), goroutines: judge('goroutines', late) }
}
