/** Clients that do not read, and many of them: what they cost the server and those beside them. */
import { readFile } from 'node:fs/promises'
import { SSE_PRESSURES, type SsePressure } from '../../catalogue/sse/index.ts'
import type { RandomStream } from '../../../kit/random.ts'
import { wait } from '../proof/bench.ts'
import { inapplicable, inconclusive, KEPT, type Shot, type Trial } from '../proof/trial.ts'
import type { Stream } from './stream.ts'
import type { Subscription } from './subscription.ts'
import { wrong } from './told.ts'

/** How long clients beside a reader do not read, ms. */
const SLOW_MS = 1500
const MOST_SLOW_MS = 6000
/** What the kernels hold is read by then, ms. */
const DRAIN_MS = 1000
/** What the kernels of both sides take for a client that does not read. */
const SOCKET_BUFFERS = 6 << 20
/** Windows in which memory is measured, and what is published in each of them. */
const WINDOW_MS = 3000
const PARTS = 3
const PUBLISHED = 256 * 1024
const PUBLISH_EVERY_MS = 20
/** Growth beyond that of the twin, in all and in the last part, that is told. */
const GROWN = 24 << 20
const GROWN_LAST = 6 << 20
/** Descriptors of this process that subscribers may take. */
const SHARE_OF_LIMIT = 0.4
const WAVE = 100
/** What all of them may read in a second: beyond it they would measure this machine. */
const MOST_BYTES_PER_SECOND = 48 << 20
/** A server that serves more and more of them is only slow, ms. */
const MOST_GROWING_MS = 15_000
const GROWING_POLL_MS = 50

export function pressureTrials(stream: Stream, random: RandomStream): Trial[] {
  const shoot: Record<string, (entry: SsePressure) => Promise<Shot>> = {
    'unread-memory': (entry) => unreadMemory(stream, entry, random),
    'slow-reader': (entry) => slowReader(stream, entry),
    subscribers: (entry) => subscribers(stream, entry),
    'reads-again': (entry) => readsAgain(stream, entry)
  }
  return SSE_PRESSURES.map((entry) => ({
    id: entry.id,
    group: entry.group,
    twin: () => stream.opens(),
    shoot: () => shoot[entry.id]!(entry)
  }))
}

/** So many clients with their heads. */
async function crowdOf(stream: Stream, clients: number): Promise<Subscription[]> {
  const all = await Promise.all(
    Array.from({ length: clients }, () => stream.open(undefined, { crowd: true }))
  )
  await Promise.all(all.map((client) => client.head(stream.bench.patienceMs)))
  for (const client of all) stream.holding.gone.add(client.connection.localPort)
  return all
}

/** How long clients must not read until their socket buffers are full, ms; a thin stream never gets there. */
async function untilFull(stream: Stream): Promise<number> {
  const witness = await stream.witness()
  const before = witness.bytes
  await wait(SLOW_MS)
  const fullMs = (SOCKET_BUFFERS / Math.max(1, witness.bytes - before)) * SLOW_MS
  return fullMs < MOST_SLOW_MS ? fullMs : 0
}

async function slowReader(stream: Stream, entry: SsePressure): Promise<Shot> {
  if (stream.facts.intervalMs === undefined)
    return { verdict: inapplicable('no event came within the time of observation') }
  const slow = await crowdOf(stream, entry.clients)
  try {
    for (const client of slow) await client.kill('stop')
    await wait(await untilFull(stream))
    const { transcript } = slow[0]!.connection
    const late = await stream.witnessed()
    if (late === undefined) return { verdict: KEPT, transcript }
    return {
      verdict: wrong(entry, 'others delayed', `while ${slow.length} others do not read, ${late}`),
      transcript
    }
  } finally {
    for (const client of slow) client.connection.reset()
  }
}

/** Resident memory at the begin and after each part of the window, while big texts are published. */
async function memoryWhile(
  stream: Stream,
  random: RandomStream,
  parts: number
): Promise<{ levels: number[]; published: number } | undefined> {
  const { target } = stream.bench.context
  const levels: number[] = []
  let published = 0
  const word = `p${random.hex(63)}`
  const text = word.repeat(PUBLISHED / word.length)
  for (let part = 0; part <= parts; part++) {
    const { rss } = (await target.census().catch(() => undefined)) ?? {}
    if (rss === undefined) return undefined
    levels.push(rss)
    const end = performance.now() + WINDOW_MS / parts
    while (part < parts && performance.now() < end && !stream.bench.aborted) {
      if (stream.publisher !== undefined) {
        const one = await stream.publisher.publish('data', text, word.slice(0, 8)).catch(() => undefined)
        one?.done()
        if (one?.status !== undefined && one.status < 400) published += text.length
      }
      await wait(PUBLISH_EVERY_MS)
    }
  }
  return { levels, published }
}

