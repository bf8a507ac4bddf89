/** Brings a client to a moment of its subscription: the stages at which clients go. */
import type { RandomStream } from '../../../kit/random.ts'
import type { SseStage } from '../../catalogue/sse/index.ts'
import { wait } from '../proof/bench.ts'
import type { Stream } from './stream.ts'
import { subscribeRequest, Subscription } from './subscription.ts'

/** Longest wait for the stage of a slow stream, ms. */
const LONGEST_STAGE_MS = 5000
/** So many clients at once are given so many times as long. */
const CROWD = 50
const CROWD_PATIENCE = 4
/** Read of a big event before its client goes. */
const BIG_BEGUN = 64 * 1024
/** After our FIN, how long a client with one half reads on, ms. */
const HALF_MS = 300
/** A slow reader reads for so long, and pauses for so long, so many times, ms. */
const SLOW = { readMs: 5, pauseMs: 150, times: 4 }

/** A client at its stage, or why it could not get there. */
export type Reached = { client: Subscription; last?: string } | { not: string }

/** @throws ConnectFailed */
export async function reach(stream: Stream, stage: SseStage, random: RandomStream): Promise<Reached> {
  if (stage.id === 'K0' || stage.id === 'K0p') return early(stream, stage, random)
  const client = await stream.open(undefined, { crowd: stage.clients >= CROWD || stage.bytes !== undefined })
  stream.holding.gone.add(client.connection.localPort)
  try {
    const not = await later(stream, stage, client, random)
    if (client.established) stream.bench.context.tally.add('sse_established')
    stream.count(client)
    if (not !== undefined) {
      client.close()
      return { not }
    }
    const last = client.events.at(-1)?.id
    return { client, ...(last === undefined || last === '' ? {} : { last }) }
  } catch (error) {
    client.close()
    throw error
  }
}

/** Before the head: at once, or at any moment of the time that it usually takes. */
async function early(stream: Stream, stage: SseStage, random: RandomStream): Promise<Reached> {
  const { bench } = stream
  const connection = await bench.connect()
  bench.context.tally.add('sse_sent')
  stream.holding.gone.add(connection.localPort)
  const sent = await bench.write(connection, subscribeRequest(bench, { path: stream.path }))
  if (sent && stage.id === 'K0p') await wait(stream.facts.headMs * random.float() * 0.9)
  const client = Subscription.over(connection, bench.context.watch)
  if (!sent) return { not: 'the connection was closed before the request was written' }
  if (stage.id === 'K0p' && connection.bytesReceived > 0) {
    connection.destroy()
    return { not: 'the head came before' }
  }
  return { client }
}

async function later(
  stream: Stream,
  stage: SseStage,
  client: Subscription,
  random: RandomStream
): Promise<string | undefined> {
  const limit = Math.min(LONGEST_STAGE_MS, stream.eventMs)
  const patience = stream.bench.patienceMs * (stage.clients >= CROWD ? CROWD_PATIENCE : 1)
  if (!(await client.head(patience)) || !client.established)
    return `not established (${client.response?.status ?? 'no head'})`
  const interval = stream.facts.intervalMs ?? 0
  const { count, bytes } = client
  const anEvent = (): Promise<boolean> => client.until(() => client.count > count, limit)
  switch (stage.id) {
    case 'K1':
      return undefined
    case 'K2':
      // The first bytes of an event are here; where the server writes it in pieces, the rest is not.
      return (await client.until(() => client.bytes > bytes, limit)) ? undefined : 'no event came in time'
    case 'K3':
      client.connection.pause()
      await wait(Math.min(2000, interval * (1 + random.float())))
      return client.connection.state === 'open' ? undefined : 'the server closed before'
    case 'K5':
      return big(client, limit)
    case 'K8':
      if (!(await anEvent())) return 'no event came in time'
      client.connection.end()
      await client.until(() => false, HALF_MS)
      return undefined
    case 'K9':
      for (let i = 0; i < SLOW.times && client.connection.state === 'open'; i++) {
        client.connection.pause()
        await wait(SLOW.pauseMs)
        client.connection.resume()
        await wait(SLOW.readMs)
      }
      return client.connection.state === 'open' ? undefined : 'the server closed before'
    default:
      if (!(await anEvent())) return 'no event came in time'
      if (stage.id === 'K4') await wait(Math.min(1000, interval * (0.2 + 0.6 * random.float())))
      return client.closed ? 'the stream ended before' : undefined
  }
}

/** The begin of a big event has come, and its end has not. */
async function big(client: Subscription, limit: number): Promise<string | undefined> {
  const begun = await client.until(() => client.pending >= BIG_BEGUN, Math.max(limit, LONGEST_STAGE_MS))
  return begun ? undefined : 'no big event was met in its middle'
}
