/**
 * Which case makes a quantity grow? The likeliest are played again, in groups that are halved, and the one that is
 * left must add with every one of several equal batches, where plain requests add nothing. Memory that a collector has
 * not yet taken back grows so, too: it must go on until it has doubled, on a fresh process where one can be launched.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Target } from '../../target/types.ts'
import { formatRequest } from '../../wire/http1.ts'
import { CoverageBook, TallyBook, type FindingBook } from '../collector.ts'
import { ask } from '../preflight/ask.ts'
import { coresBetween, look, type Gauge, type Look, type Looks } from './looks.ts'
import { NO_WATCH, play, type Ground } from './play.ts'
import type { Quantity } from './quantities.ts'
import { keyOf, Timeline, type CaseName } from './timeline.ts'

/** A quantity that stands above its level from before. */
export interface Off {
  quantity: Quantity
  before: number
  after: number
}

export interface Named extends CaseName {
  gauge: Gauge
  /** The level after each batch, the first before any. */
  levels: number[]
  /** The same with plain requests in place of the case. */
  without: number[]
  /** All of the process after each batch. */
  looks: Look[]
  /** What the levels are of. */
  process: string
}

export interface SearchOptions {
  ground: Ground
  /** The process that all cases ran on. */
  target: Target
  looks: Looks
  timeline: Timeline
  /** Another process of the same server; undefined where it cannot be launched. */
  start: ((signal: AbortSignal) => Promise<Target>) | undefined
  findings: FindingBook
  note(text: string): void
}

/** Windows in which the processor is watched, ms. */
const CPU_MS = 300
const CPU_SURE_MS = 1000
/** After a play on a process that may still collect what the cases left, ms. */
const CPU_CALM_MS = 1000
const POLL_MS = 100
/** No group is tried later, earlier where the surplus is not large, and none that made it grow is halved later, ms. */
const BUDGET_MS = 20_000
const SMALL_BUDGET_MS = 6000
const SMALL_NARROW_MS = 14_000
const NARROW_MS = 45_000
/** One batch: its cases are played again and again so long, and the first pass is finished. */
const BATCH_MS = 400
const BATCH_GRACE_MS = 6000
/** What is closed late is waited for after each batch, ms. */
const BATCH_SETTLE_MS = 700
export const BATCHES = 3
/** More batches for memory: before the level counts, and most after it. */
const WARM_BATCHES = 2
const MOST_BATCHES = 16
/** After so many it is given up where it cannot get there any more. */
const HOPELESS_AFTER = 4
/** Growth of memory below which nothing is told, and above which no more is asked for: it is our users' memory, too. */
const LEAST_GROWN = 24 << 20
const MOST_GROWN = 1 << 30
/** Cases tried together, in a group that is halved. One that stands out so far is tried alone first. */
const GROUP = 24
const STANDS_OUT = 1.5
/** Plain requests in place of a batch. */
const CONTROLS = 20
/** Findings of slices that tell of what their own cases left. */
const LEAKS = /-LEAK$/

export class Search {
  readonly #options: SearchOptions
  readonly #begun = performance.now()

  constructor(options: SearchOptions) {
    this.#options = options
  }

  /** A count, or memory: the groups on the process that all cases ran on, until one makes it grow. */
  async grown(off: Off): Promise<Named | undefined> {
    const { target } = this.#options
    const { quantity, before, after } = off
    const grows = (cases: readonly CaseName[], plays: number): Promise<boolean> =>
      this.#grows(target, quantity, cases, plays)
    const large = after - before > (quantity.large?.(before) ?? 0)
    const [budget, narrow] = large ? [BUDGET_MS, NARROW_MS] : [SMALL_BUDGET_MS, SMALL_NARROW_MS]
    for (const group of this.groups(off)) {
      if (this.#isLate(budget)) return undefined
      if (!(await grows(group, quantity.plays))) continue
      let left = group
      while (left.length > 1 && !this.#isLate(narrow)) {
        const half = left.slice(0, Math.ceil(left.length / 2))
        left = (await grows(half, 1)) ? half : left.slice(half.length)
      }
      const named = left.length === 1 ? await this.#confirm(quantity, left[0]!) : undefined
      if (named !== undefined) return named
    }
    return undefined
  }

  async #grows(
    target: Target,
    quantity: Quantity,
    cases: readonly CaseName[],
    plays: number
  ): Promise<boolean> {
    let from = await this.lowest(target, quantity, Infinity)
    for (let i = 0; from !== undefined && i < plays; i++) {
      await this.#play(target, cases)
      const to = await this.lowest(target, quantity, from + quantity.batch - 1)
      if (to === undefined || to - from < quantity.batch) return false
      from = to
    }
    return from !== undefined
  }

