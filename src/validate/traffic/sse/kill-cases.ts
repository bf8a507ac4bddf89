/** Clients that go at chosen moments, while a witness reads on. */
import { SSE_NUMBERS, SSE_STAGES, SSE_WAYS, type SseStage, type SseWay } from '../../catalogue/sse/index.ts'
import type { RandomStream } from '../../../kit/random.ts'
import { wait } from '../proof/bench.ts'
import { broken, inapplicable, inconclusive, KEPT, type Shot, type Trial } from '../proof/trial.ts'
import type { Stream } from './stream.ts'
import { subscribeRequest, Subscription } from './subscription.ts'

/** Longest wait for the stage of a slow stream, ms. */
const LONGEST_STAGE_MS = 5000
/** How long clients beside a reader do not read, ms. */
const SLOW_MS = 1500
const MOST_SLOW_MS = 6000
/** What the kernels of both sides take for a client that does not read. */
const SOCKET_BUFFERS = 5 << 20
/** How long clients that stopped reading are left in place, ms. */
const STOPPED_MS = 600

const NEEDS_EVENTS: ReadonlySet<SseStage> = new Set(['in-event', 'between-events', 'unread'])

/** Brings one client to the stage and takes it away. True where the stage was reached. */
async function die(
  stream: Stream,
  stage: SseStage,
  way: SseWay,
  random: RandomStream
): Promise<Subscription | undefined> {
  const { bench } = stream
  const { tally } = bench.context
  if (stage === 'half-request' || stage === 'before-head') {
    const connection = await bench.connect()
    const request = subscribeRequest(bench, { path: stream.path })
    tally.add('sse_sent')
    stream.holding.gone.add(connection.localPort)
    const bytes = stage === 'half-request' ? request.subarray(0, random.int(8, request.length - 3)) : request
    const sent = await bench.write(connection, bytes)
    if (way === 'rst') connection.reset()
    else if (way === 'fin') {
      connection.end()
      await wait(30)
      connection.destroy()
    } else {
      connection.pause()
      await wait(STOPPED_MS)
      connection.reset()
    }
    if (!sent) return undefined
    tally.add('sse_killed_mid_stream')
    return Subscription.over(connection)
  }
  const client = await stream.open()
  stream.holding.gone.add(client.connection.localPort)
  try {
    const reached = await reach(stream, client, stage, random)
    if (client.established) tally.add('sse_established')
    stream.count(client)
    if (!reached) {
      client.close()
      return undefined
    }
    await client.kill(way)
    if (way === 'stop') {
      await wait(STOPPED_MS)
      client.connection.reset()
    }
    tally.add('sse_killed_mid_stream')
    return client
  } catch (error) {
    client.close()
    throw error
  }
}

async function reach(
  stream: Stream,
  client: Subscription,
  stage: SseStage,
  random: RandomStream
): Promise<boolean> {
  const limit = Math.min(LONGEST_STAGE_MS, stream.eventMs)
  if (!(await client.head(stream.bench.patienceMs)) || !client.established) return false
  const interval = stream.facts.intervalMs ?? 0
  const events = client.count
  const bytes = client.bytes
  switch (stage) {
    case 'in-event':
      // The first bytes of an event are here; where the server writes it in pieces, the rest is not.
      return client.until(() => client.bytes > bytes, limit)
    case 'between-events':
      if (!(await client.until(() => client.count > events, limit))) return false
      await wait(Math.min(1000, interval * (0.2 + 0.6 * random.float())))
      return !client.closed
    case 'unread':
      client.connection.pause()
      await wait(Math.min(2000, interval * 2))
      return client.connection.state === 'open'
    default:
      return true
  }
}

export function killTrials(
  stream: Stream,
  random: RandomStream,
  clients: number = SSE_NUMBERS.clients
): Trial[] {
  return SSE_STAGES.flatMap((stage) =>
    SSE_WAYS.map((way): Trial => ({
      id: `kill-${stage.id}-${way.id}`,
      group: 'kill',
      twin: () => stream.opens(),
      shoot: async () => {
        if (NEEDS_EVENTS.has(stage.id) && stream.facts.intervalMs === undefined) {
          return { verdict: inapplicable('no event came within the time of observation') }
        }
        const all = await Promise.all(
          Array.from({ length: clients }, () => die(stream, stage.id, way.id, random))
        )
        const reached = all.filter((one) => one !== undefined)
        if (reached.length === 0) return { verdict: inconclusive('the moment was not reached') }
        return witnessed(
          stream,
          reached[0]!,
          `after ${reached.length} clients went ${stage.title} with ${way.title}`
        )
      }
    }))
  )
}

