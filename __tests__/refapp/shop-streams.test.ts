import http from 'node:http'
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { WebSocket } from 'ws'
import { ENGINES, type ShopProcess, startShop } from './shop-process.ts'

function openSocket(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
    perMessageDeflate: false,
    maxPayload: 32 << 20
  })
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
  })
}

const closeCode = (socket: WebSocket): Promise<number> =>
  new Promise((resolve) => socket.once('close', (code) => resolve(code)))

/** Reads the event stream until `count` events have come, then leaves; how says in what way. */
function subscribe(
  port: number,
  count: number,
  lastEventId?: number,
  how: 'reset' | 'end' = 'end'
): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const headers = lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }
    const request = http.get(
      { host: '127.0.0.1', port, path: '/events', headers, agent: false },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('error', () => undefined)
        response.on('data', (chunk: string) => {
          text += chunk
          const ids = [...text.matchAll(/^id: (\d+)\nevent: \w+\ndata: \{.*\}\n\n/gm)].map((match) =>
            Number(match[1])
          )
          if (ids.length < count) return
          if (how === 'reset') request.socket?.resetAndDestroy()
          request.destroy()
          resolve(ids)
        })
      }
    )
    request.on('error', reject)
  })
}

describe.each(ENGINES)('streams of the shop on %s', (engine) => {
  let shop: ShopProcess
  beforeAll(async () => {
    shop = await startShop(engine)
  })
  afterAll(async () => {
    await shop.stop()
  })

  test('echoes text and binary messages byte by byte', async () => {
    const socket = await openSocket(shop.port)
    const messages: [Buffer, boolean][] = []
    const received = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer, isBinary) => {
        messages.push([data, isBinary])
        if (messages.length === 3) resolve()
      })
    })
    const binary = Buffer.from(Array.from({ length: 1 << 20 }, (_, index) => (index * 7) % 251))
    const text = 'é'.repeat(1 << 19)
    socket.send('short')
    socket.send(binary)
    socket.send(text)
    await received
    expect(messages.map(([, isBinary]) => isBinary)).toEqual([false, true, false])
    expect(messages[1]?.[0].equals(binary)).toBe(true)
    expect(messages[2]?.[0].toString()).toBe(text)
    socket.close()
    await closeCode(socket)
    await shop.until((vars) => vars.ws_connections === 0)
  })

  test('closes a WebSocket with 1009 past 16 MiB and with 1007 for bad text', async () => {
    const large = await openSocket(shop.port)
    large.send(Buffer.alloc((16 << 20) + 1))
    expect(await closeCode(large)).toBe(1009)
    const bad = await openSocket(shop.port)
    bad.send(Buffer.from([0xc0, 0x80]), { binary: false })
    expect(await closeCode(bad)).toBe(1007)
  })

  test('stops reading from a WebSocket client that does not read', async () => {
    const socket = await openSocket(shop.port)
    socket.pause()
    for (let index = 0; index < 64; index++) socket.send(Buffer.alloc(1 << 20))
    await shop.until((vars) => vars.ws_connections === 1)
    const message = new Promise<number>((resolve) => {
      let count = 0
      socket.on('message', () => ++count === 64 && resolve(count))
    })
    // Not everything can be on its way while the client does not read.
    expect(socket.bufferedAmount).toBeGreaterThan(0)
    socket.resume()
    expect(await message).toBe(64)
    socket.terminate()
  })

  test('resumes the event stream without a gap or a double', async () => {
    const ids = await subscribe(shop.port, 2)
    for (const how of ['reset', 'end', 'reset'] as const) {
      await new Promise((resolve) => setTimeout(resolve, 450))
      ids.push(...(await subscribe(shop.port, 3, ids.at(-1), how)))
    }
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, index) => (ids[0] ?? 0) + index))
    const { sse_events_total: total = 0 } = await shop.vars()
    for (const unknown of [total + 1_000_000, -1, Number.NaN]) {
      const [first = 0] = await subscribe(shop.port, 1, unknown)
      expect(first).toBeGreaterThan(total)
    }
  })

  test('forgets subscribers that died at any moment', async () => {
    const head = 'GET /events HTTP/1.1\r\nHost: a\r\n\r\n'
    for (const die of ['at once', 'after the head', 'by FIN'] as const) {
      const sockets = Array.from({ length: 10 }, () => net.connect({ host: '127.0.0.1', port: shop.port }))
      for (const socket of sockets) {
        socket.on('error', () => undefined)
        await new Promise<void>((sent) => socket.write(head, () => sent()))
        if (die !== 'at once') await new Promise<void>((came) => socket.once('data', () => came()))
        if (die === 'by FIN') socket.end()
        else socket.resetAndDestroy()
      }
      await shop.until((vars) => vars.sse_subscribers === 0 && vars.connections_active === 0)
      for (const socket of sockets) socket.destroy()
    }
  })

  test('says so in the head of the event stream', async () => {
    const response = await fetch(`${shop.base}/events`, { method: 'HEAD' })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const refused = await fetch(`${shop.base}/events`, { headers: { accept: 'application/json' } })
    expect(refused.status).toBe(406)
  })
})

test.each(ENGINES)('%s stops gracefully', async (engine) => {
  const shop = await startShop(engine)
  const socket = await openSocket(shop.port)
  const closed = closeCode(socket)
  const events = await fetch(`${shop.base}/events`)
  const open = (bytes: string): { socket: net.Socket; text: () => string; done: Promise<void> } => {
    const raw = net.connect({ host: '127.0.0.1', port: shop.port })
    let text = ''
    raw.on('data', (chunk) => (text += String(chunk)))
    raw.on('error', () => undefined)
    raw.write(bytes)
    return {
      socket: raw,
      text: () => text,
      done: new Promise((resolve) => raw.once('close', () => resolve()))
    }
  }
  const inFlight = open('POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc')
  const idle = open('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
  const silent = open('')
  await shop.until((vars) => vars.connections_active === 5 && vars.requests_total === 4)

  shop.child.kill('SIGTERM')
  expect(await closed).toBe(1001)
  expect(await events.text()).toMatch(/^retry: 1000\n\n/)
  await Promise.all([idle.done, silent.done])
  const refused = new Promise((resolve) => {
    net
      .connect({ host: '127.0.0.1', port: shop.port })
      .once('error', (error) => resolve((error as { code?: string }).code))
  })
  expect(await refused).toBe('ECONNREFUSED')
  inFlight.socket.write('def')
  await inFlight.done
  expect(inFlight.text()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*connection: close[^]*\{"bytes":6,/i)
  expect(await shop.ended).toEqual({ code: 0, signal: null })
})
