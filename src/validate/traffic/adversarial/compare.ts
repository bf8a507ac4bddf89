/**
 * Segmentation invariance (O9): TCP has no borders, so the same bytes must be treated in the same way however they
 * are cut. What each message came to in one segment is kept from the first pass, and demanded of all later ones.
 */
import { comparesSegments, http1Cases, type ProtocolCase } from '../../catalogue/http1/index.ts'
import type { FindingDraft } from '../../contracts.ts'
import { stalled } from '../../oracles/deadline.ts'
import { isAlive } from '../../oracles/liveness.ts'
import { repeat, type Rate } from '../../oracles/repeat.ts'
import type { Observation } from '../../oracles/exchange.ts'
import type { Severity } from '../../../documents/finding.ts'
import { judge } from './judge.ts'
import { differenceOf, outcomeOf, type Outcome } from './outcome.ts'
import { HOW, type Segmentation } from './segments.ts'
import { answersText, bytesOfExchange } from './tell.ts'
import { play, PLAINEST, playTwin, shoot, type Stage, type Trial, type TwinSeen } from './trial.ts'

const PREDICATE = 'I-ADV-SEGMENT'
const STANDARD = 'RFC 9112 2.2'
/** How often the plainest message is cut, each time elsewhere, before a difference is of the message itself. */
const PLAIN_TRIES = 6

/** So many messages before the first that differed are asked whether they do, too. */
const MOST_FIRST = 24

const KIND = {
  chunked: 'with a chunked body',
  length: 'with Content-Length',
  plain: 'without a body'
} as const

/** A believed difference stands for all others of its kind: how a message is framed. */
type Framing = keyof typeof PLAINEST
const framingOf = (template: string): Framing =>
  template.includes('Transfer-Encoding')
    ? 'chunked'
    : template.includes('Content-Length')
      ? 'length'
      : 'plain'

export interface Cut {
  entry: ProtocolCase
  how: Segmentation
  /** Name of the random stream of the try: the same name cuts in the same places. */
  stream: string
}

export interface Suspicion {
  cut: Cut
  trial: Trial
}

export class Comparison {
  readonly #stage: Stage
  readonly #whole = new Map<string, Outcome>()
  /** Predicates of what was wrong in one segment, by case. */
  readonly #wrong = new Map<string, string>()
  /** Twins that were served in a segmentation. */
  readonly #served = new Set<string>()
  readonly #told = new Set<string>()
  /** What differed once, by its symptom, and symptoms that were told. */
  readonly #suspicions = new Map<string, readonly Suspicion[]>()
  readonly #symptoms = new Set<string>()
  readonly #framings = new Set<Framing>()

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** Keeps what a message came to in one segment. */
  keep(entry: ProtocolCase, trial: Trial): void {
    if (trial.outcome !== undefined && comparesSegments(entry)) this.#whole.set(entry.id, trial.outcome)
    if (trial.verdict.kind === 'wrong') this.#wrong.set(entry.id, trial.verdict.predicate)
  }

