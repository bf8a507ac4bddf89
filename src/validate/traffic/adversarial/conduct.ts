/** Plays all cases, round after round, and believes nothing that was seen once. */
import { setTimeout as delay } from 'node:timers/promises'
import { http1Cases, type ProtocolCase } from '../../catalogue/http1/index.ts'
import type { Elder } from '../../oracles/liveness.ts'
import { repeat } from '../../oracles/repeat.ts'
import { coreFirst, tooLate } from '../proof/pass.ts'
import { Comparison } from './compare.ts'
import type { Verdict } from './judge.ts'
import { besideElders } from './elders.ts'
import { Outages } from './outage.ts'
import { CUT, obstacle } from './scene.ts'
import { COMPARED, type Segmentation } from './segments.ts'
import { StepPlayer } from './steps/index.ts'
import { draftOf } from './tell.ts'
import { play, type Stage, type Trial } from './trial.ts'

const LEAST_LANES = 4
const MOST_LANES = 8
const COMPARING_LANES = 8
/** What the segmentations of all messages are given where the slice's time is up before. */
const COMPARING_MS = 6000
/** Later rounds leave the machine to the other slices. */
const LATER_LANES = 2
const LATER_PAUSE_MS = 30
/** How often a case is tried again because the server was gone for a moment. */
const ATTEMPTS = 2

interface Work {
  entry: ProtocolCase
  how: Segmentation
  round: number
}

export class Conductor {
  readonly #stage: Stage
  readonly #outages: Outages
  readonly #comparison: Comparison
  readonly #steps: StepPlayer
  /** predicate and case of what was believed already. */
  readonly #believed = new Set<string>()
  /** Cases after which an earlier connection was not served. */
  readonly #cut = new Set<string>()
  readonly #advisories = new Map<string, string>()

  constructor(stage: Stage) {
    this.#stage = stage
    this.#outages = new Outages(stage)
    this.#comparison = new Comparison(stage)
    this.#steps = new StepPlayer(stage, this.#outages)
  }

