/** The cases of held connections: all at once, and one by one where others are not served. */
import type { RandomStream } from '../../../../kit/random.ts'
import type { Siege } from '../../../catalogue/http1/steps/index.ts'
import { askFresh, isAlive } from '../../../oracles/liveness.ts'
import type { Outages } from '../outage.ts'
import type { Stage } from '../trial.ts'
import type { Book } from './book.ts'
import { DescriptorCount, NEXT_PATIENCE_MS, PATIENCE_MS } from './census.ts'
import { answeredAtOnce, playSiege, type SiegeSeen } from './siege.ts'
import { playTwin, type TwinSeen } from './twin.ts'
import { convict, type StepVerdict } from './verdict.ts'

/** How long a victim of a siege is given, ms; on a server that has failed one already; and at least so many baselines. */
const VICTIM_MS = 1000
const NEXT_VICTIM_MS = 500
const BASELINES = 20
const VICTIMS = 3

export class Sieges {
  readonly #stage: Stage
  readonly #outages: Outages
  readonly #book: Book
  #besieged = false

  constructor(stage: Stage, outages: Outages, book: Book) {
    this.#stage = stage
    this.#outages = outages
    this.#book = book
  }

  /** All sieges at once: where others are served all the time, each of them is right. Else one after the other. */
  async play(entries: readonly Siege[]): Promise<void> {
    const { context, scene } = this.#stage
    const random = context.random.stream('steps/sieges')
    const twins = new Map<string, TwinSeen>()
    const able: Siege[] = []
    for (const entry of entries) {
      const lacking = entry.needs.map((need) => scene.lacking[need]).find((reason) => reason !== undefined)
      if (lacking !== undefined) {
        this.#book.inapplicable(entry, lacking)
        continue
      }
      const twin = twins.get(entry.twin) ?? (await playTwin(this.#stage, entry, undefined, random))
      twins.set(entry.twin, twin)
      if (twin.ok) able.push(entry)
      else if (twin.why === 'refused')
        this.#book.inapplicable(entry, `the valid twin was refused: ${twin.said}`)
      else context.ledger.inconclusive(entry.id, `the valid twin was not served: ${twin.said}`)
      if (!twin.ok && twin.why === 'gone' && (await this.#outages.look()) === 'lost') return
    }
    if (able.length === 0 || this.#book.over) return
    const count = await DescriptorCount.take(context)
    for (const { id } of able) context.began?.(id)
    const all = await playSiege(this.#besieging(), able, VICTIMS, random)
    if (context.signal.aborted) return
    if (all.served && (await count.left(all.count, PATIENCE_MS)) === 0) {
      for (const { id } of able) {
        context.tally.add('adv_sent')
        context.tally.add('adv_well_rejected')
        context.ledger.exercised(id)
      }
      return
    }
    for (const entry of able) if (!this.#book.over) await this.#siege(entry, random)
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
      context.began?.(entry.id)
      const stage = this.#besieging()
      // The twin of a victim: one that asks while nothing is held. Earlier cases may have left the server slow.
      const free = await askFresh(dialer, scene.control, stage.limits)
      if (!free.alive)
        return { kind: 'inconclusive', reason: `others are not served without it, either: ${free.seen}` }
      const answerMs = Math.max(stage.limits.answerMs, BASELINES * free.ms)
      const patient = { ...stage, limits: { ...stage.limits, answerMs } }
      last = await playSiege(patient, [{ ...entry, connections }], victims, random)
      if (context.signal.aborted) return { kind: 'inconclusive', reason: 'cut short' }
      if (!last.served) {
        if (last.stalled) return { kind: 'inconclusive', reason: 'this machine stood still meanwhile' }
        const note = `with ${last.count} connections: ${last.victim}`
        return convict(entry, 'others', note) ?? { kind: 'right', how: 'waits' }
      }
      const wrong = await count.judge(entry, last.count, NEXT_PATIENCE_MS)
      return wrong ?? { kind: 'right', how: 'waits' }
    }
    let verdict = await once(entry.connections, this.#besieged ? 1 : VICTIMS)
    const enough = last?.wanted ?? 0
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
    await this.#book.settle(entry, verdict, () => once([enough], 1), undefined, {
      held_connections: last?.open ?? 0,
      victim: last?.victim ?? 'not asked',
      after_their_end: after.alive ? 'served again' : after.seen
    })
    if (!after.alive) await this.#outages.look()
  }
}
