/**
 * What a case takes from the server for good: descriptors, threads, memory, a core that is never idle again.
 *
 * A surplus after the cases is no leak: pools fill, a runtime warms up. It is a reason to play the likeliest cases
 * again, and what is told has grown with every one of several equal batches, and not without the case.
 */
import { totalmem } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { infoOf } from '../catalogue/list.ts'
import type { FindingDraft } from '../contracts.ts'
import type { PropertyReport } from '../properties/index.ts'
import { coresBetween, look, type Gauge, type Look } from './looks.ts'
import { QUANTITIES, type Quantity } from './quantities.ts'
import { BATCHES, Search, type Named, type Off, type SearchOptions } from './search.ts'

export interface SlowDeathOptions extends SearchOptions {
  /** The process at rest, before the cases; absent where it cannot be looked at. */
  before: Look | undefined
  /** Processes that came before it; what their cases left is not known. */
  earlier: number
}

/** Longest first look after the cases, and the window in which the processor is watched, ms. */
const SETTLE_MS = 1500
const CPU_MS = 300
const CPU_SURE_MS = 1000
/** Before a core that is busy is told without a case: so long it must have been busy, ms; cases that are named then. */
const BUSY_MS = 8000
/** Findings of a server that serves nobody any more. */
const HANGS = /HANG|LIVENESS/
const NAMED_SUSPECTS = 3
/** Growth to this share of the machine's memory is told though no case was found; a virtual machine takes a quarter. */
const SHARE_OF_MEMORY = 1 / 3

export class SlowDeath {
  readonly #options: SlowDeathOptions
  #off: Off[] = []
  #seenAt = 0
  readonly #held: FindingDraft[] = []
  readonly #state = new Map<string, { state: 'pass' | 'fail' | 'inconclusive'; detail: string }>()

  constructor(options: SlowDeathOptions) {
    this.#options = options
  }