  get #over(): boolean {
    return this.#stage.context.signal.aborted || this.#outages.lost !== undefined
  }

  /** Runs rounds until the deadline; the first one is always finished. */
  async run(): Promise<void> {
    const { context, scene } = this.#stage
    const wanted = http1Cases.filter(({ id }) => context.wants(id))
    const playable = wanted.filter((entry) => {
      const reason = obstacle(scene, entry)
      if (reason === undefined) return true
      context.ledger.inapplicable(entry.id, reason)
      context.tally.add('adv_inapplicable')
      return false
    })
    const order = context.random.stream('order')
    const lanes = Math.min(MOST_LANES, Math.max(LEAST_LANES, context.concurrency))
    const works = coreFirst(context, playable).map((entry): Work => ({ entry, round: 0, how: 'whole' }))
    const alone = ({ entry }: Work): boolean => entry.alone
    const beside = ({ entry }: Work): boolean => !entry.alone
    await this.#lanes(works.filter(beside), lanes, Infinity)
    await Promise.all([this.#compare(works.filter(beside)), this.#steps.light()])
    await this.#conclude()
    await this.#lanes(works.filter(alone), 1, Infinity)
    await this.#steps.heavy()
    await this.#recheck()
    for (let round = COMPARED.length + 1; !this.#over && performance.now() < context.deadline; round++) {
      const more = order.shuffle(works).map(({ entry }): Work => ({ entry, round, how: 'random' }))
      await this.#lanes(more.filter(beside), LATER_LANES, context.deadline)
      await this.#lanes(more.filter(alone), 1, context.deadline)
      await this.#conclude()
      await this.#recheck()
    }
    await this.#end()
  }

  /** Each case in each segmentation, as far as the time reaches: what is cut short has tried all of them. */
  async #compare(works: readonly Work[]): Promise<void> {
    const { context } = this.#stage
    const most = Math.min(performance.now() + COMPARING_MS, context.pass?.ends ?? Infinity)
    const until = Math.max(context.deadline, most)
    for (let round = 1; round <= COMPARED.length; round++) {
      const chosen = works.flatMap(({ entry }, place): Work[] => {
        // Some are cut by themselves, and some have been told.
        if (entry.sends.includes(CUT) || this.#comparison.isTold(entry.id)) return []
        return [{ entry, round, how: COMPARED[(place + round) % COMPARED.length]! }]
      })
      await this.#lanes(chosen, COMPARING_LANES, until)
    }
  }

  /** What differed is repeated and told; what was wrong and is not of the segments stands for itself. */
  async #conclude(): Promise<void> {
    if (this.#over) return
    for (const { cut, trial } of await this.#comparison.conclude())
      await this.#settle({ entry: cut.entry, how: cut.how, round: 1 }, trial)
  }

  /** @param until `performance.now()` after which nothing more is begun */
  #lanes(works: readonly Work[], count: number, until: number): Promise<void> {
    return besideElders(this.#stage, this.#outages, works, count, {
      over: () => this.#over || performance.now() >= until,
      passesOver: ({ entry, round }) => round === 0 && this.#leftOut(entry.id),
      play: async (work, elder) => {
        const seen = await this.#work(work, elder)
        if (work.round > COMPARED.length) await delay(LATER_PAUSE_MS)
        return seen
      }
    })
  }

  /** The cell has no time for this case. */
  #leftOut(id: string): boolean {
    const { context } = this.#stage
    const late = tooLate(context, id)
    if (late) context.ledger.leaveOut(id)
    return late
  }

  /** One case to its verdict; tells how the earlier connection fared. */
  async #work(work: Work, elder: Elder | undefined): Promise<Trial['elder']> {
    const { context } = this.#stage
    const { entry, how, round } = work
    const stream = `${entry.id}/${round}`
    const random = context.random.stream(stream)
    if (round > 0 && round <= COMPARED.length && (await this.#comparison.isSettled({ entry, how, stream }))) {
      const asked = (await elder?.ask()) ?? 'none'
      if (asked === 'silent' || asked === 'closed') this.#cut.add(entry.id)
      return asked
    }
    let trial: Trial | undefined
    for (let attempt = 0; attempt < ATTEMPTS && !this.#over; attempt++) {
      trial = await play(this.#stage, entry, how, random, attempt === 0 ? elder : undefined)
      if (!trial.outage || trial.verdict.kind === 'wrong') break
      if ((await this.#outages.look()) === 'lost') break
    }
    if (trial === undefined || context.signal.aborted) return 'none'
    if (trial.outage && trial.verdict.kind === 'wrong') await this.#outages.look()
    if (trial.elder === 'silent' || trial.elder === 'closed') this.#cut.add(entry.id)
    if (round === 0) this.#comparison.keep(entry, trial)
    if (how === 'whole' || !(await this.#comparison.differs({ entry, how, stream }, trial)))
      await this.#settle(work, trial)
    return trial.elder
  }

  async #settle(work: Work, trial: Trial): Promise<void> {
    const { tally, ledger } = this.#stage.context
    const { id } = work.entry
    const { verdict } = trial
    switch (verdict.kind) {
      case 'right':
        if (verdict.how === 'refused' || verdict.how === 'closed') tally.add('adv_well_rejected')
        return ledger.exercised(id)
      case 'advisory':
        if (!this.#advisories.has(id)) tally.add('adv_advisory')
        this.#advisories.set(id, verdict.text)
        return ledger.exercised(id)
      case 'inapplicable':
        if (work.round === 0) tally.add('adv_inapplicable')
        return ledger.inapplicable(id, verdict.reason)
      case 'inconclusive':
        if (work.round === 0) tally.add('adv_inconclusive')
        return ledger.inconclusive(id, this.#outages.lost ?? verdict.reason)
      case 'wrong':
        return this.#confirm(work, trial, verdict)
    }
  }

  async #confirm(
    { entry, how, round }: Work,
    trial: Trial,
    verdict: Verdict & { kind: 'wrong' }
  ): Promise<void> {
    const { context } = this.#stage
    const key = `${verdict.predicate}\n${entry.id}`
    let rate = { k: 1, n: 1, believed: true }
    if (!this.#believed.has(key)) {
      const random = context.random.stream(`${entry.id}/${round}/repeat`)
      rate = await repeat(verdict.severity === 'HIGH' && !verdict.proof, async () => {
        if (this.#over) return undefined
        const again = (await play(this.#stage, entry, how, random, undefined)).verdict
        if (again.kind === 'inapplicable' || again.kind === 'inconclusive') return undefined
        return (
          again.kind === 'wrong' &&
          again.predicate === verdict.predicate &&
          again.severity === verdict.severity
        )
      })
    }
    if (!rate.believed) {
      if (round === 0) context.tally.add('adv_inconclusive')
      context.ledger.inconclusive(entry.id, `seen in ${rate.k} of ${rate.n} tries: ${verdict.title}`)
      return
    }
    this.#believed.add(key)
    context.ledger.exercised(entry.id)
    if (verdict.predicate === 'I-ADV-ACCEPTED') context.tally.add('adv_wrong_accepted', rate.k)
    if (verdict.predicate === 'I-ADV-HANG') context.tally.add('adv_hang_until_timeout', rate.k)
    context.report(draftOf(entry, verdict, trial, how, rate))
  }

  /** Cases after which others were not served, each alone. */
  async #recheck(): Promise<void> {
    const { random } = this.#stage.context
    for (const id of [...this.#outages.suspects]) {
      this.#outages.suspects.delete(id)
      const entry = http1Cases.find((one) => one.id === id)
      if (entry !== undefined && !this.#over)
        await this.#outages.recheck(entry, random.stream(`${id}/outage`))
    }
    for (const id of [...this.#cut]) {
      this.#cut.delete(id)
      const entry = http1Cases.find((one) => one.id === id)
      const key = `earlier connection\n${id}`
      if (entry === undefined || this.#over || this.#believed.has(key)) continue
      this.#believed.add(key)
      await this.#outages.recheckElder(entry, random.stream(`${id}/earlier`))
    }
  }

  async #end(): Promise<void> {
    const { context } = this.#stage
    // A process may die of a message some time later.
    if (!this.#over) await this.#outages.look()
    this.#steps.end()
    const { lost } = this.#outages
    if (lost !== undefined) {
      for (const { id } of http1Cases) if (context.wants(id)) context.ledger.inconclusive(id, lost)
    }
    if (this.#advisories.size > 0) {
      context.note(`said, not judged: ${[...this.#advisories.values()].join('; ')}`)
    }
  }
}