/** The witness still gets its events. */
async function witnessed(stream: Stream, dead: Subscription, when: string): Promise<Shot> {
  const { transcript } = dead.connection
  const late = await stream.witnessed()
  if (late === undefined) return { verdict: KEPT, transcript }
  const title = `${when}, ${late}`
  return {
    verdict: broken({
      predicate: 'I-LIVENESS',
      severity: 'HIGH',
      title,
      standard: 'availability',
      symptom: 'others delayed'
    }),
    transcript
  }
}

/** Many clients at once, and clients that do not read beside one that does. */
export function crowdTrials(stream: Stream): Trial[] {
  const { bench } = stream
  return [
    {
      id: 'crowd',
      group: 'crowd',
      twin: () => stream.opens(),
      shoot: async () => {
        const clients = await Promise.all(Array.from({ length: SSE_NUMBERS.crowd }, () => stream.open()))
        for (const client of clients) stream.holding.gone.add(client.connection.localPort)
        const wanted = stream.facts.intervalMs === undefined ? 0 : 2
        const limit = Math.min(2 * LONGEST_STAGE_MS, 2 * stream.eventMs)
        const served = await Promise.all(
          clients.map(
            async (client) =>
              (await client.head(limit)) &&
              client.until(() => client.established && client.count >= wanted, limit)
          )
        )
        for (const client of clients) {
          if (client.established) bench.context.tally.add('sse_established')
          stream.count(client)
        }
        await Promise.all(clients.map((client) => client.kill('rst')))
        bench.context.tally.add('sse_killed_mid_stream', clients.length)
        const short = clients.filter((_, i) => served[i] !== true)
        if (short.length === 0) return { verdict: KEPT }
        const statuses = new Set(short.map(({ response }) => response?.status ?? 0))
        if ([...statuses].every((status) => status === 429 || status === 503)) {
          return { verdict: inapplicable(`the server limits subscribers (${[...statuses].join(', ')})`) }
        }
        const title = `${short.length} of ${clients.length} clients that subscribed at once did not get ${wanted} events`
        return {
          verdict: broken({
            predicate: 'I-LIVENESS',
            severity: 'HIGH',
            title,
            standard: 'availability',
            symptom: 'crowd not served'
          }),
          transcript: short[0]!.connection.transcript
        }
      }
    },
    {
      id: 'slow-reader',
      group: 'crowd',
      twin: () => stream.opens(),
      shoot: async () => {
        if (stream.facts.intervalMs === undefined)
          return { verdict: inapplicable('no event came within the time of observation') }
        const slow = await Promise.all(Array.from({ length: SSE_NUMBERS.slow }, () => stream.open()))
        try {
          await Promise.all(slow.map((client) => client.head(bench.patienceMs)))
          for (const client of slow) {
            stream.holding.gone.add(client.connection.localPort)
            await client.kill('stop')
          }
          await wait(await untilFull(stream))
          return await witnessed(stream, slow[0]!, `while ${slow.length} other clients do not read`)
        } finally {
          for (const client of slow) client.connection.reset()
        }
      }
    }
  ]
}

/** How long clients must not read until their socket buffers are full, ms; a thin stream never gets there. */
async function untilFull(stream: Stream): Promise<number> {
  const witness = await stream.witness()
  const before = witness.bytes
  await wait(SLOW_MS)
  const fullMs = (SOCKET_BUFFERS / Math.max(1, witness.bytes - before)) * SLOW_MS
  return fullMs < MOST_SLOW_MS ? fullMs : 0
}

/** Batches of the leak oracle: so many clients of one kind. */
export function killBatch(
  stream: Stream,
  stage: SseStage,
  way: SseWay,
  random: RandomStream
): () => Promise<number> {
  return async () => {
    const all = await Promise.all(
      Array.from({ length: SSE_NUMBERS.batch }, () => die(stream, stage, way, random))
    )
    return all.filter((one) => one !== undefined).length
  }
}