async function unreadMemory(stream: Stream, entry: SsePressure, random: RandomStream): Promise<Shot> {
  if ((await stream.bench.context.target.census().catch(() => undefined))?.rss === undefined)
    return { verdict: inapplicable('the memory of the server cannot be read') }
  const witness = await stream.witness()
  const measure = async (reads: boolean): Promise<{ levels: number[]; bytes: number } | undefined> => {
    const clients = await crowdOf(stream, entry.clients)
    try {
      if (!reads) for (const client of clients) await client.kill('stop')
      const before = witness.bytes
      const seen = await memoryWhile(stream, random, PARTS)
      return seen && { levels: seen.levels, bytes: witness.bytes - before }
    } finally {
      for (const client of clients) client.connection.reset()
    }
  }
  const twin = await measure(true)
  if (twin === undefined) return { verdict: inconclusive('the memory of the server could not be read') }
  if (twin.bytes * entry.clients < 2 * GROWN)
    return {
      verdict: inapplicable(
        `the stream is too thin to fill memory: ${twin.bytes} bytes in ${WINDOW_MS / 1000} s for each client`
      )
    }
  const unread = await measure(false)
  if (unread === undefined) return { verdict: inconclusive('the memory of the server could not be read') }
  const grown = ({ levels }: { levels: number[] }, from = 0): number => levels.at(-1)! - levels.at(from)!
  const [surplus, last] = [
    grown(unread) - Math.max(0, grown(twin)),
    grown(unread, -2) - Math.max(0, grown(twin, -2))
  ]
  if (surplus < GROWN || last < GROWN_LAST) return { verdict: KEPT }
  const mib = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(0)} MiB`
  const what = `+${mib(grown(unread))} in ${WINDOW_MS / 1000} s for ${entry.clients} clients that do not read, ${mib(grown(twin))} for as many that do`
  return { verdict: wrong(entry, 'grows', what) }
}

/** Descriptors that this process may have open. */
async function descriptorLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'latin1').catch(() => '')
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1024)
}

/** Waits until so many are there, or no more come for a while. True where time ended before. */
async function growing(count: () => number, all: number, stillMs: number): Promise<boolean> {
  const end = performance.now() + MOST_GROWING_MS
  let [last, at] = [count(), performance.now()]
  while (last < all && performance.now() - at < stillMs) {
    if (performance.now() > end) return true
    await wait(GROWING_POLL_MS)
    const now = count()
    if (now > last) [last, at] = [now, performance.now()]
  }
  return false
}

async function subscribers(stream: Stream, entry: SsePressure): Promise<Shot> {
  const most = Math.floor((await descriptorLimit()) * SHARE_OF_LIMIT)
  const rate = Math.round(stream.facts.bytesPerSecond)
  const bearable = Math.max(WAVE, Math.floor(MOST_BYTES_PER_SECOND / Math.max(1, rate)))
  const clients = Math.min(entry.clients, most, bearable)
  if (clients < entry.clients) {
    const why = clients === most ? 'descriptors are limited' : `each reads ${rate} bytes a second`
    stream.bench.context.note(`${entry.id}: ${clients} of ${entry.clients} clients, for ${why}`)
  }
  const wanted = stream.facts.intervalMs === undefined ? 0 : 1
  const all: Subscription[] = []
  try {
    while (all.length < clients && !stream.bench.aborted) {
      const wave = await crowdOf(stream, Math.min(WAVE, clients - all.length))
      all.push(...wave)
      if (wave.some(({ response }) => response?.status === 429 || response?.status === 503)) break
    }
    const happy = (client: Subscription): boolean => client.established && client.count >= wanted
    const busy = await growing(() => all.filter(happy).length, all.length, stream.eventMs)
    for (const client of all) {
      if (client.established) stream.bench.context.tally.add('sse_established')
      stream.count(client)
    }
    const short = all.filter((client) => !happy(client))
    if (short.length === 0) return { verdict: KEPT }
    if (busy)
      return {
        verdict: inconclusive(
          `${short.length} of ${all.length} were still not served, and more were from second to second`
        )
      }
    const statuses = new Set(short.map(({ response }) => response?.status ?? 0))
    if ([...statuses].every((status) => status === 429 || status === 503))
      return {
        verdict: inapplicable(
          `the server limits subscribers (${[...statuses].join(', ')}) to ${all.length - short.length}`
        )
      }
    return {
      verdict: wrong(entry, 'not served', `${short.length} of ${all.length} did not get ${wanted} event`),
      transcript: short[0]!.connection.transcript
    }
  } finally {
    stream.bench.context.tally.add('sse_killed_mid_stream', all.length)
    for (const client of all) client.connection.reset()
  }
}

async function readsAgain(stream: Stream, entry: SsePressure): Promise<Shot> {
  const { intervalMs } = stream.facts
  if (intervalMs === undefined)
    return { verdict: inapplicable('no event came within the time of observation') }
  const clients = await crowdOf(stream, entry.clients)
  try {
    for (const client of clients) client.connection.pause()
    await wait(await untilFull(stream))
    for (const client of clients) client.connection.resume()
    // What was on its way comes at once, and proves nothing.
    await wait(DRAIN_MS)
    const before = clients.map(({ bytes }) => bytes)
    const moved = await Promise.all(
      clients.map((client, i) =>
        client.until(() => client.bytes > before[i]! || client.closed, stream.eventMs)
      )
    )
    const silent = clients.filter((client, i) => !moved[i] && !client.closed)
    if (silent.length === 0) return { verdict: KEPT }
    return {
      verdict: wrong(
        entry,
        'silent',
        `${silent.length} of ${clients.length} within ${Math.round(stream.eventMs)} ms`
      ),
      transcript: silent[0]!.connection.transcript
    }
  } finally {
    for (const client of clients) client.connection.reset()
  }
}
