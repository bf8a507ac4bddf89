/** Clients that go at chosen moments, while a witness reads on. */
import {
  killId,
  SSE_LEAK_BATCH,
  SSE_STAGES,
  SSE_WAYS,
  type SseStage,
  type SseWay
} from '../../catalogue/sse/index.ts'
import type { RandomStream } from '../../../kit/random.ts'
import { wait } from '../proof/bench.ts'
import { inapplicable, inconclusive, KEPT, type Shot, type Trial } from '../proof/trial.ts'
import { reach, type Reached } from './stages.ts'
import type { Stream } from './stream.ts'
import type { Subscription } from './subscription.ts'
import { wrong } from './told.ts'

/** How long clients that stopped reading are left in place, ms. */
const STOPPED_MS = 600
/** Stages that stand on events which come by themselves. */
const NEEDS_EVENTS = new Set(['K2', 'K3', 'K4', 'K7', 'K8', 'K9'])
/** A server may turn away more than it wants to serve. */
const TURNED_AWAY = new Set([429, 503])
/** Where the head comes sooner, ms, no client can be relied on to go before it. */
const AT_ONCE_MS = 5
/** So many heads are asked for before one that comes late is believed to be of a handler that waits. */
const HEADS = 8

/** Takes a client away. */
async function go(stream: Stream, client: Subscription, way: SseWay): Promise<void> {
  await client.kill(way)
  if (way === 'stop') {
    await wait(STOPPED_MS)
    client.connection.reset()
  }
  stream.bench.context.tally.add('sse_killed_mid_stream')
}

/** So many clients to the stage, and away. */
async function die(
  stream: Stream,
  stage: SseStage,
  way: SseWay,
  random: RandomStream,
  clients: number
): Promise<Reached[]> {
  const coming = Array.from({ length: clients }, () => reach(stream, stage, random))
  if (stage.bytes !== undefined) void publishBig(stream, stage.bytes, random)
  if (stage.id === 'K6') {
    const all = await Promise.all(coming)
    await Promise.all(all.flatMap((one) => ('client' in one ? [go(stream, one.client, way)] : [])))
    return all
  }
  return Promise.all(
    coming.map(async (one) => {
      const reached = await one
      if ('client' in reached) await go(stream, reached.client, way)
      return reached
    })
  )
}

/** A big event, once the clients had time to subscribe. */
async function publishBig(stream: Stream, bytes: number, random: RandomStream): Promise<void> {
  await wait(Math.max(200, 4 * stream.facts.headMs))
  const word = `p${random.hex(15)}`
  const text = word.repeat(Math.ceil(bytes / word.length))
  const published = await stream.publisher?.publish('data', text, word).catch(() => undefined)
  published?.done()
}

export function killTrials(
  stream: Stream,
  random: RandomStream,
  stages: readonly SseStage[] = SSE_STAGES
): Trial[] {
  return stages.flatMap((stage) =>
    SSE_WAYS.map(({ id: way, title }): Trial => ({
      id: killId(stage, way),
      group: stage.group,
      twin: () => stream.opens(),
      shoot: async () => {
        const unable = await unfit(stream, stage)
        if (unable !== undefined) return { verdict: inapplicable(unable) }
        const all = await die(stream, stage, way, random, stage.clients)
        const reached = all.flatMap((one) => ('client' in one ? [one] : []))
        if (stage.id === 'K6') {
          const short = await crowd(stream, stage, all)
          if (short !== undefined) return short
        }
        if (reached.length === 0) {
          const [first] = all.flatMap((one) => ('not' in one ? [one.not] : []))
          return { verdict: inconclusive(`the moment was not reached: ${first ?? ''}`) }
        }
        if (stage.id === 'K7') {
          const refused = await back(stream, stage, reached[0]!.last)
          if (refused !== undefined) return refused
        }
        return witnessed(
          stream,
          stage,
          reached[0]!.client,
          `${reached.length} went ${stage.stage} with ${title}`
        )
      }
    }))
  )
}

async function unfit(stream: Stream, stage: SseStage): Promise<string | undefined> {
  if (NEEDS_EVENTS.has(stage.id) && stream.facts.intervalMs === undefined)
    return 'no event came within the time of observation'
  if (stage.bytes !== undefined && stream.publisher === undefined)
    return 'no route was found that publishes an event of that size'
  return stage.id === 'K0p' ? tooSoon(stream) : undefined
}

/** Whether the head comes too soon for anybody to go before it: told by the quickest of several, for this machine may be busy. */
async function tooSoon(stream: Stream): Promise<string | undefined> {
  for (let i = 0; i < HEADS && stream.facts.headMs >= AT_ONCE_MS; i++) await stream.opens()
  return stream.facts.headMs < AT_ONCE_MS
    ? `the head comes within ${AT_ONCE_MS} ms: nobody can go before it`
    : undefined
}

/** Clients that came at once are served, or turned away. */
async function crowd(stream: Stream, stage: SseStage, all: readonly Reached[]): Promise<Shot | undefined> {
  const short = all.flatMap((one) => ('not' in one ? [one.not] : []))
  if (short.length === 0 || stream.facts.intervalMs === undefined) return undefined
  if (short.every((reason) => [...TURNED_AWAY].some((status) => reason.includes(`(${status})`))))
    return { verdict: inapplicable(`the server limits subscribers: ${short[0]!}`) }
  return { verdict: wrong(stage, 'crowd not served', `${short.length} of ${all.length}: ${short[0]!}`) }
}

/** Comes back at once with the id that it has seen last. */
async function back(stream: Stream, stage: SseStage, last: string | undefined): Promise<Shot | undefined> {
  const again = await stream.open(last)
  try {
    stream.holding.gone.add(again.connection.localPort)
    await again.head(stream.bench.patienceMs)
    const { status } = again.response ?? {}
    const served = again.established || status === 204 || (status !== undefined && TURNED_AWAY.has(status))
    // An answer whose framing broke is no silence, and has a rule of its own.
    if (served || (again.error?.rule ?? 'truncated') !== 'truncated') return undefined
    return {
      verdict: wrong(stage, 'not served again', `${status ?? 'no head'}, Last-Event-ID ${last ?? 'none'}`),
      transcript: again.connection.transcript
    }
  } finally {
    again.close()
  }
}

/** The witness still gets its events. */
async function witnessed(stream: Stream, stage: SseStage, dead: Subscription, when: string): Promise<Shot> {
  const { transcript } = dead.connection
  const late = await stream.witnessed()
  if (late === undefined) return { verdict: KEPT, transcript }
  return { verdict: wrong(stage, 'others delayed', `${when}; ${late}`), transcript }
}

/** Batches of the leak oracle: so many clients of one kind. */
export function killBatch(
  stream: Stream,
  stage: SseStage,
  way: SseWay,
  random: RandomStream
): () => Promise<number> {
  return async () => {
    if ((await unfit(stream, stage)) !== undefined) return 0
    const all = await die(stream, stage, way, random, SSE_LEAK_BATCH)
    return all.filter((one) => 'client' in one).length
  }
}
