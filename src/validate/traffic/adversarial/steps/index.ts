/** Plays the cases that take several steps: light ones beside the messages, heavy ones alone, sieges last. */
import type { RandomStream } from '../../../../kit/random.ts'
import { ConnectFailed } from '../../../../wire/tcp.ts'
import {
  stepCases,
  type Growth,
  type Injection,
  type Script,
  type Siege,
  type StepCase
} from '../../../catalogue/http1/steps/index.ts'
import type { SliceContext } from '../../../contracts.ts'
import { Elder, isAlive } from '../../../oracles/liveness.ts'
import { repeat, type Rate } from '../../../oracles/repeat.ts'
import type { Outages } from '../outage.ts'
import type { Stage } from '../trial.ts'
import { DescriptorCount } from './census.ts'
import { playGrowth } from './growth.ts'
import { playInjection } from './inject.ts'
import { LACKING, Places } from './places.ts'
import { playScript, type Seen } from './script.ts'
import { answeredAtOnce, playSiege, type SiegeSeen } from './siege.ts'
import { draftOf, twinText } from './tell.ts'
import { playTrial, playVariant, variantsOf, type StepTrial } from './trial.ts'
import { playTwin } from './twin.ts'
import { convict, type StepVerdict, type Wrong } from './verdict.ts'

