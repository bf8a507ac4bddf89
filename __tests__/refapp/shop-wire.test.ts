import net from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { converse, ENGINES, type ShopProcess, startShop } from './shop-process.ts'

const get = 'GET /healthz HTTP/1.1\r\nHost: a\r\n'
const post = 'POST /echo HTTP/1.1\r\nHost: a\r\n'
const chunked = 'Transfer-Encoding: chunked\r\n'
const next = 'GET /catalog HTTP/1.1\r\nHost: a\r\n\r\n'
const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

/** Name, bytes, statuses of the answers before the server closes. */
const REFUSED: [string, string, number[]][] = [
  ['garbage', '\x16\x03\x01\x00\xff\x01\r\n\r\n', [400]],
  ['an unknown method', 'FOO / HTTP/1.1\r\nHost: a\r\n\r\n', [400]],
  ['NUL in a field', `${get}X: a\0b\r\n\r\n`, [400]],
  ['a header section of 64 KiB', `${get}X: ${'a'.repeat(65_536)}\r\n\r\n`, [431]],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', [400]],
  ['two Host fields', `${get}Host: a\r\n\r\n${next}`, [400]],
  ['a Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', [400]],
  [
    'Content-Length and Transfer-Encoding',
    `${post}${chunked}Content-Length: 3\r\n\r\n0\r\n\r\n${next}`,
    [400]
  ],
  ['two Content-Length', `${post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, [400]],
  ['a bad chunk size', `${post}${chunked}\r\nzz\r\nabc\r\n0\r\n\r\n${next}`, [400]],
  ['a bad second chunk', `${post}${chunked}\r\n3\r\nabc\r\n-1\r\n${next}`, [400]],
  ['Transfer-Encoding in HTTP/1.0', `POST /echo HTTP/1.0\r\n${chunked}\r\n0\r\n\r\n${next}`, [400]],
  ['garbage behind a request', `${get}\r\nGARBAGE\r\n\r\n`, [200, 400]],
  ['garbage behind a body', `${post}Content-Length: 3\r\n\r\nabcGARBAGE /\r\n\r\n`, [200, 400]],
  ['a Content-Length past the limit', `${post}Content-Length: 99999999\r\n\r\nabc`, [413]],
  [
    'an expected body past the limit',
    `${post}Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n`,
    [413]
  ],
  [
    'chunks past the limit',
    `${post}${chunked}\r\n${`100000\r\n${'x'.repeat(0x100000)}\r\n`.repeat(9)}0\r\n\r\n`,
    [413]
  ],
  ['CONNECT', 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n', [405]],
  ['a WebSocket handshake without key', `GET /ws HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`, [400]],
  ['a WebSocket handshake without Host', `GET /ws HTTP/1.1\r\n${upgrade}${key}\r\n`, [400]],
  ['a WebSocket handshake in HTTP/1.0', `GET /ws HTTP/1.0\r\nHost: a\r\n${upgrade}${key}\r\n`, [426]],
  ['an offer of h2c', `${get}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n${next}`, [200]]
]

describe.each(ENGINES)('shop on %s, byte by byte', (engine) => {
  let shop: ShopProcess
  beforeAll(async () => {
    shop = await startShop(engine)
  })
  afterAll(async () => {
    await shop.stop()
  })

  test.each(REFUSED)('answers %s and closes', async (_, bytes, statuses) => {
    const conversation = await converse(shop.port, bytes)
    expect(conversation.statuses).toEqual(statuses)
    expect(conversation.closed).toBe(true)
  })

  test('survives all of them, cut into pieces and cut off', async () => {
    const { panic_count: before } = await shop.vars()
    for (const [, bytes] of REFUSED) {
      const some = bytes.slice(0, 2_000)
      if (some === bytes) await converse(shop.port, some, 1, 7)
      const socket = net.connect({ host: '127.0.0.1', port: shop.port })
      socket.on('error', () => undefined)
      await new Promise<void>((sent) => socket.write(some.slice(0, some.length / 2), () => sent()))
      socket.resetAndDestroy()
    }
    // The listener has let go of a socket a moment before its end is counted.
    const vars = await shop.until(
      (now) => now.connections_active === 0 && now.connections_accepted_total === now.connections_closed_total
    )
    expect(vars.panic_count).toBe(before)
    expect(vars.responses_5xx).toBe(0)
    expect(shop.errors()).toBe('')
    expect(shop.child.exitCode).toBeNull()
  })

  test('answers pipelined requests in order, in any pieces', async () => {
    const bytes = `${post}Content-Length: 3\r\n\r\nabc${get}\r\n${post}${chunked}\r\n3\r\nxyz\r\n0\r\n\r\n`
    for (const piece of [0, 1, 5]) {
      const { text, statuses } = await converse(shop.port, bytes, 3, piece)
      expect(statuses).toEqual([200, 200, 200])
      const order = ['"body":"YWJj"', '{"status":"ok"}', '"body":"eHl6"'].map((part) => text.indexOf(part))
      expect(order).toEqual([...order].sort((a, b) => a - b))
      expect(order).not.toContain(-1)
    }
  })

  test('asks for a body that is held back', async () => {
    const { text } = await converse(
      shop.port,
      `${post}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
      1
    )
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  })

  test('takes the absolute form and the asterisk', async () => {
    expect(
      (await converse(shop.port, 'GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n', 1)).statuses
    ).toEqual([200])
    expect((await converse(shop.port, 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 1)).statuses).toEqual([204])
  })
})
