/**
 * Servers on which nothing can be judged, because they do the same whatever they are asked: each is named for what it
 * does. What is told here stands on several unlike messages, never on one.
 */
import type { RandomStream } from '../../kit/random.ts'
import type { Target } from '../../target/types.ts'
import { Connection, ConnectFailed } from '../../wire/tcp.ts'
import { isSuccess } from '../oracles/answers.ts'
import { ask, type Reply } from './ask.ts'
import type { Probe } from './probe.ts'

/** No server sends within this time what it was not asked for, unless it always does. */
const EARLY_MS = 200
/** A valid request that is not answered by then, on an idle server, is not answered. */
const SILENT_MS = 2000
/** The same of a server that is named for it: on a busy machine two seconds are soon over. */
export const PATIENT_MS = 10_000
/** Bytes that are no request may be waited on for ever; who answers them with 2xx does so at once. */
const GARBAGE_MS = 500
const SHOWN_BYTES = 24
/** Plain requests, and how many of them get nothing where no case can be judged by its answer. */
const PLAIN_REQUESTS = 12
const UNANSWERED = 3

const quoted = (bytes: Buffer): string => JSON.stringify(bytes.toString('latin1', 0, SHOWN_BYTES))
const named = (what: string): string => `this server ${what}: nothing can be judged`

/** What came on a connection that was sent so much and no whole request, or undefined. */
export async function early(target: Target, bytes?: Buffer): Promise<Buffer | undefined> {
  let connection: Connection
  try {
    connection = await Connection.connect({ host: target.host, port: target.port, timeoutMs: SILENT_MS })
  } catch (error) {
    if (error instanceof ConnectFailed) return undefined
    throw error
  }
  try {
    if (bytes !== undefined) await connection.write(bytes).catch(() => undefined)
    const come = await connection.waitFor(
      (received, state) => (received.length > 0 || state !== 'open' ? received : undefined),
      EARLY_MS
    )
    return come === undefined || come.length === 0 ? undefined : Buffer.from(come)
  } finally {
    connection.destroy()
  }
}

/** A server that speaks before it can know what it is asked; undefined for one that waits. */
export async function hasty(target: Target, probe: Probe, path: string): Promise<string | undefined> {
  const whole = probe.bytes('GET', path)
  // All but the empty line that ends the head: no server can know that nothing follows.
  const part = whole.subarray(0, whole.length - 2)
  const [unasked, hurried] = await Promise.all([early(target), early(target, part)])
  // The preface of an HTTP/2 server need not wait for the client's (RFC 9113 3.4).
  if (unasked !== undefined && !beginsWithSettings(unasked))
    return named(`sends ${quoted(unasked)} before it is asked`)
  if (hurried === undefined) return undefined
  if (mirrors(hurried, part)) return named('sends back the bytes that it is sent')
  // A refusal of what was sent so far is no haste.
  return /^HTTP\/1\.[01] 2/.test(hurried.toString('latin1', 0, 10))
    ? named(`answers ${quoted(hurried)} before it has read the request`)
    : undefined
}

/** A SETTINGS frame that acknowledges nothing: length, type 4, no flags, stream 0 (RFC 9113 6.5). */
function beginsWithSettings(bytes: Buffer): boolean {
  return bytes.length >= 9 && bytes.readUIntBE(0, 3) % 6 === 0 && bytes.readUIntBE(3, 6) === 0x040000000000
}

function mirrors(received: Buffer, sent: Buffer): boolean {
  const length = Math.min(received.length, sent.length, SHOWN_BYTES)
  return length > 3 && received.subarray(0, length).equals(sent.subarray(0, length))
}

/** Valid requests that have little in common. */
function requests(probe: Probe, path: string, random: RandomStream): { method: string; bytes: Buffer }[] {
  const unknown = `/no-such-path-${random.hex(12)}`
  return [
    { method: 'GET', bytes: probe.bytes('GET', path) },
    { method: 'GET', bytes: probe.bytes('GET', unknown) },
    { method: 'POST', bytes: probe.bytes('POST', path, { body: random.hex(20) }) },
    { method: 'HEAD', bytes: probe.bytes('HEAD', unknown) },
    { method: 'OPTIONS', bytes: probe.bytes('OPTIONS', '*') }
  ]
}

/** Bytes that no reading of any version of HTTP/1 takes for a request. */
function garbage(random: RandomStream): Buffer[] {
  const end = Buffer.from('\r\n\r\n')
  return [
    Buffer.concat([Buffer.from([0x16, 0x03, 0x01, 0x00, 0x9c]), random.bytes(60), end]),
    Buffer.from(`${random.hex(48)}\r\n\r\n`),
    Buffer.from(') \0 ~~\r\n: \x01\x02\r\n\r\n', 'latin1')
  ]
}

