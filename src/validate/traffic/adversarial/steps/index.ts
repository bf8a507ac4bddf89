/** Plays the cases that take several steps: light ones beside the messages, heavy ones alone, sieges last. */
import type { RandomStream } from '../../../../kit/random.ts'
import { ConnectFailed } from '../../../../wire/tcp.ts'
import {
  stepCases,
  type Growth,
  type Injection,
  type Script,
  type StepCase
} from '../../../catalogue/http1/steps/index.ts'
import type { SliceContext } from '../../../contracts.ts'
import { stalled } from '../../../oracles/deadline.ts'
import { Elder, isAlive } from '../../../oracles/liveness.ts'
import { coreFirst, tooLate } from '../../proof/pass.ts'
import { besideElders } from '../elders.ts'
import type { Outages } from '../outage.ts'
import type { Stage } from '../trial.ts'
import { Sieges } from './besiege.ts'
import { Book } from './book.ts'
import { DescriptorCount, NEXT_PATIENCE_MS, PATIENCE_MS } from './census.ts'
import { playGrowth } from './growth.ts'
import { playInjection } from './inject.ts'
import { LACKING, Places } from './places.ts'
import { DEEP_BUDGET, playScript, type Seen } from './script.ts'
import { draftOf, twinText } from './tell.ts'
import { playTrial, playVariant, variantsOf, type StepTrial } from './trial.ts'
import { type StepVerdict, type Wrong } from './verdict.ts'

const LANES = 6
const STORM_LANES = 32
/** How often a case is tried again because the server was gone for a moment. */
const ATTEMPTS = 2
const REPEATS = 3

/** The cases that are wanted; each is planned. */
export function planSteps({ ledger, wants }: SliceContext): StepCase[] {
  const chosen = stepCases.filter(({ id }) => wants(id))
  for (const { id, group } of chosen) ledger.plan(id, group)
  return chosen
}

const isHeavy = (entry: StepCase): boolean =>
  entry.kind !== 'injection' && !(entry.kind === 'script' && !entry.alone)

export class StepPlayer {
  readonly #stage: Stage
  readonly #outages: Outages
  readonly #book: Book
  readonly #places: Places
  readonly #cases: readonly StepCase[]

