/** Availability: with many connections held half sent, unread or idle, others must be served; how long they are kept is no verdict. */
import { setTimeout as delay } from 'node:timers/promises'
import type { RandomStream } from '../../../../kit/random.ts'
import { ConnectFailed, type Connection } from '../../../../wire/tcp.ts'
import type { Siege } from '../../../catalogue/http1/steps/index.ts'
import { stalled } from '../../../oracles/deadline.ts'
import { askFresh } from '../../../oracles/liveness.ts'
import type { Stage } from '../trial.ts'
import { Filler } from './fill.ts'
import { Line } from './line.ts'

const DRIP_MS = 100
/** Connections that are opened at the same time; the shortest queues of servers have room for five. */
const AT_ONCE = 4
/** The time that a server has to take them from the queue, ms; connections that are given up before no more are tried. */
const BETWEEN_MS = 2
const MOST_FAILED = 3
/** From the last byte to the first victim. */
const SETTLE_MS = 30

/**
 * Connections, a few at a time, for it is no matter of the siege how many a server takes at once; fewer where too many
 * were not had.
 * @throws InfraError
 */
async function openMany(stage: Stage, count: number): Promise<Connection[]> {
  const connections: Connection[] = []
  let failed = 0
  while (connections.length < count && failed < MOST_FAILED) {
    if (connections.length > 0) await delay(BETWEEN_MS)
    const wanted = Math.min(AT_ONCE, count - connections.length)
    const settled = await Promise.allSettled(
      Array.from({ length: wanted }, () => stage.dialer.connect(stage.limits.answerMs))
    )
    for (const result of settled) {
      if (result.status === 'fulfilled') connections.push(result.value)
      else if (!(result.reason instanceof ConnectFailed)) throw result.reason
    }
    failed += settled.filter(({ status }) => status === 'rejected').length
  }
  return connections
}

/** As many whole requests at once as there are slow ones; the number that was answered. */
export async function answeredAtOnce(
  stage: Stage,
  twin: string,
  count: number,
  random: RandomStream
): Promise<number> {
  const connections = await openMany(stage, count)
  try {
    const answered = await Promise.all(
      connections.map(async (connection) => {
        const line = new Line(connection, 1, [])
        if (!(await line.write(new Filler(stage.scene, random).fill(twin)))) return false
        return line.until(() => line.answers.length > 0, stage.limits.answerMs)
      })
    )
    return answered.filter(Boolean).length
  } finally {
    for (const connection of connections) stage.dialer.release(connection)
  }
}

export interface SiegeSeen {
  /** Others were served all the time. */
  served: boolean
  /** Connections of all kinds that were wanted at the end, that were had, and that still were open. */
  wanted: number
  count: number
  open: number
  /** What the last victim saw. */
  victim: string
  /** This machine stood still meanwhile. */
  stalled: boolean
}

/** Holds more and more connections of all kinds given, until others are not served, or all are held. */
export async function playSiege(
  stage: Stage,
  entries: readonly Siege[],
  victims: number,
  random: RandomStream
): Promise<SiegeSeen> {
  const { dialer, scene, limits, context } = stage
  const begun = performance.now()
  const held: { connection: Connection; entry: Siege; drip: Buffer }[] = []
  const write = ({ connection }: (typeof held)[number], bytes: Buffer): void => {
    if (bytes.length > 0 && connection.state === 'open') void connection.write(bytes).catch(() => undefined)
  }
  const timer = setInterval(() => {
    for (const one of held) write(one, one.drip)
  }, DRIP_MS)
  let victim = 'not asked'
  let wanted = 0
  const seen = (served: boolean): SiegeSeen => ({
    served,
    wanted,
    count: held.length,
    open: held.filter(({ connection }) => connection.state === 'open').length,
    victim,
    stalled: stalled(context.vitals, begun, limits.answerMs)
  })
  /** @returns whether as many connections were had as were wanted */
  const enter = async (entry: Siege, count: number): Promise<boolean> => {
    const drip = Buffer.from(entry.drip, 'latin1')
    wanted += count
    const connections = await openMany(stage, count)
    for (const connection of connections) {
      const one = { connection, entry, drip }
      if (!entry.reads) connection.pause()
      write(one, new Filler(scene, random).fill(entry.sends))
      write(one, drip)
      held.push(one)
    }
    return connections.length >= count
  }
  try {
    for (let level = 0; level < Math.max(...entries.map(({ connections }) => connections.length)); level++) {
      for (const entry of entries) {
        const [before = 0, count = before] = [entry.connections[level - 1], entry.connections[level]]
        // Where no more are let in, the victims say at once whether others are.
        if (!(await enter(entry, count - before))) break
      }
      await delay(SETTLE_MS)
      let alive = false
      for (let i = 0; i < victims && !alive && !context.signal.aborted; i++) {
        const asked = await askFresh(dialer, scene.control, limits)
        alive = asked.alive
        victim = asked.alive ? `${asked.status} in ${asked.ms.toFixed(1)} ms` : asked.seen
      }
      if (!alive) return seen(false)
    }
    return seen(true)
  } finally {
    clearInterval(timer)
    for (const { connection } of held) dialer.release(connection)
  }
}
