/** Availability: with many requests half sent, others must be served. How long such a request is kept open is no verdict. */
import { setTimeout as delay } from 'node:timers/promises'
import type { RandomStream } from '../../../kit/random.ts'
import { ConnectFailed, WriteFailed, type Connection } from '../../../wire/tcp.ts'
import { slowCase } from '../../catalogue/http1/index.ts'
import { readAnswers } from '../../oracles/answers.ts'
import { stalled } from '../../oracles/deadline.ts'
import { askFresh } from '../../oracles/liveness.ts'
import { bytesOf, noncesOf, valuesOf } from './scene.ts'
import { outageDraft } from './tell.ts'
import type { Stage } from './trial.ts'

const DRIP_MS = 100
const VICTIMS = 3
const REPEATS = 3

async function openMany(stage: Stage, count: number): Promise<Connection[]> {
  const settled = await Promise.allSettled(
    Array.from({ length: count }, () => stage.dialer.connect(stage.limits.answerMs))
  )
  for (const result of settled) {
    if (result.status === 'rejected' && !(result.reason instanceof ConnectFailed)) throw result.reason
  }
  return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
}

async function writeAll(connections: readonly Connection[], bytes: Buffer): Promise<void> {
  await Promise.all(
    connections.map((connection) =>
      connection.write(bytes).catch((error: unknown) => {
        if (!(error instanceof WriteFailed)) throw error
      })
    )
  )
}

/** As many whole requests at once as there will be slow ones; the number that was answered. */
async function twinAnswered(stage: Stage, bytes: Buffer): Promise<number> {
  const connections = await openMany(stage, slowCase.connections)
  try {
    await writeAll(connections, bytes)
    const answered = await Promise.all(
      connections.map((connection) =>
        connection.waitFor(
          (received, state) =>
            readAnswers(received, 'GET', state !== 'open').responses.length > 0 ? true : undefined,
          stage.limits.answerMs
        )
      )
    )
    return answered.filter((one) => one === true).length
  } finally {
    for (const connection of connections) stage.dialer.release(connection)
  }
}

interface Siege {
  /** A victim was served. */
  served: boolean
  held: number
  seen: string
  stalled: boolean
}

async function besiege(stage: Stage, start: Buffer, victims: number): Promise<Siege> {
  const { dialer, scene, limits, context } = stage
  const begun = performance.now()
  const connections = await openMany(stage, slowCase.connections)
  const drip = setInterval(() => {
    void writeAll(
      connections.filter(({ state }) => state === 'open'),
      Buffer.from(slowCase.drip)
    )
  }, DRIP_MS)
  try {
    await writeAll(connections, start)
    await delay(DRIP_MS * 2)
    let seen = 'not asked'
    for (let i = 0; i < victims && !context.signal.aborted; i++) {
      const asked = await askFresh(dialer, scene.control, limits)
      const held = connections.filter(({ state }) => state === 'open').length
      if (asked.alive)
        return { served: true, held, seen: `${asked.status} in ${asked.ms.toFixed(1)} ms`, stalled: false }
      seen = asked.seen
    }
    const held = connections.filter(({ state }) => state === 'open').length
    return { served: false, held, seen, stalled: stalled(context.vitals, begun, limits.answerMs) }
  } finally {
    clearInterval(drip)
    for (const connection of connections) dialer.release(connection)
  }
}

/** Plays the case of many slow requests once, and repeats it where nobody else was served. */
export async function playSlow(stage: Stage, random: RandomStream): Promise<void> {
  const { context, scene, limits, dialer } = stage
  const { id, connections, standard, says } = slowCase
  context.began?.(id)
  const values = valuesOf(scene, noncesOf(random))
  const answered = await twinAnswered(stage, bytesOf(slowCase.twin, values))
  if (context.signal.aborted) return
  if (answered < connections) {
    context.ledger.inapplicable(id, `${answered} of ${connections} whole requests sent at once were answered`)
    return
  }
  context.tally.add('adv_sent')
  let k = 0
  for (let n = 1; n <= REPEATS; n++) {
    const siege = await besiege(stage, bytesOf(slowCase.sends, values), n === 1 ? VICTIMS : 1)
    if (context.signal.aborted) return
    if (siege.stalled) return context.ledger.inconclusive(id, 'this machine stood still meanwhile')
    if (siege.served) {
      if (k > 0) return context.ledger.inconclusive(id, `others were not served in ${k} of ${n} tries`)
      context.tally.add('adv_well_rejected')
      return context.ledger.exercised(id)
    }
    k += 1
    if (k < REPEATS) continue
    const after = await askFresh(dialer, scene.control, limits)
    const evidence = {
      held_connections: siege.held,
      victim: siege.seen,
      after_their_end: after.alive ? 'served again' : after.seen
    }
    context.tally.add('adv_hang_until_timeout', k)
    context.ledger.exercised(id)
    context.report(outageDraft({ id, standard }, 'I-ADV-HANG', says, { k, n }, undefined, evidence))
  }
}
