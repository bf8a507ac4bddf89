/** The opening handshake (RFC 6455 4), well-formed or changed by a case. */
import { createHash } from 'node:crypto'
import type { HttpResponse } from '../../../wire/http1.ts'
import type { Connection } from '../../../wire/tcp.ts'
import { agreementOf, parseExtensions, type Agreement } from '../../../wire/websocket-deflate.ts'
import type { WsHandshakeCase } from '../../catalogue/ws/index.ts'
import type { Bench } from '../proof/bench.ts'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export const acceptOf = (key: string): string =>
  createHash('sha1')
    .update(key + GUID)
    .digest('base64')

/** What came of a handshake. */
export type Handshake =
  | { kind: 'upgraded'; response: HttpResponse; rest: Buffer }
  | { kind: 'refused'; response: HttpResponse }
  | { kind: 'failed'; how: 'eof' | 'timeout' | 'reset' | 'other'; what: string }

/** What a case changes of a plain handshake. */
export type Change = Pick<WsHandshakeCase, 'fields' | 'method' | 'version' | 'body' | 'filler'>

/** Bytes of a handshake with the case's changes. */
export function handshakeBytes(bench: Bench, path: string, key: string, change?: Change): Buffer {
  const fields: Record<string, string | null | readonly string[]> = {
    Host: bench.context.target.authority,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': key,
    Origin: `http://${bench.context.target.authority}`,
    ...change?.fields,
    ...Object.fromEntries(Array.from({ length: change?.filler ?? 0 }, (_, i) => [`X-${i}`, String(i)]))
  }
  const lines = Object.entries(fields).flatMap(([name, value]) => {
    if (value === null) return []
    return [value]
      .flat()
      .map(
        (one) => `${name}: ${one.replace(/\{(\d+) blanks\}/, (_, n: string) => ' '.repeat(Number(n)))}\r\n`
      )
  })
  const head = `${change?.method ?? 'GET'} ${path} HTTP/${change?.version ?? '1.1'}\r\n${lines.join('')}\r\n`
  return Buffer.from(head + (change?.body ?? ''), 'latin1')
}

/** Reads the answer to a handshake that was sent. */
export async function readHandshake(
  bench: Bench,
  connection: Connection,
  method = 'GET'
): Promise<Handshake> {
  const parsed = await bench.responses(connection, [method])
  const response = parsed.responses[0]
  if (response?.status === 101) {
    // What follows the head of the 101 is frames, not HTTP.
    const consumed = connection.received.length - parsed.rest.length
    connection.consume(consumed)
    return { kind: 'upgraded', response, rest: connection.received }
  }
  if (response !== undefined) return { kind: 'refused', response }
  if (parsed.error !== undefined && parsed.error.rule !== 'truncated')
    return { kind: 'failed', how: 'other', what: parsed.error.message }
  if (connection.state === 'eof') return { kind: 'failed', how: 'eof', what: 'closed without an answer' }
  if (connection.state === 'reset') return { kind: 'failed', how: 'reset', what: 'reset without an answer' }
  return { kind: 'failed', how: 'timeout', what: `no answer within ${bench.patienceMs} ms` }
}

/** What is wrong with a 101 to a handshake with this key, or undefined (RFC 6455 4.2.2). */
export function wrongWith(
  response: HttpResponse,
  key: string,
  offered: { extensions: string; protocols: string }
): string | undefined {
  if (response.header('sec-websocket-accept') !== acceptOf(key)) {
    return `Sec-WebSocket-Accept is ${response.header('sec-websocket-accept') ?? 'missing'}, not ${acceptOf(key)}`
  }
  if (!/^websocket$/i.test(response.header('upgrade') ?? ''))
    return `Upgrade is ${response.header('upgrade') ?? 'missing'}`
  if (!/(^|,)\s*upgrade\s*(,|$)/i.test(response.header('connection') ?? ''))
    return `Connection is ${response.header('connection') ?? 'missing'}`
  const names = (list: string): string[] => parseExtensions(list).map(({ name }) => name)
  const extension = names(response.headerValues('sec-websocket-extensions').join(',')).find(
    (name) => !names(offered.extensions).includes(name)
  )
  if (extension !== undefined) return `the extension "${extension}" was not offered`
  const agreed = agreementIn(response, offered.extensions)
  if (typeof agreed === 'string') return agreed
  const protocol = response.header('sec-websocket-protocol')
  if (protocol !== undefined && !names(offered.protocols).includes(protocol))
    return `the subprotocol "${protocol}" was not offered`
  return undefined
}

/** The compression that a 101 settles; undefined without, words where the answer does not fit the offer. */
export function agreementIn(response: HttpResponse, offer: string): Agreement | string | undefined {
  return agreementOf(offer, response.headerValues('sec-websocket-extensions').join(','))
}