const LANES = 6
const STORM_LANES = 32
/** How often a case is tried again because the server was gone for a moment. */
const ATTEMPTS = 2
const REPEATS = 3
/** How long a victim of a siege is given, ms; on a server that has failed one already; and at least so many baselines. */
const VICTIM_MS = 1000
const NEXT_VICTIM_MS = 500
const BASELINES = 20
const VICTIMS = 3

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
  readonly #places: Places
  readonly #cases: readonly StepCase[]
  #besieged = false

  constructor(stage: Stage, outages: Outages) {
    this.#stage = stage
    this.#outages = outages
    this.#places = new Places(stage)
    this.#cases = stepCases.filter(({ id }) => stage.context.wants(id))
  }

  get #over(): boolean {
    return this.#stage.context.signal.aborted || this.#outages.lost !== undefined
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
    if (!this.#over) await this.#sieges(this.#cases.filter((entry) => entry.kind === 'siege'))
  }

  /** After the server was lost: what was not judged by then never will be. */
  end(): void {
    const { lost } = this.#outages
    if (lost !== undefined)
      for (const { id } of this.#cases) this.#stage.context.ledger.inconclusive(id, lost)
  }

  async #lanes(cases: readonly StepCase[], count: number): Promise<void> {
    const { context, dialer, scene, limits } = this.#stage
    let next = 0
    const lane = async (): Promise<void> => {
      let elder: Elder | undefined
      const open = async (): Promise<void> => {
        elder?.close()
        elder = scene.capabilities.keepAlive ? await Elder.open(dialer, scene.control, limits) : undefined
      }
      await open()
      while (next < cases.length && !this.#over) {
        const entry = cases[next++]!
        if (context.target.exit() !== undefined) {
          this.#outages.died()
          break
        }
        if ((await this.#play(entry, elder)) !== 'answered' && !this.#over) await open()
      }
      elder?.close()
    }
    await Promise.all(Array.from({ length: Math.min(count, cases.length) }, lane))
  }

  /** One case to its verdict; tells how the earlier connection fared. */
  async #play(entry: StepCase, elder: Elder | undefined): Promise<StepTrial['elder']> {
    const { context, scene } = this.#stage
    const lacking = entry.needs.map((need) => scene.lacking[need]).find((reason) => reason !== undefined)
    if (lacking !== undefined) return this.#inapplicable(entry, lacking)
    const random = context.random.stream(`steps/${entry.id}`)
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

  #inapplicable(entry: StepCase, reason: string): 'none' {
    this.#stage.context.ledger.inapplicable(entry.id, reason)
    this.#stage.context.tally.add('adv_inapplicable')
    return 'none'
  }

  async #script(entry: Script, elder: Elder | undefined, random: RandomStream): Promise<StepTrial['elder']> {
    const place = entry.place === undefined ? undefined : await this.#places.find(entry.place)
    if (entry.place !== undefined && place === undefined)
      return this.#inapplicable(entry, LACKING[entry.place])
    if (entry.connections !== undefined) return this.#storm(entry, entry.connections, random)
    const { context } = this.#stage
    const variants = variantsOf(entry, place)
    let trial: StepTrial | undefined
    for (let attempt = 0; attempt < ATTEMPTS && !this.#over; attempt++) {
      trial = await playTrial(this.#stage, entry, variants, random, attempt === 0 ? elder : undefined)
      if (!trial.outage || trial.verdict.kind === 'wrong') break
      if ((await this.#outages.look()) === 'lost') break
    }
    if (trial === undefined || context.signal.aborted) return 'none'
    if (trial.outage && trial.verdict.kind === 'wrong') await this.#outages.look()
    const { verdict, seen, variant, before, after } = trial
    const again = async (): Promise<StepVerdict> =>
      (await playVariant(this.#stage, entry, variant, before?.ok === true ? before.seen : undefined, random))
        .verdict
    const evidence = { twin_before: twinText(before), twin_after: twinText(after) }
    await this.#settle(entry, verdict, again, seen, evidence)
    if (trial.elder === 'silent' || trial.elder === 'closed')
      await this.#recheckElder(entry, variants, random)
    return trial.elder
  }

  /** Believes what is seen again, and books the case. @param again the verdict of another try */
  async #settle(
    entry: StepCase,
    verdict: StepVerdict,
    again: () => Promise<StepVerdict>,
    seen: Seen | undefined,
    evidence: Record<string, string | number | boolean>
  ): Promise<void> {
    const { ledger, tally, signal } = this.#stage.context
    if (signal.aborted) return
    switch (verdict.kind) {
      case 'right':
        if (verdict.how === 'refused' || verdict.how === 'closed') tally.add('adv_well_rejected')
        return ledger.exercised(entry.id)
      case 'inapplicable':
        return void this.#inapplicable(entry, verdict.reason)
      case 'inconclusive':
        tally.add('adv_inconclusive')
        return ledger.inconclusive(entry.id, this.#outages.lost ?? verdict.reason)
      case 'wrong': {
        const rate = await repeat(verdict.severity === 'HIGH' && !verdict.proof, async () => {
          if (this.#over) return undefined
          const next = await again()
          if (next.kind === 'inapplicable' || next.kind === 'inconclusive') return undefined
          return next.kind === 'wrong' && next.fault === verdict.fault
        })
        return this.#told(entry, verdict, rate, seen, evidence)
      }
    }
  }

  #told(
    entry: StepCase,
    wrong: Wrong,
    rate: Rate,
    seen: Seen | undefined,
    evidence: Record<string, string | number | boolean>
  ): void {
    const { ledger, tally, report } = this.#stage.context
    if (!rate.believed) {
      tally.add('adv_inconclusive')
      return ledger.inconclusive(entry.id, `seen in ${rate.k} of ${rate.n} tries: ${wrong.title}`)
    }
    ledger.exercised(entry.id)
    if (wrong.predicate === 'I-ADV-ACCEPTED') tally.add('adv_wrong_accepted', rate.k)
    if (wrong.predicate === 'I-ADV-HANG') tally.add('adv_hang_until_timeout', rate.k)
    report(draftOf(entry, wrong, seen, evidence, rate))
  }

  /** Many connections at once that end badly; then descriptors are counted. */
  async #storm(entry: Script, connections: number, random: RandomStream): Promise<'none'> {
    const { context, dialer, scene, limits, turn } = this.#stage
    let last: Seen | undefined
    const once = async (): Promise<StepVerdict> => {
      const count = await DescriptorCount.take(context)
      const { sent, over } = await turn.take(entry.id)
      const work = variantsOf(entry, undefined).flatMap((variant) =>
        Array.from({ length: connections }, () => variant)
      )
      let next = 0
      const lane = async (): Promise<void> => {
        while (next < work.length && !this.#over) {
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
      const left = await count.left(work.length)
      const note = `${left} descriptors more than before, of ${work.length} connections, all closed by us`
      const wrong = left === 0 ? undefined : convict(entry, 'descriptors', note)
      return wrong ?? { kind: 'right', how: 'closed' }
    }
    await this.#settle(entry, await once(), once, last, { connections })
    return 'none'
  }

  async #injection(entry: Injection, random: RandomStream): Promise<'none'> {
    const found = await this.#places.reflections()
    if (found.length === 0) return this.#inapplicable(entry, 'no route reflects its query into a field')
    for (const reflection of found) {
      const play = (): ReturnType<typeof playInjection> =>
        playInjection(this.#stage, entry, reflection, random)
      const { verdict, seen } = await play()
      this.#stage.context.tally.add('adv_sent')
      const evidence = { reflected_by: reflection.path, field: reflection.field }
      await this.#settle(entry, verdict, async () => (await play()).verdict, seen, evidence)
      if (verdict.kind === 'wrong' || this.#over) break
    }
    return 'none'
  }

  async #growth(entry: Growth, random: RandomStream): Promise<'none'> {
    const play = (): ReturnType<typeof playGrowth> => playGrowth(this.#stage, entry, random)
    const { verdict, seen } = await play()
    this.#stage.context.tally.add('adv_sent')
    await this.#settle(entry, verdict, async () => (await play()).verdict, seen, {})
    return 'none'
  }

  /** All sieges at once: where others are served all the time, each of them is right. Else one after the other. */
  async #sieges(entries: readonly Siege[]): Promise<void> {
    const { context, scene } = this.#stage
    const random = context.random.stream('steps/sieges')
    const served = new Map<string, string | undefined>()
    const able: Siege[] = []
    for (const entry of entries) {
      const lacking = entry.needs.map((need) => scene.lacking[need]).find((reason) => reason !== undefined)
      if (lacking === undefined && !served.has(entry.twin)) {
        const twin = await playTwin(this.#stage, entry.twin, false, undefined, random)
        served.set(entry.twin, twin.ok ? undefined : `the valid twin was not served: ${twin.said}`)
      }
      const reason = lacking ?? served.get(entry.twin)
      if (reason === undefined) able.push(entry)
      else this.#inapplicable(entry, reason)
    }
    if (able.length === 0 || this.#over) return
    const count = await DescriptorCount.take(context)
    const all = await playSiege(this.#besieging(), able, VICTIMS, random)
    if (context.signal.aborted) return
    if (all.served && (await count.left(all.count)) === 0) {
      for (const { id } of able) {
        context.tally.add('adv_sent')
        context.tally.add('adv_well_rejected')
        context.ledger.exercised(id)
      }
      return
    }
    for (const entry of able) if (!this.#over) await this.#siege(entry, random)
  }

  #besieging(): Stage {
    const { limits, scene } = this.#stage
    const victimMs = this.#besieged ? NEXT_VICTIM_MS : VICTIM_MS
    const answerMs = Math.max(victimMs, BASELINES * scene.capabilities.baselineMs)
    return { ...this.#stage, limits: { ...limits, answerMs } }
  }

  async #siege(entry: Siege, random: RandomStream): Promise<void> {
    const { context, dialer, scene, limits } = this.#stage
    context.tally.add('adv_sent')
    let last: SiegeSeen | undefined
    const once = async (connections: number[], victims: number): Promise<StepVerdict> => {
      const count = await DescriptorCount.take(context)
      last = await playSiege(this.#besieging(), [{ ...entry, connections }], victims, random)
      if (context.signal.aborted) return { kind: 'inconclusive', reason: 'cut short' }
      if (!last.served) {
        if (last.stalled) return { kind: 'inconclusive', reason: 'this machine stood still meanwhile' }
        const note = `with ${last.count} connections: ${last.victim}`
        return convict(entry, 'others', note) ?? { kind: 'right', how: 'waits' }
      }
      const left = await count.left(last.count)
      const note = `${left} descriptors more than before, of ${last.count} connections, all closed by us`
      const wrong = left === 0 ? undefined : convict(entry, 'descriptors', note)
      return wrong ?? { kind: 'right', how: 'waits' }
    }
    let verdict = await once(entry.connections, this.#besieged ? 1 : VICTIMS)
    const enough = last?.count ?? 0
    const after = await isAlive(dialer, scene.control, limits)
    if (verdict.kind === 'wrong' && verdict.fault === 'others') {
      const room = await answeredAtOnce(this.#stage, entry.twin, enough, random)
      if (room < enough)
        verdict = {
          kind: 'inapplicable',
          reason: `${room} of ${enough} valid requests sent at once were answered`
        }
      else this.#besieged = true
    }
    await this.#settle(entry, verdict, () => once([enough], 1), undefined, {
      held_connections: last?.open ?? 0,
      victim: last?.victim ?? 'not asked',
      after_their_end: after.alive ? 'served again' : after.seen
    })
    if (!after.alive) await this.#outages.look()
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
    for (let i = 0; i < REPEATS && !this.#over; i++) {
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