/** Asks all of them at the same time, each on a connection of its own. */
function askAll(
  { host, port }: Target,
  messages: readonly { method: string; bytes: Buffer }[],
  timeoutMs: number
): Promise<Reply[]> {
  return Promise.all(
    messages.map(({ method, bytes }) =>
      ask({ host, port, bytes, methods: [method], timeoutMs, waitCloseMs: EARLY_MS })
    )
  )
}

/** A server that answers none of several valid requests in HTTP/1; undefined where one is answered. */
export async function mute(
  target: Target,
  probe: Probe,
  path: string,
  random: RandomStream
): Promise<string | undefined> {
  const messages = requests(probe, path, random)
  const replies = await askAll(target, messages, SILENT_MS)
  if (replies.some(({ responses }) => responses.length > 0)) return undefined
  if (replies.every((reply, i) => mirrors(reply.received, messages[i]!.bytes)))
    return named('sends back the bytes that it is sent')
  const spoke = replies.find(({ received }) => received.length > 0)
  if (spoke !== undefined) return named(`answers ${quoted(spoke.received)}, which is no HTTP/1`)
  const count = (how: Reply['closed']): number =>
    replies.filter(({ failed, closed }) => failed !== 'ECONNRESET' && closed === how).length
  // A reset may come so soon that it is met while connecting.
  const reset = replies.filter(({ failed }) => failed === 'ECONNRESET').length
  if (reset === 0 && replies.every(({ failed, closed }) => failed !== undefined && closed === 'open'))
    return undefined
  if (count('open') === replies.length)
    return named(`takes every request and never answers (waited ${SILENT_MS / 1000} s)`)
  if (count('open') > 0) return named(`answers none of ${replies.length} valid requests`)
  // Which of the two a client meets depends on whether its request was there when the server closed (RFC 9293 3.6.1).
  const ends = `${count('eof')} closed, ${count('reset') + reset} reset`
  return named(`ends every connection without an answer (${ends})`)
}

/**
 * A server that leaves many plain requests unanswered, asked one after the other, and where some get nothing as many at
 * once, with patience; undefined for one that can be relied on.
 * @param enough so many answered at first end it: a server may count what it is asked, and limit it
 * @param since what was asked before, for a server that answered until then
 */
export async function unreliable(
  target: Target,
  probe: Probe,
  path: string,
  { enough, since = '' }: { enough: number; since?: string }
): Promise<string | undefined> {
  let missed = 0
  for (let asked = 1; missed < UNANSWERED; asked++) {
    const { responses } = await probe.get(path)
    if (responses.length === 0) missed += 1
    else if (asked >= PLAIN_REQUESTS || (missed === 0 && asked >= enough)) return undefined
  }
  const message = { method: 'GET', bytes: probe.bytes('GET', path) }
  const replies = await askAll(target, Array<typeof message>(PLAIN_REQUESTS).fill(message), PATIENT_MS)
  const unanswered = replies.filter(({ responses }) => responses.length === 0).length
  return unanswered < UNANSWERED
    ? undefined
    : named(`leaves ${unanswered} of ${PLAIN_REQUESTS} valid requests unanswered${since}`)
}

/** A server that answers the same to everything, be it valid or no request at all; undefined for one that tells them apart. */
export async function uniform(
  target: Target,
  probe: Probe,
  path: string,
  random: RandomStream
): Promise<string | undefined> {
  const valid = await askAll(target, requests(probe, path, random), SILENT_MS)
  const first = valid[0]?.responses[0]
  if (first === undefined) return undefined
  const same = (replies: readonly Reply[]): boolean =>
    replies.every(({ responses }) => responses[0]?.status === first.status)
  if (!same(valid)) return undefined
  const junk = await askAll(
    target,
    garbage(random).map((bytes) => ({ method: 'GET', bytes })),
    GARBAGE_MS
  )
  if (!same(junk)) return undefined
  const closes = valid.every(({ closed }) => closed !== 'open')
  const old = valid.every(({ responses }) => responses[0]?.minor === 0)
  const manner = `${old ? ' in HTTP/1.0' : ''}${closes ? ' and closes' : ''}`
  return isSuccess(first)
    ? named(`answers everything with ${first.status}${manner}, also bytes that are no request`)
    : named(`answers every request with ${first.status}${manner}`)
}