  /** A first look, once nothing is connected any more: is anything off? Returns at once where nothing is. */
  async look(): Promise<void> {
    const { target, before } = this.#options
    if (before === undefined) return
    const begun = performance.now()
    const first = await look(target)
    let start = first
    for (let now = first; now !== undefined && start !== undefined;) {
      await delay(CPU_MS)
      now = await look(target)
      if (now === undefined) return
      this.#off = offOf(before, start, now)
      if (this.#off.length === 0 || performance.now() - begun > SETTLE_MS) break
      start = now
    }
    this.#seenAt = performance.now()
  }

  /** True for a finding of the property loop that may be one of a case: it is told only where no case is named. */
  holds(draft: FindingDraft): boolean {
    const held = this.#off.some(({ quantity }) => quantity.also.includes(draft.predicate))
    if (held) this.#held.push(draft)
    return held
  }

  /** Looks again, after the property loop has waited for the server to come to rest, and for the case that did it. */
  async search(): Promise<void> {
    const { ground, note, findings } = this.#options
    const search = new Search(this.#options)
    const told = new Set<string>()
    const all: { named: Named; predicate: string }[] = []
    for (const off of this.#off) {
      if (ground.signal.aborted) break
      const { quantity } = off
      const now = await this.#still(search, off)
      if (now === undefined) continue
      const known = all.find(({ named }) => growsWith(quantity, named.looks))
      if (known !== undefined) {
        this.#book(quantity, 'fail', `it grows with ${known.named.id}, too: see ${known.predicate}`)
        for (const id of quantity.also) told.add(id)
        continue
      }
      const named = await (quantity.gauge === 'cpu' ? search.busy(now) : search.grown(now))
      if (named !== undefined) {
        const shown = telling(quantity, named)
        all.push({ named, predicate: shown.predicate })
        for (const id of [...quantity.also, ...shown.also]) told.add(id)
        this.#report(shown, named)
        if (shown !== quantity)
          this.#book(quantity, 'fail', `it grows with ${named.id}, too: see ${shown.predicate}`)
        continue
      }
      if (quantity.gauge === 'cpu') {
        await this.#tellBusy(search, now)
        continue
      }
      const words = `${quantity.text(now.before)} before, ${quantity.text(now.after)} after the cases`
      if (quantity.gauge === 'rss' && now.after - now.before > SHARE_OF_MEMORY * totalmem()) {
        this.#tellHeld(search, now, words)
        continue
      }
      this.#book(quantity, 'pass', `${words}; it does not grow with the likeliest cases: kept, not leaked`)
      note(`${quantity.gauge}: ${words}; no case was found with which it grows`)
    }
    for (const draft of this.#held) if (!told.has(draft.predicate)) findings.report('properties', draft)
  }

  #book(quantity: Quantity, state: 'pass' | 'fail' | 'inconclusive', detail: string): void {
    this.#state.set(quantity.predicate, { state, detail })
  }

  /** The level now, where it is still off. */
  async #still(search: Search, { quantity, before }: Off): Promise<Off | undefined> {
    const after =
      quantity.gauge === 'cpu'
        ? await search.cores(this.#options.target, CPU_SURE_MS)
        : await search.lowest(this.#options.target, quantity, before)
    if (after === undefined || after - before <= quantity.surplus(before)) return undefined
    return { quantity, before, after }
  }

  /** A core that stays busy though no case could be named. */
  async #tellBusy(search: Search, off: Off): Promise<void> {
    const { quantity } = off
    const left = this.#seenAt + BUSY_MS - performance.now()
    if (left > 0) await delay(left)
    const still = await this.#still(search, off)
    if (still === undefined) return this.#book(quantity, 'pass', 'it came to rest later')
    // A likely case that hangs the whole server is told by its name; later rounds play it again.
    const likeliest = this.#likeliest(search, off)
    const known = this.#options.findings.all().find(({ finding: { severity, predicate, case: about } }) => {
      return severity === 'HIGH' && HANGS.test(predicate) && likeliest.includes(about ?? '')
    })
    if (known !== undefined) {
      const { predicate, case: about } = known.finding
      return this.#book(
        quantity,
        'inconclusive',
        `a core is busy, and ${about ?? 'a case'} hangs: see ${predicate}`
      )
    }
    const seconds = Math.round((performance.now() - this.#seenAt) / 1000)
    this.#book(
      quantity,
      'fail',
      `${quantity.text(still.after)} cores ${seconds} s after the last client left`
    )
    this.#options.findings.report('properties', {
      predicate: quantity.predicate,
      severity: 'HIGH',
      case: 'at-rest',
      title: `${seconds} s after the last client left, the server still wants ${quantity.text(still.after)} cores, ${quantity.text(still.before)} before the cases`,
      standard: 'resources',
      evidence: {
        cores_before: quantity.text(still.before),
        cores_after: quantity.text(still.after),
        seconds_at_rest: seconds,
        likeliest_cases: likeliest.join(' ')
      },
      repeats: { k: 1, n: 1 },
      symptom: 'busy at rest'
    })
  }

  /** So much memory that others on this machine miss it, though no case could be named. */
  #tellHeld(search: Search, off: Off, words: string): void {
    const { quantity } = off
    this.#book(quantity, 'fail', words)
    this.#options.findings.report('properties', {
      predicate: quantity.predicate,
      severity: 'HIGH',
      case: 'at-rest',
      title: `with no client left, the server holds resident memory of ${quantity.text(off.after)}, ${quantity.text(off.before)} before the cases`,
      standard: 'resources',
      evidence: {
        rss_before: quantity.text(off.before),
        rss_after: quantity.text(off.after),
        memory_of_this_machine: quantity.text(totalmem()),
        likeliest_cases: this.#likeliest(search, off).join(' ')
      },
      repeats: { k: 1, n: 1 },
      symptom: 'memory at rest'
    })
  }

  #likeliest(search: Search, off: Off): string[] {
    const ranked = search.groups(off).flat().slice(0, NAMED_SUSPECTS)
    return ranked.map(({ id }) => id)
  }

  #report(quantity: Quantity, named: Named): void {
    const { gauge, what, text, predicate } = quantity
    const { slice, id, looks } = named
    const cpu = gauge === 'cpu'
    const fresh = this.#options.start !== undefined
    const about = infoOf(slice, id)
    const spelt = about === undefined ? id : `${id} (${about.title})`
    const { levels, without } =
      gauge === named.gauge
        ? named
        : { levels: looks.map((one) => one[gauge as Exclude<Gauge, 'cpu'>] ?? 0), without: [] }
    const ends = levels.length > BATCHES + 1 ? [levels[0]!, levels.at(-1)!] : levels
    const shown = ends.map(text).join(cpu ? ', ' : ' -> ')
    const bare = cpu ? without.map(text).join(', ') : pairsOf(without.map(text))
    this.#book(quantity, 'fail', `${id}: ${shown}`)
    this.#options.findings.report(slice, {
      predicate,
      severity: 'HIGH',
      case: id,
      title: cpu
        ? `after ${spelt} ${what}: ${shown} cores wanted ${fresh ? `in ${levels.length} fresh processes` : `after ${levels.length} plays in a row`}, ${bare} before it`
        : `${what} with each play of ${spelt}: ${shown} over ${levels.length - 1} equal batches${without.length === 0 ? '' : `, ${bare} without it`}`,
      standard: 'resources',
      evidence: {
        gauge,
        with_the_case: levels.map(text).join(' '),
        ...(without.length === 0 ? {} : { without_the_case: bare }),
        ...alsoGrown(gauge, looks),
        process: named.process
      },
      repeats: cpu ? { k: BATCHES, n: BATCHES } : { k: levels.length - 1, n: levels.length - 1 },
      symptom: gauge
    })
  }

  /** The property report with one property for each quantity. */
  addTo(report: PropertyReport): PropertyReport {
    const { before, target, earlier } = this.#options
    const not = earlier === 0 ? '' : '; the cases of earlier processes are not among it'
    const missing =
      target.pid === undefined
        ? 'no process id is known: name it with --pid'
        : `process ${target.pid} could not be looked at before and after the cases`
    for (const quantity of QUANTITIES) {
      const { predicate, title } = quantity
      report.coverage.planned += 1
      const level = before === undefined ? undefined : levelOf(quantity, before)
      if (level === undefined) {
        report.details.push({ id: predicate, reason: `not-instrumented: ${missing}` })
        report.coverage.inapplicable.push({ case: predicate, reason: `not instrumented: ${missing}` })
        report.not_instrumented.push(predicate)
        continue
      }
      const { state, detail } = this.#state.get(predicate) ?? {
        state: 'pass',
        detail: 'at rest as before the cases'
      }
      report.details.push({ id: predicate, reason: `${state}: ${detail}${not}` })
      report.coverage.exercised += 1
      if (state === 'pass') report.passed.push(predicate)
      else {
        report.failed.push(predicate)
        report.failure_summaries[predicate] = `${title}: ${detail}`
      }
    }
    return report
  }
}