  /**
   * True where the message, sent without twins, came to the same as in one segment, or a difference was told; anything
   * else is worth a whole try. Each twin is sent once in each segmentation.
   */
  async isSettled(cut: Cut): Promise<boolean> {
    const { entry, how, stream } = cut
    const { random } = this.#stage.context
    const twin = `${how}\n${entry.twin}`
    if (!this.#served.has(twin)) {
      const seen = await playTwin(this.#stage, entry, how, random.stream(stream))
      if (!seen.ok) return this.#whole.has(entry.id) && this.#twinDiffers(cut, seen)
      this.#served.add(twin)
    }
    const shot = await shoot(this.#stage, entry, how, random.stream(stream), true)
    if (typeof shot === 'string') return false
    const verdict = judge(entry, shot.seen, shot.ground)
    if (verdict.kind === 'wrong' && verdict.predicate !== this.#wrong.get(entry.id)) return false
    const outcome = outcomeOf(entry, shot.seen, verdict, shot.ground)
    const whole = this.#whole.get(entry.id)
    return outcome === undefined || whole === undefined || outcome.key === whole.key
  }

  /** The case needs no more tries: it differs. */
  isTold(id: string): boolean {
    return this.#told.has(id)
  }

  /** True where the try differed from the one in one segment; `conclude` tells whether it does so each time. */
  async differs(cut: Cut, trial: Trial): Promise<boolean> {
    const { entry } = cut
    if (this.#told.has(entry.id)) return trial.outcome?.key !== this.#whole.get(entry.id)?.key
    if (trial.before !== undefined && !trial.before.ok) return this.#twinDiffers(cut, trial.before)
    const whole = this.#whole.get(entry.id)
    const { outcome } = trial
    if (whole === undefined || outcome === undefined || outcome.key === whole.key) return false
    const symptom = [entry.group, whole.key, outcome.key].join('\n')
    const alike = this.#suspicions.get(symptom) ?? []
    this.#suspicions.set(symptom, [...alike, { cut, trial }])
    this.#told.add(entry.id)
    return true
  }

  /**
   * Repeats what differed, and tells it: messages of a group that differ in the same way have one cause, and are told
   * with the first of them. Which of them were cut where it shows is chance, so that the first is looked for.
   * @returns what was not seen again
   */
  async conclude(): Promise<Suspicion[]> {
    const suspicions = [...this.#suspicions]
    this.#suspicions.clear()
    const unseen = await Promise.all(suspicions.map(([symptom, alike]) => this.#concludeOne(symptom, alike)))
    return unseen.flat()
  }

  async #concludeOne(symptom: string, alike: readonly Suspicion[]): Promise<Suspicion[]> {
    if (this.#symptoms.has(symptom)) return []
    const unseen: Suspicion[] = []
    for (const one of await this.#inOrder(alike)) {
      const others = alike.filter((other) => other !== one && !unseen.includes(other))
      if (await this.#isBelieved(one, others)) {
        this.#symptoms.add(symptom)
        break
      }
      unseen.push(one)
    }
    return unseen
  }

  /** By their place in the catalogue, before them the first message that differs when it comes with pauses. */
  async #inOrder(alike: readonly Suspicion[]): Promise<Suspicion[]> {
    const place = ({ cut }: Suspicion): number => http1Cases.indexOf(cut.entry)
    const sorted = [...alike].sort((a, b) => place(a) - place(b))
    const { cut, trial } = sorted[0]!
    const { key } = this.#whole.get(cut.entry.id)!
    const alikes = http1Cases.filter(
      ({ id, group }) => group === cut.entry.group && this.#whole.get(id)?.key === key
    )
    for (const entry of alikes.slice(0, MOST_FIRST)) {
      // Bytes without a pause between them may be read as one.
      const paused: Cut = { entry, how: 'pause', stream: `${cut.stream}/first` }
      const tried = await this.#play(paused, 'pause')
      if (tried?.outcome?.key === trial.outcome!.key)
        return [{ cut: paused, trial: tried }, ...sorted.filter((one) => one.cut.entry !== entry)]
    }
    return sorted
  }

  async #isBelieved({ cut, trial }: Suspicion, others: readonly Suspicion[]): Promise<boolean> {
    const { entry } = cut
    const whole = this.#whole.get(entry.id)!
    const outcome = trial.outcome!
    if (outcome.key === 'refused' && (await this.#plainDiffers(cut))) return true
    let last = { cut: trial, whole: undefined as Trial | undefined }
    const rate = await this.#repeat(async () => {
      const once = await this.#play(cut, 'whole')
      if (once?.outcome?.key !== whole.key) return 'unsteady'
      const again = await this.#play(cut, cut.how)
      if (again?.outcome?.key !== outcome.key) return false
      last = { cut: again, whole: once }
      return true
    })
    if (rate === undefined) return false
    const { verdict } = last.cut
    this.#tell(cut, {
      severity: verdict.kind === 'wrong' && verdict.severity === 'HIGH' ? 'HIGH' : 'MED',
      title: differenceOf(entry.title, whole, outcome, cut.how),
      standard: entry.standard,
      seen: last.cut.seen,
      whole: last.whole?.seen,
      twin: 'served, cut in the same way',
      also: others.map((other) => other.cut.entry.id).join(', '),
      rate
    })
    return true
  }

  /**
   * How often it was seen again, where that is enough: what comes in one segment must be treated in the same way each
   * time, while cuts may be lost on their way.
   */
  async #repeat(again: () => Promise<boolean | 'unsteady'>): Promise<Rate | undefined> {
    let unsteady = false
    const rate = await repeat(false, async () => {
      if (unsteady || this.#stage.context.signal.aborted) return false
      const seen = await again()
      unsteady ||= seen === 'unsteady'
      return seen === true
    })
    return rate.believed && !unsteady ? rate : undefined
  }

  async #play({ entry, stream }: Cut, how: Segmentation): Promise<Trial | undefined> {
    const { context } = this.#stage
    if (context.signal.aborted) return undefined
    return play(this.#stage, entry, how, context.random.stream(stream), undefined)
  }

  /** Where it was served in one segment. */
  #plainestOf(framing: Framing): ProtocolCase | undefined {
    return http1Cases.find(({ id }) => id === PLAINEST[framing] && this.#whole.has(id))
  }

  /** Refused when cut: where the plainest message of the framing is, too, it is that one which is told, once. */
  async #plainDiffers({ entry, how, stream }: Cut): Promise<boolean> {
    const framing = framingOf(entry.sends)
    if (this.#framings.has(framing)) return true
    const plainest = this.#plainestOf(framing)
    if (plainest === undefined) return false
    for (let i = 0; i < PLAIN_TRIES && !this.#stage.context.signal.aborted; i++) {
      const cut = { entry: plainest, how, stream: `${stream}/plain/${i}` }
      const seen = await playTwin(this.#stage, plainest, how, this.#stage.context.random.stream(cut.stream))
      if (!seen.ok && (await this.#twinDiffers(cut, seen))) return true
    }
    return false
  }

  /** A valid message that is served in one segment and not in several: no case can be judged with it, and that is the finding. */
  async #twinDiffers(cut: Cut, first: TwinSeen & { ok: false }): Promise<boolean> {
    const framing = framingOf(cut.entry.twin)
    if (first.why === 'early' || first.why === 'busy') return false
    if (this.#framings.has(framing)) return true
    const { context, dialer, scene, limits } = this.#stage
    const { how, stream } = cut
    const twin = (entry: ProtocolCase, as: Segmentation): Promise<TwinSeen> =>
      playTwin(this.#stage, entry, as, context.random.stream(stream))
    const plainest = this.#plainestOf(framing)
    const plain = plainest !== undefined && !(await twin(plainest, how)).ok
    const entry = plain ? plainest : cut.entry
    let told = first.seen
    let served: Observation | undefined
    let failed: Observation | undefined
    const rate = await this.#repeat(async () => {
      const begun = performance.now()
      const whole = await twin(entry, 'whole')
      if (!whole.ok) return 'unsteady'
      const again = await twin(entry, how)
      if (again.ok || again.why !== first.why) return false
      if (again.why === 'gone') {
        const { alive } = await isAlive(dialer, scene.control, limits)
        if (!alive || stalled(context.vitals, begun, limits.answerMs)) return 'unsteady'
      }
      told = again.seen
      served = whole.exchange
      failed = again.exchange
      return true
    })
    if (rate === undefined) return false
    // Another lane may have been as quick.
    if (this.#framings.has(framing)) return true
    this.#framings.add(framing)
    this.#tell(
      { entry, how, stream },
      {
        // Its clients do not choose how the network cuts.
        severity: 'HIGH',
        title: `a valid request ${KIND[framing]} is served in one segment, and not ${HOW[how]}: ${told}`,
        standard: STANDARD,
        seen: failed,
        whole: served,
        twin: 'this is the well-formed message of the case',
        rate
      }
    )
    return true
  }

  #tell(
    { entry, how }: Cut,
    told: {
      severity: Severity
      title: string
      standard: string
      seen: Observation | undefined
      whole: Observation | undefined
      twin: string
      /** Cases that differ in the same way. */
      also?: string
      rate: Rate
    }
  ): void {
    const { context } = this.#stage
    const { seen, whole } = told
    this.#told.add(entry.id)
    context.tally.add('adv_segments_differ')
    context.ledger.exercised(entry.id)
    const bytes: Partial<FindingDraft> = seen === undefined ? {} : bytesOfExchange(seen)
    context.report({
      predicate: PREDICATE,
      severity: told.severity,
      case: entry.id,
      title: told.title,
      standard: told.standard,
      ...bytes,
      ...(whole === undefined ? {} : { wire: [...(bytes.wire ?? []), whole.transcript] }),
      evidence: {
        class: entry.class,
        right: `the same treatment however the bytes are cut (${entry.right})`,
        sent_as: how,
        ...(seen === undefined ? {} : { answers: answersText(seen), segments: HOW[how] }),
        ...(whole === undefined ? {} : { answers_in_one_segment: answersText(whole) }),
        twin: told.twin,
        ...(told.also === undefined || told.also === ''
          ? {}
          : { others_that_differ_in_the_same_way: told.also })
      },
      repeats: { k: told.rate.k, n: told.rate.n }
    })
  }
}
