/** After a death: which case did it? The accused are tried alone on fresh processes; what is told stands on that. */
import type { CoverageBook, FindingBook, TallyBook } from '../collector.ts'
import type { FindingDraft, SliceName } from '../contracts.ts'
import type { Target } from '../../target/types.ts'
import { DeathWatch } from './death-watch.ts'
import { NO_WATCH, play, type Ground } from './play.ts'
import type { End } from './pulse.ts'
import { accused, bystanders, isAccusation, type Accusation, type Suspect } from './suspects.ts'
import { keyOf, Timeline, type CaseName } from './timeline.ts'

/** Cases tried alone for one death, and how often the one that does it again is seen to do it. */
const MOST_ALONE = 6
const TRIES = { ended: 3, gone: 3, silent: 2 }
/** Predicates of a process that ended or no longer listened. */
const DEATH = /^I-(LIVENESS|\w+-CRASHED)$/
/** One case alone: the first pass of its slice, ms. */
const ALONE_MS = 30_000

export interface InquestOptions {
  ground: Ground
  tallies: Map<SliceName, TallyBook>
  ledgers: Map<SliceName, CoverageBook>
  findings: FindingBook
}

/** Where processes come from. */
export interface Processes {
  /** One that serves; undefined where none can be had any more. */
  fresh(): Promise<Target | undefined>
  /** Its end is known and need not be told again. */
  told(target: Target): void
}

export class Inquest {
  readonly #options: InquestOptions
  readonly #processes: Processes
  /** Cases that ended a process, by key. */
  readonly culprits = new Set<string>()

  constructor(options: InquestOptions, processes: Processes) {
    this.#options = options
    this.#processes = processes
  }

