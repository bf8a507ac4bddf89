import http2 from 'node:http2'
import net from 'node:net'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { converse, type ShopProcess, startShop } from './shop-process.ts'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const SETTINGS = '\x00\x00\x00\x04\x00\x00\x00\x00\x00'
/** HEADERS with END_STREAM and END_HEADERS: GET, http, /healthz without indexing, authority a. */
const HEADERS = `\x00\x00\x0f\x01\x05\x00\x00\x00\x01\x82\x86\x04\x08/healthz\x01\x01a`

let shop: ShopProcess
beforeAll(async () => {
  shop = await startShop('node-http2')
})
afterAll(async () => {
  await shop.stop()
})

interface Answer {
  status: number
  headers: http2.IncomingHttpHeaders
  body: string
}

function ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined })
    let answer: Answer | undefined
    let text = ''
    stream.on('response', (received) => {
      answer = { status: Number(received[':status']), headers: received, body: '' }
    })
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => (text += chunk))
    stream.on('error', reject)
    stream.on('close', () => {
      if (answer === undefined) reject(new Error('no answer'))
      else resolve({ ...answer, body: text })
    })
    if (body !== undefined) stream.end(body)
  })
}

function withSession<T>(work: (session: http2.ClientHttp2Session) => Promise<T>): Promise<T> {
  const session = http2.connect(shop.base)
  return work(session).finally(() => session.destroy())
}

test('serves the same routes over HTTP/2 with prior knowledge', () =>
  withSession(async (session) => {
    const echo = await ask(
      session,
      { ':method': 'POST', ':path': '/echo?x', 'x-name': 'v' },
      Buffer.from('body')
    )
    expect(echo.status).toBe(200)
    const seen = JSON.parse(echo.body) as {
      method: string
      target: string
      headers: string[][]
      body: string
    }
    expect(seen).toMatchObject({
      method: 'POST',
      target: '/echo?x',
      body: Buffer.from('body').toString('base64')
    })
    expect(seen.headers).toContainEqual(['x-name', 'v'])
    expect(seen.headers[0]).toEqual(['host', `127.0.0.1:${shop.port}`])

    const login = await ask(
      session,
      { ':method': 'POST', ':path': '/login', 'content-type': 'application/json' },
      Buffer.from('{"user":"ada","password":"p"}')
    )
    const cookie = login.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
    const created = await ask(
      session,
      { ':method': 'POST', ':path': '/carts', 'content-type': 'application/json', cookie },
      Buffer.from('{"name":"over h2"}')
    )
    expect(created.status).toBe(201)
    // One store behind both protocols.
    const read = `GET ${String(created.headers.location)} HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\n\r\n`
    expect((await converse(shop.port, read, 1)).text).toContain('"name":"over h2"')

    expect((await ask(session, { ':path': '/nothing' })).status).toBe(404)
    expect((await ask(session, { ':method': 'DELETE', ':path': '/catalog' })).headers.allow).toBe(
      'GET, HEAD, OPTIONS'
    )
    expect(await ask(session, { ':method': 'HEAD', ':path': '/catalog' })).toMatchObject({
      status: 200,
      body: ''
    })
    expect((await ask(session, { ':path': '/ws' })).status).toBe(400)
    const large = await ask(session, { ':method': 'POST', ':path': '/upload' }, Buffer.alloc(8 << 20))
    expect(JSON.parse(large.body)).toMatchObject({ bytes: 8 << 20 })
    const declared = { ':method': 'POST', ':path': '/upload', 'content-length': 99_999_999 }
    const stream = session.request(declared)
    stream.on('error', () => undefined)
    const refused = await new Promise<http2.IncomingHttpHeaders>((resolve) =>
      stream.once('response', resolve)
    )
    expect(refused[':status']).toBe(413)
    const many = await Promise.all(Array.from({ length: 300 }, () => ask(session, { ':path': '/healthz' })))
    expect(many.every(({ status }) => status === 200)).toBe(true)
  }))

test('streams events over HTTP/2 and forgets a stream that is called off', () =>
  withSession(async (session) => {
    const stream = session.request({ ':path': '/events' })
    stream.on('error', () => undefined)
    stream.setEncoding('utf8')
    let text = ''
    await new Promise<void>((resolve) => {
      stream.on('data', (chunk: string) => {
        text += chunk
        if (/^id: \d+$/m.test(text)) resolve()
      })
    })
    expect(await shop.vars()).toMatchObject({ sse_subscribers: 1, http2_sessions: 1 })
    stream.close(http2.constants.NGHTTP2_CANCEL)
    await shop.until((vars) => vars.sse_subscribers === 0)
    expect((await ask(session, { ':path': '/healthz' })).status).toBe(200)
  }))

