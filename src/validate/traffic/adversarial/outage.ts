/** When nobody gets through any more: has the process ended, does it hang, does it come back, and after which message. */
import { setTimeout as delay } from 'node:timers/promises'
import { http1Cases, type ProtocolCase } from '../../catalogue/http1/index.ts'
import { stepCases } from '../../catalogue/http1/steps/index.ts'
import { stalled } from '../../oracles/deadline.ts'
import { askFresh, Elder, exitOf, isAlive } from '../../oracles/liveness.ts'
import { outageDraft } from './tell.ts'
import { play, playTwin, type Stage, type Trial } from './trial.ts'
import type { RandomStream } from '../../../kit/random.ts'
import type { Sent } from './turn.ts'

/** How long a server that stopped answering is waited for, ms. */
const RECOVERY_MS = 5000
const POLL_MS = 250
/** A message that left longer ago has nothing to do with a death. */
const RECENT_MS = 3000
const REPEATS = 3

export type Health = 'well' | 'back' | 'lost'

export class Outages {
  readonly #stage: Stage
  #current: Promise<Health> | undefined
  /** Why nothing more can be learned; set once the server is lost. */
  lost: string | undefined
  /** Cases that may have stopped the server for a while; to be tried alone. */
  readonly suspects = new Set<string>()

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** Looks whether the server still serves; lanes that ask at the same time share one look. */
  look(): Promise<Health> {
    this.#current ??= this.#look().finally(() => {
      this.#current = undefined
    })
    return this.#current
  }

  async #look(): Promise<Health> {
    const { dialer, scene, limits, context } = this.#stage
    if (this.lost !== undefined) return 'lost'
    const begun = performance.now()
    const [culprit] = this.#stage.turn.suspects()
    const asked = await isAlive(dialer, scene.control, limits)
    if (asked.alive) return 'well'
    if (context.signal.aborted) return 'lost'
    if ((await exitOf(context.target)) !== undefined) return this.died(culprit)
    if (stalled(context.vitals, begun, limits.answerMs)) return 'well'
    if (culprit !== undefined) this.suspects.add(culprit.id)
    if (await this.#recovers()) return 'back'
    const entry = caseOf(culprit?.id)
    this.lost = `the server no longer answers since case ${entry.id}`
    const refused = /ECONNREFUSED|ECONNRESET/.test(asked.seen)
    context.ledger.exercised(entry.id)
    context.tally.add(refused ? 'adv_crashed' : 'adv_hang_until_timeout')
    context.report(
      outageDraft(
        entry,
        refused ? 'I-LIVENESS' : 'I-ADV-HANG',
        `${refused ? 'no connection is taken' : 'nobody is answered'} any more after this message: ${entry.title}`,
        { k: 1, n: 1 },
        culprit?.seen,
        { fresh_connection: asked.seen, waited_for_recovery_ms: RECOVERY_MS }
      )
    )
    return 'lost'
  }

  async #recovers(): Promise<boolean> {
    const { dialer, scene, limits, context } = this.#stage
    const until = performance.now() + RECOVERY_MS
    while (performance.now() < until && !context.signal.aborted) {
      if ((await askFresh(dialer, scene.control, limits)).alive) return true
      await delay(POLL_MS)
    }
    return false
  }

  /** The process has ended: told once, with the message that was on its way. */
  died(culprit: Sent | undefined = this.#stage.turn.suspects()[0]): Health {
    if (this.lost !== undefined) return 'lost'
    const { context, turn } = this.#stage
    const exit = context.target.exit()
    const how = exit?.signal ?? `exit code ${exit?.code ?? 'unknown'}`
    const ago = culprit === undefined ? Infinity : performance.now() - culprit.at
    if (culprit === undefined || ago > RECENT_MS) {
      this.lost = `the server ended (${how}) while no case was on its way`
      return 'lost'
    }
    const entry = caseOf(culprit.id)
    this.lost = `the server died in case ${entry.id}`
    context.tally.add('adv_crashed')
    context.ledger.exercised(entry.id)
    const others = turn
      .suspects()
      .filter(({ id, at }) => id !== culprit.id && performance.now() - at < RECENT_MS)
    context.report(
      outageDraft(
        entry,
        'I-LIVENESS',
        `the server process ended (${how}) after this message: ${entry.title}`,
        { k: 1, n: 1 },
        culprit.seen,
        {
          process: how,
          message_was_answered: culprit.answered,
          ms_since_the_message: Math.round(ago),
          other_messages_of_that_time:
            [...new Set(others.map(({ id }) => id))].slice(0, 8).join(', ') || 'none'
        }
      )
    )
    return 'lost'
  }

  /** A case that stopped the server for a while, tried again and alone; believed when it does so each time. */
  async recheck(entry: ProtocolCase, random: RandomStream): Promise<void> {
    const { context, dialer, scene, limits } = this.#stage
    let last: Trial | undefined
    for (let k = 1; k <= REPEATS; k++) {
      const begun = performance.now()
      last = await play(this.#stage, entry, 'whole', random, undefined)
      const asked = await isAlive(dialer, scene.control, limits)
      if (asked.alive || stalled(context.vitals, begun, limits.answerMs)) return
      if ((await exitOf(context.target)) !== undefined) return void this.died()
      const back = await this.#recovers()
      if (back && k < REPEATS) continue
      if (!back) this.lost = `the server no longer answers since case ${entry.id}`
      const refused = /ECONNREFUSED|ECONNRESET/.test(asked.seen)
      context.tally.add(refused ? 'adv_crashed' : 'adv_hang_until_timeout', k)
      const title = `nobody is served for a while after this message: ${entry.title}`
      const evidence = { fresh_connection: asked.seen, came_back: back }
      context.report(
        outageDraft(entry, refused ? 'I-LIVENESS' : 'I-ADV-HANG', title, { k, n: k }, last.seen, evidence)
      )
      return
    }
  }

  /** A case after which an earlier connection was no longer served, tried again beside its twin, which must leave it alone. */
  async recheckElder(entry: ProtocolCase, random: RandomStream): Promise<void> {
    const { context, dialer, scene, limits } = this.#stage
    const seen: Trial['elder'][] = []
    let last: Trial | undefined
    for (let i = 0; i < REPEATS; i++) {
      const beside = await Elder.open(dialer, scene.control, limits)
      const twin = await playTwin(this.#stage, entry, 'whole', random)
      const control = await beside?.ask()
      beside?.close()
      if (!twin.ok || control !== 'answered') return
      const elder = await Elder.open(dialer, scene.control, limits)
      if (elder === undefined) return
      last = await play(this.#stage, entry, 'whole', random, elder)
      elder.close()
      if (last.elder === 'answered' || last.elder === 'none') return
      seen.push(last.elder)
    }
    const silent = seen.includes('silent')
    const what = silent
      ? 'connections opened earlier are no longer answered'
      : 'connections of other clients are cut'
    context.tally.add(silent ? 'adv_hang_until_timeout' : 'adv_crashed', REPEATS)
    context.report(
      outageDraft(
        entry,
        silent ? 'I-ADV-HANG' : 'I-LIVENESS',
        `${what} after this message: ${entry.title}`,
        { k: REPEATS, n: REPEATS },
        last?.seen,
        { earlier_connection: seen.join(', '), earlier_connection_beside_the_twin: 'served' }
      )
    )
  }
}

function caseOf(id: string | undefined): Pick<ProtocolCase, 'id' | 'title' | 'standard'> {
  return (
    http1Cases.find((entry) => entry.id === id) ??
    stepCases.find((entry) => entry.id === id) ?? {
      id: id ?? 'adversarial',
      title: id ?? 'no single case',
      standard: 'RFC 9112 2.2'
    }
  )
}