  get #aborted(): boolean {
    return this.#options.ground.signal.aborted
  }

  /**
   * Tries the accused alone, each on a fresh process, and tells what is believed.
   * @returns what the note of this death adds: who did it
   */
  async name(
    accusations: readonly Accusation[],
    timeline: Timeline,
    diedAt: number,
    end: End
  ): Promise<string> {
    const suspects = accused(accusations)
    let tried = 0
    for (const suspect of suspects.slice(0, MOST_ALONE)) {
      tried += 1
      const again = await this.#alone([suspect])
      if (again === undefined) continue
      await this.#convict(suspect, again, accusations)
      return `: ${suspect.id}`
    }
    const found = await this.#among(bystanders(accusations, timeline, diedAt))
    if (found !== undefined) {
      await this.#convict(found.suspect, found.again, accusations)
      return `: ${found.suspect.id}`
    }
    const alone = this.#aborted ? undefined : `not seen again in one try of each of ${tried} cases`
    const told = this.release(accusations, end, alone)
    return told === undefined ? '' : `, probably because of ${told}`
  }

  /** The one of many that ends the process, by halves; each half on a process that lives. */
  async #among(others: readonly CaseName[]): Promise<{ suspect: Suspect; again: Death } | undefined> {
    let left = others
    let again = left.length === 0 ? undefined : await this.#alone(left)
    if (again === undefined) return undefined
    while (left.length > 1) {
      const half = left.slice(0, Math.ceil(left.length / 2))
      const death = await this.#alone(half)
      // What did not do it leaves the other half, which is believed only when it does it alone.
      left = death === undefined ? left.slice(half.length) : half
      again = death ?? (left.length === 1 ? await this.#alone(left) : again)
      if (left.length === 1 && again === undefined) return undefined
    }
    return again === undefined ? undefined : { suspect: left[0]!, again }
  }

  /** Plays these cases and nothing else: how the process ended, undefined where it still serves. */
  async #alone(cases: readonly CaseName[]): Promise<Death | undefined> {
    const { ground, findings, ledgers, tallies } = this.#options
    const target = this.#aborted ? undefined : await this.#processes.fresh()
    if (target === undefined) return undefined
    const keys = new Set(cases.map(keyOf))
    for (const { slice, id } of cases) ledgers.get(slice)?.reopen(id)
    const accusations: Accusation[] = []
    const watch = new DeathWatch(target, ground)
    await play(ground, {
      target,
      only: (slice) => cases.some((one) => one.slice === slice),
      wants: (slice, id) => keys.has(keyOf({ slice, id })),
      deadline: performance.now(),
      graceMs: ALONE_MS,
      tally: (slice) => tallies.get(slice)!,
      ledger: (slice) => ledgers.get(slice)!,
      watch: NO_WATCH,
      report: (slice, draft) => {
        if (!isAccusation(slice, draft)) return findings.report(slice, draft)
        accusations.push({ slice, draft, at: performance.now() })
        watch.look()
      },
      note: () => undefined,
      timeline: new Timeline(),
      stop: watch.stop
    })
    if (this.#aborted) return undefined
    const end = await watch.end()
    if (end !== undefined) {
      this.#processes.told(target)
      return { end, accusations, output: target.output().slice(-20).join('\n') }
    }
    // Others were not served for a while: no death, and a finding of its own.
    for (const { slice, draft } of accusations) findings.report(slice, draft)
    return undefined
  }

  /** Tries it until it is believed, and tells. */
  async #convict(suspect: Suspect, first: Death, accusations: readonly Accusation[]): Promise<void> {
    const { ledgers, findings } = this.#options
    let k = 2
    let n = 2
    let death = first
    while (n < TRIES[first.end.kind] && !this.#aborted) {
      const again = await this.#alone([suspect])
      n += 1
      if (again === undefined) continue
      k += 1
      death = again
    }
    const { slice, id } = suspect
    const own = [...death.accusations, ...first.accusations].find(({ draft }) => draft.case === id)?.draft
    const base = own ?? suspect.draft
    const verb = death.end.kind === 'silent' ? 'answers nobody any more' : `ended (${death.end.how})`
    const { kind } = death.end
    this.culprits.add(keyOf(suspect))
    for (const { slice: of, draft } of accusations)
      if (of !== 'properties' && of !== 'markov' && draft.case !== id) ledgers.get(of)?.reopen(draft.case)
    ledgers.get(slice)?.exercised(id)
    findings.report(slice, {
      predicate: 'I-LIVENESS',
      severity: 'HIGH',
      case: id,
      title: `the server ${kind === 'silent' ? '' : 'process '}${verb} after ${id}`,
      standard: 'availability',
      ...base,
      evidence: {
        ...base?.evidence,
        alone_on_a_fresh_process: `${verb} in ${k - 1} of ${n - 1} tries`,
        ...(death.output === '' ? {} : { last_output: death.output })
      },
      repeats: { k, n }
    })
  }

  /**
   * Tells what was kept back: all of it where the server lives; of a death the likeliest accusation alone.
   * @returns the case that was told of a death
   */
  release(accusations: readonly Accusation[], end: End | undefined, alone?: string): string | undefined {
    const { findings, ledgers } = this.#options
    if (end === undefined) {
      // That nobody was there for a while is told once, with its case where one is known.
      const known = accused(accusations).some(({ draft }) => DEATH.test(draft?.predicate ?? ''))
      for (const { slice, draft } of accusations)
        if (!known || slice !== 'properties' || !DEATH.test(draft.predicate)) findings.report(slice, draft)
      return undefined
    }
    const suspects = accused(accusations)
    const [likeliest, ...others] = suspects
    if (likeliest?.draft === undefined) {
      for (const { slice, draft } of accusations) findings.report(slice, draft)
      if (!accusations.some(({ slice }) => slice === 'properties'))
        findings.report('properties', endDraft(end))
      return undefined
    }
    for (const { slice, id } of others) ledgers.get(slice)?.reopen(id)
    const { draft } = likeliest
    findings.report(likeliest.slice, {
      ...draft,
      // A name that one coincidence in time has given is not told as a sentence.
      title: alone === undefined ? draft.title : `${draft.title} (once, and not again with this case alone)`,
      evidence: {
        ...draft.evidence,
        ...(alone === undefined ? {} : { alone_on_a_fresh_process: alone }),
        ...(others.length === 0 ? {} : { also_suspected: others.map(({ id }) => id).join(' ') })
      }
    })
    this.culprits.add(keyOf(likeliest))
    return likeliest.id
  }
}

/** An end that nothing else told of. */
function endDraft({ kind, how }: End): FindingDraft {
  const silent = kind === 'silent'
  return {
    predicate: silent ? 'I-HANG' : 'I-LIVENESS',
    severity: 'HIGH',
    case: silent ? 'health' : 'process',
    title: silent ? `the server answers nobody any more: ${how}` : `nobody listens any more: ${how}`,
    evidence: { how },
    repeats: { k: 1, n: 1 },
    symptom: kind
  }
}

interface Death {
  end: End
  accusations: Accusation[]
  /** The last lines that it printed. */
  output: string
}