/** Levels before and after plain requests alone: once before the batches, and once behind them. */
const pairsOf = (levels: readonly string[]): string =>
  [levels.slice(0, 2), levels.slice(2)].map((pair) => pair.join(' -> ')).join(' and ')

/** The most telling of the quantities that grew with the case: a thread holds descriptors and memory, too. */
function telling(found: Quantity, { looks }: Named): Quantity {
  return QUANTITIES.find((quantity) => growsWith(quantity, looks)) ?? found
}

/** What else grew with every batch, as evidence. */
function alsoGrown(gauge: Gauge, looks: readonly Look[]): Record<string, string> {
  const others = QUANTITIES.filter((quantity) => quantity.gauge !== gauge && growsWith(quantity, looks))
  return Object.fromEntries(
    others.flatMap(({ gauge: other, text }) =>
      other === 'cpu' ? [] : [[`${other}_too`, looks.map((one) => text(one[other] ?? 0)).join(' ')]]
    )
  )
}

/** Every batch of another quantity's case added to this one, too. */
function growsWith({ gauge, batch }: Quantity, looks: readonly Look[]): boolean {
  if (gauge === 'cpu' || looks.length < 2) return false
  const values = looks.map((one) => one[gauge] ?? 0)
  return values.slice(1).every((value, i) => value - values[i]! >= batch)
}

/** The level of a quantity; an idle process uses no core. */
function levelOf({ gauge }: Quantity, at: Look): number | undefined {
  return gauge === 'cpu' ? (at.cpuSeconds === undefined ? undefined : 0) : at[gauge]
}

/** @param start the look before, for what is used in between */
function offOf(before: Look, start: Look, now: Look): Off[] {
  return QUANTITIES.flatMap((quantity) => {
    const level = levelOf(quantity, before)
    const after = quantity.gauge === 'cpu' ? coresBetween(start, now) : now[quantity.gauge]
    if (level === undefined || after === undefined || after - level <= quantity.surplus(level)) return []
    return [{ quantity, before: level, after }]
  })
}