  constructor(stage: Stage, outages: Outages) {
    this.#stage = stage
    this.#outages = outages
    this.#book = new Book(stage, outages)
    this.#places = new Places(stage)
    this.#cases = coreFirst(
      stage.context,
      stepCases.filter(({ id }) => stage.context.wants(id))
    )
  }

  /** Those that disturb nobody, in a few lanes. */
  light(): Promise<void> {
    return this.#lanes(
      this.#cases.filter((entry) => !isHeavy(entry)),
      LANES
    )
  }

  /** The others, one at a time. */
  async heavy(): Promise<void> {
    await this.#lanes(
      this.#cases.filter((entry) => isHeavy(entry) && entry.kind !== 'siege'),
      1
    )
    if (this.#book.over) return
    const sieges = this.#cases.filter((entry) => entry.kind === 'siege')
    await new Sieges(this.#stage, this.#outages, this.#book).play(
      sieges.filter((entry) => !this.#leftOut(entry))
    )
  }

  /** After the server was lost: what was not judged by then never will be. */
  end(): void {
    const { lost } = this.#outages
    if (lost !== undefined)
      for (const { id } of this.#cases) this.#stage.context.ledger.inconclusive(id, lost)
  }

  #lanes(cases: readonly StepCase[], count: number): Promise<void> {
    return besideElders(this.#stage, this.#outages, cases, count, {
      over: () => this.#book.over,
      passesOver: (entry) => this.#leftOut(entry),
      play: (entry, elder) => this.#play(entry, elder)
    })
  }

  /** One case to its verdict; tells how the earlier connection fared. */
  async #play(entry: StepCase, elder: Elder | undefined): Promise<StepTrial['elder']> {
    const { context, scene } = this.#stage
    const lacking = entry.needs.map((need) => scene.lacking[need]).find((reason) => reason !== undefined)
    if (lacking !== undefined) return this.#book.inapplicable(entry, lacking)
    const random = context.random.stream(`steps/${entry.id}`)
    context.began?.(entry.id)
    switch (entry.kind) {
      case 'script':
        return this.#script(entry, elder, random)
      case 'injection':
        return this.#injection(entry, random)
      case 'growth':
        return this.#growth(entry, random)
      case 'siege':
        return 'none'
    }
  }

  /** The cell has no time for this case. */
  #leftOut({ id }: StepCase): boolean {
    const { context } = this.#stage
    const late = tooLate(context, id)
    if (late) context.ledger.leaveOut(id)
    return late
  }

  async #script(entry: Script, elder: Elder | undefined, random: RandomStream): Promise<StepTrial['elder']> {
    const place = entry.place === undefined ? undefined : await this.#places.find(entry.place)
    if (entry.place !== undefined && place === undefined)
      return this.#book.inapplicable(entry, LACKING[entry.place])
    if (entry.connections !== undefined) return this.#storm(entry, entry.connections, random)
    const { context } = this.#stage
    const variants = variantsOf(entry, place)
    let trial: StepTrial | undefined
    for (let attempt = 0; attempt < ATTEMPTS && !this.#book.over; attempt++) {
      trial = await playTrial(this.#stage, entry, variants, random, attempt === 0 ? elder : undefined)
      if (!trial.outage || trial.verdict.kind === 'wrong') break
      if ((await this.#outages.look()) === 'lost') break
    }
    if (trial === undefined || context.signal.aborted) return 'none'
    if (trial.outage && trial.verdict.kind === 'wrong') await this.#outages.look()
    const { before, after } = trial
    let { verdict, seen, variant } = trial
    const play = (): ReturnType<typeof playVariant> =>
      playVariant(this.#stage, entry, variant, before?.ok === true ? before.seen : undefined, random)
    if (verdict.kind === 'wrong' && verdict.fault === 'unbounded') {
      variant = { ...variant, budget: DEEP_BUDGET }
      ;({ verdict, seen } = await play())
    }
    const again = async (): Promise<StepVerdict> => (await play()).verdict
    const evidence = { twin_before: twinText(before), twin_after: twinText(after) }
    await this.#book.settle(entry, verdict, again, seen, evidence)
    if (trial.elder === 'silent' || trial.elder === 'closed')
      await this.#recheckElder(entry, variants, random)
    return trial.elder
  }

  /** Many connections at once that end badly; then descriptors are counted. */
  async #storm(entry: Script, connections: number, random: RandomStream): Promise<'none'> {
    const { context, dialer, scene, limits, turn } = this.#stage
    let last: Seen | undefined
    const once = async (patience = NEXT_PATIENCE_MS): Promise<StepVerdict> => {
      const count = await DescriptorCount.take(context)
      const { sent, over } = await turn.take(entry.id)
      context.began?.(entry.id)
      const work = variantsOf(entry, undefined).flatMap((variant) =>
        Array.from({ length: connections }, () => variant)
      )
      let next = 0
      const lane = async (): Promise<void> => {
        while (next < work.length && !this.#book.over) {
          try {
            last = await playScript(this.#stage, entry, work[next++]!, random)
          } catch (error) {
            if (!(error instanceof ConnectFailed)) throw error
          }
        }
      }
      await Promise.all(Array.from({ length: STORM_LANES }, lane))
      over()
      context.tally.add('adv_sent', work.length)
      const asked = await isAlive(dialer, scene.control, limits)
      sent.answered = asked.alive
      if (!asked.alive) {
        await this.#outages.look()
        return { kind: 'inconclusive', reason: `nobody was served afterwards: ${asked.seen}` }
      }
      const wrong = await count.judge(entry, work.length, patience)
      return wrong ?? { kind: 'right', how: 'closed' }
    }
    await this.#book.settle(entry, await once(PATIENCE_MS), once, last, { connections })
    return 'none'
  }

  async #injection(entry: Injection, random: RandomStream): Promise<'none'> {
    const found = await this.#places.reflections()
    if (found.length === 0) return this.#book.inapplicable(entry, 'no route reflects its query into a field')
    for (const reflection of found) {
      const play = (): ReturnType<typeof playInjection> =>
        playInjection(this.#stage, entry, reflection, random)
      const { verdict, seen } = await play()
      this.#stage.context.tally.add('adv_sent')
      const evidence = { reflected_by: reflection.path, field: reflection.field }
      await this.#book.settle(entry, verdict, async () => (await play()).verdict, seen, evidence)
      if (verdict.kind === 'wrong' || this.#book.over) break
    }
    return 'none'
  }

  async #growth(entry: Growth, random: RandomStream): Promise<'none'> {
    const play = (): ReturnType<typeof playGrowth> => playGrowth(this.#stage, entry, random)
    const { context, limits } = this.#stage
    const begun = performance.now()
    const { verdict, seen } = await play()
    context.tally.add('adv_sent')
    if (verdict.kind === 'wrong' && stalled(context.vitals, begun, limits.answerMs))
      context.ledger.inconclusive(entry.id, 'this machine stood still meanwhile')
    else await this.#book.settle(entry, verdict, async () => (await play()).verdict, seen, {})
    return 'none'
  }

  /** A case after which an earlier connection was no longer served, tried again beside its twin, which must leave it alone. */
  async #recheckElder(
    entry: Script,
    variants: ReturnType<typeof variantsOf>,
    random: RandomStream
  ): Promise<void> {
    const { dialer, scene, limits, context } = this.#stage
    const seen: StepTrial['elder'][] = []
    let last: StepTrial | undefined
    for (let i = 0; i < REPEATS && !this.#book.over; i++) {
      const beside = await Elder.open(dialer, scene.control, limits)
      const twin = await isAlive(dialer, scene.control, limits)
      const control = await beside?.ask()
      beside?.close()
      if (!twin.alive || control !== 'answered') return
      const elder = await Elder.open(dialer, scene.control, limits)
      if (elder === undefined) return
      last = await playTrial(this.#stage, entry, variants, random, elder)
      elder.close()
      if (last.elder === 'answered' || last.elder === 'none') return
      seen.push(last.elder)
    }
    if (seen.length < REPEATS) return
    const silent = seen.includes('silent')
    const what = silent
      ? 'connections opened earlier are no longer answered'
      : 'connections of other clients are cut'
    const wrong: Wrong = {
      kind: 'wrong',
      fault: 'others',
      predicate: silent ? 'I-ADV-HANG' : 'I-LIVENESS',
      severity: 'HIGH',
      title: `${what} after this: ${entry.title}`,
      note: seen.join(', '),
      proof: true
    }
    context.tally.add(silent ? 'adv_hang_until_timeout' : 'adv_crashed', REPEATS)
    context.report(
      draftOf(entry, wrong, last?.seen, { earlier_connection: seen.join(', ') }, { k: REPEATS, n: REPEATS })
    )
  }
}