  /** Equal batches of the case, each of which must add, and as many plain requests, which must not. */
  async #confirm(quantity: Quantity, one: CaseName): Promise<Named | undefined> {
    const { target } = this.#options
    const looks: Look[] = []
    const without = await this.#levels(target, quantity, () => this.#controls(target), 1)
    const levels = await this.#levels(target, quantity, () => this.#play(target, [one]), BATCHES, looks)
    const after = await this.#levels(target, quantity, () => this.#controls(target), 1)
    if (without === undefined || levels === undefined || after === undefined) return undefined
    const rises = levels.slice(1).map((level, i) => level - levels[i]!)
    const grown = levels.at(-1)! - levels[0]!
    const idle = Math.max(without[1]! - without[0]!, after[1]! - after[0]!)
    const real =
      rises.every((rise) => rise >= quantity.batch) && grown >= quantity.total && idle * BATCHES <= grown / 4
    if (!real) return undefined
    const named: Named = {
      ...one,
      gauge: quantity.gauge,
      levels,
      without: [...without, ...after],
      looks,
      process: 'the one that all cases ran on'
    }
    return quantity.gauge === 'rss' ? this.#goesOn(quantity, named) : named
  }

  /** The same with levels that no collector explains; undefined where it stops, or was not seen to go on. */
  async #goesOn(quantity: Quantity, named: Named): Promise<Named | undefined> {
    const { start, target, ground, note } = this.#options
    let fresh: Target | undefined
    try {
      fresh = await start?.(ground.signal)
      const levels = await this.#moreLevels(fresh ?? target, quantity, named)
      if (growsOn(levels) === true)
        return { ...named, levels, process: fresh === undefined ? named.process : 'a fresh one, warm' }
      const ends = [named.levels[0], named.levels.at(-1), levels[0], levels.at(-1)]
      const [from, to, again, last] = ends.map((level) => quantity.text(level!))
      note(
        `${named.id}: ${quantity.gauge} grew from ${from!} to ${to!}, and then from ${again!} to ${last!} with ` +
          `${levels.length - 1} more batches${fresh === undefined ? '' : ' on a fresh process'}: a collector may hold as much`
      )
    } catch (error) {
      if (!ground.signal.aborted)
        note(
          `${named.id}: the growth of memory could not be tried again: ${error instanceof Error ? error.message : String(error)}`
        )
    } finally {
      await fresh?.stop(0)
    }
    return undefined
  }

  /** Levels of the warm process after each batch, until they tell. */
  async #moreLevels(target: Target, quantity: Quantity, one: CaseName): Promise<number[]> {
    for (let i = 0; i < WARM_BATCHES; i++) await this.#play(target, [one])
    const levels = [await this.#level(target, quantity)]
    while (growsOn(levels) === undefined && !this.#options.ground.signal.aborted) {
      await this.#play(target, [one])
      levels.push(await this.#level(target, quantity))
    }
    return levels
  }

  /** @throws Error where the process is gone */
  async #level(target: Target, quantity: Quantity): Promise<number> {
    const level = await this.lowest(target, quantity, 0)
    if (level === undefined) throw new Error('the process is gone')
    return level
  }

  async #levels(
    target: Target,
    quantity: Quantity,
    work: () => Promise<void>,
    times: number,
    looks: Look[] = []
  ): Promise<number[] | undefined> {
    const levels: number[] = []
    for (let i = 0; i <= times; i++) {
      if (i > 0) await work()
      const level = await this.lowest(target, quantity, levels.at(-1) ?? Infinity)
      const seen = await look(target)
      if (level === undefined || seen === undefined) return undefined
      levels.push(level)
      looks.push(seen)
    }
    return levels
  }

  /**
   * A core that is busy: on a fresh process where one can be launched, else on the old one, which is busy already and
   * must become so once more with each play.
   */
  async busy(off: Off): Promise<Named | undefined> {
    const { start, ground, target: old } = this.#options
    let process: Target | undefined
    const calm = async (): Promise<Target> => (process ??= (await start?.(ground.signal)) ?? old)
    const burns = async (cases: readonly CaseName[]): Promise<number[] | undefined> => {
      const target = await calm()
      const from = (await this.cores(target, CPU_MS)) ?? 0
      const most = from + off.quantity.batch
      await this.#play(target, cases)
      await delay(target === old ? CPU_CALM_MS : CPU_MS)
      if (((await this.cores(target, CPU_MS)) ?? 0) <= most) return undefined
      const to = (await this.cores(target, CPU_SURE_MS)) ?? 0
      if (to <= most) return undefined
      if (target !== old) await target.stop(0)
      process = undefined
      return [from, to]
    }
    try {
      const believed = async (one: CaseName, first: number[]): Promise<Named | undefined> => {
        const pairs = [first]
        while (pairs.length < BATCHES) {
          const again = await burns([one])
          if (again === undefined) return undefined
          pairs.push(again)
        }
        return {
          ...one,
          gauge: 'cpu',
          levels: pairs.map((pair) => pair[1]!),
          without: pairs.map((pair) => pair[0]!),
          looks: [],
          process: start === undefined ? 'the one that all cases ran on' : 'a fresh one for each try'
        }
      }
      for (const group of this.groups(off)) {
        if (this.#isLate(BUDGET_MS)) return undefined
        let left = group
        let seen = await burns(left)
        if (seen === undefined) continue
        while (left.length > 1 && !this.#isLate(NARROW_MS)) {
          const half = left.slice(0, Math.ceil(left.length / 2))
          const again = await burns(half)
          left = again === undefined ? left.slice(half.length) : half
          seen = again ?? seen
        }
        const named = left.length === 1 ? await believed(left[0]!, seen) : undefined
        if (named !== undefined) return named
      }
      return undefined
    } catch (error) {
      if (ground.signal.aborted) return undefined
      this.#options.note(
        `the search for the case that keeps a core busy ended: ${error instanceof Error ? error.message : String(error)}`
      )
      return undefined
    } finally {
      if (process !== old) await process?.stop(0)
    }
  }

  /**
   * The cases that were played, in groups to try together, the likeliest first; one that stands out is a group of its
   * own. Those that a slice has told of are not asked again.
   */
  groups({ quantity, after }: Off): CaseName[][] {
    const { looks, timeline, findings } = this.#options
    const scores = looks.blame(quantity.gauge, after, timeline)
    const known = new Set(
      findings.all().flatMap(({ finding }) => (LEAKS.test(finding.predicate) ? [finding.case ?? ''] : []))
    )
    const score = (one: CaseName | undefined): number =>
      one === undefined ? 0 : (scores.get(keyOf(one)) ?? 0)
    const ranked = timeline
      .cases()
      .filter(({ slice, id }) => slice !== 'markov' && !known.has(id))
      .sort((a, b) => score(b) - score(a))
    const groups: CaseName[][] = []
    while (ranked.length > 0) {
      const alone = score(ranked[0]) > STANDS_OUT * score(ranked[1])
      groups.push(ranked.splice(0, alone ? 1 : GROUP))
    }
    return groups
  }

  /** The lowest level within the time that is given to what closes late. */
  async lowest(target: Target, { gauge }: Quantity, wanted: number): Promise<number | undefined> {
    const end = performance.now() + BATCH_SETTLE_MS
    let lowest: number | undefined
    do {
      const value = gauge === 'cpu' ? undefined : (await look(target))?.[gauge]
      if (value === undefined) return lowest
      lowest = Math.min(lowest ?? Infinity, value)
      if (lowest <= wanted) return lowest
      await delay(POLL_MS)
    } while (performance.now() < end && !this.#options.ground.signal.aborted)
    return lowest
  }

  async cores(target: Target, ms: number): Promise<number | undefined> {
    const from = await look(target)
    await delay(ms)
    const to = await look(target)
    return from === undefined || to === undefined ? undefined : coresBetween(from, to)
  }

  #isLate(ms: number): boolean {
    return performance.now() > this.#begun + ms || this.#options.ground.signal.aborted
  }

  /** Plays these cases and nothing else; what they show was judged before. */
  async #play(target: Target, cases: readonly CaseName[]): Promise<void> {
    const keys = new Set(cases.map(keyOf))
    await play(this.#options.ground, {
      target,
      only: (slice) => cases.some((one) => one.slice === slice),
      wants: (slice, id) => keys.has(keyOf({ slice, id })),
      deadline: performance.now() + BATCH_MS,
      graceMs: BATCH_GRACE_MS,
      tally: () => new TallyBook(),
      ledger: () => new CoverageBook(),
      watch: NO_WATCH,
      report: () => undefined,
      note: () => undefined,
      timeline: new Timeline()
    })
  }

  /** Plain requests, each on a connection of its own, as many at once as a slice has lanes. */
  async #controls(target: Target): Promise<void> {
    const { host, port, authority } = target
    const { routes } = this.#options.ground.capabilities
    const path = routes.get?.path ?? routes.health?.path ?? '/'
    const bytes = formatRequest({ method: 'GET', target: path, headers: [['Host', authority]] })
    await Promise.all(
      Array.from({ length: CONTROLS }, () =>
        ask({ host, port, bytes, methods: ['GET'], timeoutMs: BATCH_GRACE_MS })
      )
    )
    await delay(BATCH_MS)
  }
}

/**
 * Does memory go on growing? A collector that waits until what lives has doubled (Go's by default; most others wait for
 * less) keeps below twice the level of a warm process.
 * @param levels bytes after each of equal batches, the first of a warm process
 * @returns undefined where more batches must tell
 */
export function growsOn(levels: readonly number[]): boolean | undefined {
  const first = levels[0]!
  const grown = levels.at(-1)! - first
  const batches = levels.length - 1
  const wanted = Math.max(LEAST_GROWN, Math.min(first, MOST_GROWN))
  if (grown >= wanted) return true
  const hopeless = batches >= HOPELESS_AFTER && (grown / batches) * MOST_BATCHES < wanted
  return batches >= MOST_BATCHES || hopeless ? false : undefined
}
