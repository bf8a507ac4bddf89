/** Does a route speak WebSocket, SSE, or the port HTTP/2 in clear? Asked with bytes, before any case is judged. */
import { createHash } from 'node:crypto'
import type { RandomStream } from '../../kit/random.ts'
import { parseResponses } from '../../wire/http1.ts'
import { Connection } from '../../wire/tcp.ts'

interface Place {
  host: string
  port: number
  authority: string
}

export interface Seen {
  ok: boolean
  seen: string
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
const SETTINGS_TYPE = 4

async function dial(place: Place, timeoutMs: number): Promise<Connection | string> {
  try {
    return await Connection.connect({ host: place.host, port: place.port, timeoutMs })
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Prior knowledge (RFC 9113 3.3): our preface and SETTINGS are answered by a SETTINGS frame. */
export async function speaksHttp2(place: Place, timeoutMs: number): Promise<Seen> {
  const connection = await dial(place, timeoutMs)
  if (typeof connection === 'string') return { ok: false, seen: connection }
  try {
    await connection
      .write(Buffer.concat([Buffer.from(PREFACE, 'latin1'), EMPTY_SETTINGS]))
      .catch(() => undefined)
    const frame = await connection.waitFor(
      (received) => (received.length >= 9 ? received : undefined),
      timeoutMs
    )
    if (frame === undefined) return { ok: false, seen: `preface: no answer (${connection.state})` }
    const ok = frame[3] === SETTINGS_TYPE && frame.readUInt32BE(5) === 0 && frame.readUIntBE(0, 3) % 6 === 0
    return {
      ok,
      seen: ok ? 'preface: SETTINGS' : `preface: ${JSON.stringify(frame.toString('latin1', 0, 24))}`
    }
  } finally {
    connection.destroy()
  }
}

/** Upgrade: h2c (RFC 7540 3.2): a 101 that names h2c. */
export async function upgradesToHttp2(place: Place, path: string, timeoutMs: number): Promise<Seen> {
  const connection = await dial(place, timeoutMs)
  if (typeof connection === 'string') return { ok: false, seen: connection }
  try {
    const request = `GET ${path} HTTP/1.1\r\nHost: ${place.authority}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`
    await connection.write(request).catch(() => undefined)
    const status = await connection.waitFor((received, state) => {
      const { responses, error } = parseResponses(received, ['GET'], state !== 'open')
      return responses[0] ?? error
    }, timeoutMs)
    if (status === undefined || 'rule' in status) return { ok: false, seen: 'Upgrade: h2c: no answer' }
    return {
      ok: status.status === 101 && /h2c/i.test(status.header('upgrade') ?? ''),
      seen: `Upgrade: h2c: ${status.status}`
    }
  } finally {
    connection.destroy()
  }
}

/** A WebSocket handshake with a right accept value (RFC 6455 4.2.2); says whether the route echoes. */
export async function speaksWebSocket(
  place: Place,
  path: string,
  random: RandomStream,
  timeoutMs: number
): Promise<Seen> {
  const connection = await dial(place, timeoutMs)
  if (typeof connection === 'string') return { ok: false, seen: connection }
  try {
    const key = random.bytes(16).toString('base64')
    const request = `GET ${path} HTTP/1.1\r\nHost: ${place.authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nOrigin: http://${place.authority}\r\n\r\n`
    await connection.write(request).catch(() => undefined)
    const answer = await connection.waitFor((received, state) => {
      const { responses, error, rest } = parseResponses(received, ['GET'], state !== 'open')
      return responses[0] === undefined && error === undefined ? undefined : { response: responses[0], rest }
    }, timeoutMs)
    const response = answer?.response
    if (response === undefined) return { ok: false, seen: `GET ${path} with Upgrade: websocket: no answer` }
    if (response.status !== 101)
      return { ok: false, seen: `GET ${path} with Upgrade: websocket: ${response.status}` }
    const accept = createHash('sha1')
      .update(key + GUID)
      .digest('base64')
    if (response.header('sec-websocket-accept') !== accept)
      return { ok: true, seen: `GET ${path}: 101 with a wrong accept value` }
    return { ok: true, seen: `GET ${path}: 101, ${await echoes(connection, response.headBytes, random)}` }
  } finally {
    connection.destroy()
  }
}

async function echoes(connection: Connection, skip: number, random: RandomStream): Promise<string> {
  const text = `probe-${random.hex(8)}`
  const mask = random.bytes(4)
  const payload = Buffer.from(text).map((byte, i) => byte ^ mask[i % 4]!)
  await connection
    .write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload]))
    .catch(() => undefined)
  const frame = Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)])
  const found = await connection.waitFor(
    (received) => (received.subarray(skip).includes(frame) ? true : undefined),
    1000
  )
  return found === true ? 'echoes' : 'no echo'
}

/** How long two events of a stream are waited for, ms. */
const EVENTS_MS = 1500
const WANTED_EVENTS = 2

/** 200 with text/event-stream (WHATWG HTML 9.2); says whether something came on the stream. */
export async function speaksSse(place: Place, path: string, timeoutMs: number): Promise<Seen> {
  const connection = await dial(place, timeoutMs)
  if (typeof connection === 'string') return { ok: false, seen: connection }
  try {
    await connection
      .write(`GET ${path} HTTP/1.1\r\nHost: ${place.authority}\r\nAccept: text/event-stream\r\n\r\n`)
      .catch(() => undefined)
    const end = await connection.waitFor((received) => {
      const at = received.indexOf('\r\n\r\n')
      return at < 0 ? undefined : at + 4
    }, timeoutMs)
    if (end === undefined) return { ok: false, seen: `GET ${path}: no head` }
    const head = connection.received.toString('latin1', 0, end)
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? '?'
    if (status !== '200' || !/^content-type:[ \t]*text\/event-stream/im.test(head)) {
      return { ok: false, seen: `GET ${path}: ${status}, no text/event-stream` }
    }
    return { ok: true, seen: `GET ${path}: 200 text/event-stream, ${await eventsOf(connection, end)}` }
  } finally {
    connection.destroy()
  }
}

/** How many events came and how far apart; comments count as a heartbeat. */
async function eventsOf(connection: Connection, headBytes: number): Promise<string> {
  const begun = performance.now()
  const arrivals: number[] = []
  const blocks = (received: Buffer): number =>
    received
      .toString('latin1', headBytes)
      .split(/\r\n\r\n|\n\n|\r\r/)
      .slice(0, -1)
      .filter((block) => /^(data|event|id|retry|:)/m.test(block)).length
  await connection.waitFor((received) => {
    const now = performance.now()
    for (let i = blocks(received); i > arrivals.length;) arrivals.push(now)
    return arrivals.length >= WANTED_EVENTS ? true : undefined
  }, EVENTS_MS)
  if (arrivals.length >= WANTED_EVENTS)
    return `something comes: ${WANTED_EVENTS} events ${Math.round(arrivals[1]! - arrivals[0]!)} ms apart`
  if (arrivals.length === 1)
    return `something comes: one event after ${Math.round(arrivals[0]! - begun)} ms, no second within ${EVENTS_MS} ms`
  return connection.received.length > headBytes
    ? 'something comes, no whole event'
    : `nothing comes within ${EVENTS_MS} ms`
}