function receive(
  bytes: string,
  pieces: (bytes: string) => string[],
  enough: (text: string) => boolean
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port: shop.port, noDelay: true })
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (!enough(text)) return
      socket.destroy()
      resolve(text)
    })
    socket.on('error', reject)
    socket.on('end', () => reject(new Error(`closed after ${JSON.stringify(text)}`)))
    void (async () => {
      for (const piece of pieces(bytes)) {
        await new Promise<void>((sent) => socket.write(piece, 'latin1', () => sent()))
        await new Promise((next) => setTimeout(next, 1))
      }
    })().catch(reject)
  })
}

const answered = (text: string): boolean => text.includes('{"status":"ok"}')

test('takes the preface byte by byte, and cut at every place', async () => {
  const bytes = PREFACE + SETTINGS + HEADERS
  await receive(bytes, (all) => [...all], answered)
  for (let cut = 0; cut <= PREFACE.length; cut++) {
    await receive(
      bytes,
      (all) => [all.slice(0, cut), all.slice(cut)].filter((piece) => piece !== ''),
      answered
    )
  }
  await receive(bytes, (all) => [all], answered)
})

test('takes HTTP/1 whose first bytes look like the preface', async () => {
  const post = 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'
  const put = 'PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'
  for (const piece of [0, 1, 2]) {
    expect((await converse(shop.port, post, 1, piece)).statuses).toEqual([200])
    expect((await converse(shop.port, put, 1, piece)).statuses).toEqual([200])
  }
  const almost = await converse(shop.port, 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n')
  expect(almost).toMatchObject({ statuses: [400], closed: true })
})

test('closes the connection after a broken frame', async () => {
  for (const broken of [
    'garbage garbage garbage',
    SETTINGS.replace('\x04', '\x00'),
    `\xff\xff\xff\x00${'\x00'.repeat(5)}`
  ]) {
    expect((await converse(shop.port, PREFACE + broken)).closed).toBe(true)
  }
  const vars = await shop.until((now) => now.connections_active === 0)
  expect(vars).toMatchObject({ panic_count: 0, http2_sessions: 0 })
  expect(shop.errors()).toBe('')
})

test('closes connections whose client says GOAWAY and keeps its side open', async () => {
  const { connections_accepted_total: before = 0 } = await shop.vars()
  const goaway = (code: string): string => `\x00\x00\x08\x07\x00${'\x00'.repeat(11)}${code}`
  const events = HEADERS.replace('\x0f', '\x0e').replace('\x08/healthz', '\x07/events')
  const sockets = [goaway('\x00'), HEADERS + goaway('\x00'), goaway('\x01'), events + goaway('\x01')].map(
    (bytes) => {
      const socket = net.connect({ host: '127.0.0.1', port: shop.port, allowHalfOpen: true })
      socket.on('error', () => undefined).resume()
      socket.write(PREFACE + SETTINGS + bytes, 'latin1')
      return socket
    }
  )
  await shop.until(
    (now) => (now.connections_accepted_total ?? 0) >= before + 4 && now.connections_active === 0
  )
  for (const socket of sockets) socket.destroy()
  expect(await shop.vars()).toMatchObject({ panic_count: 0, http2_sessions: 0, sse_subscribers: 0 })
  expect(shop.errors()).toBe('')
})

test('says GOAWAY when it stops and finishes the streams that run', async () => {
  const own = await startShop('node-http2')
  const session = http2.connect(own.base)
  const goaway = new Promise<number>((resolve) => session.once('goaway', resolve))
  const stream = session.request({ ':method': 'POST', ':path': '/upload' }, { endStream: false })
  stream.write('abc')
  await own.until((vars) => vars.requests_total === 1)
  own.child.kill('SIGTERM')
  expect(await goaway).toBe(0)
  stream.end('def')
  let body = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream) body += String(chunk)
  expect(JSON.parse(body)).toMatchObject({ bytes: 6 })
  expect(await own.ended).toEqual({ code: 0, signal: null })
  session.destroy()
})
