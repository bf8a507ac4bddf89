import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, expect, test } from '@jest/globals'
import { InfraError } from '../../../src/kit/errors.ts'
import { RandomStreams } from '../../../src/kit/random.ts'
import type { RouteMap } from '../../../src/target/types.ts'
import type { Capabilities } from '../../../src/validate/contracts.ts'
import { preflight } from '../../../src/validate/preflight/index.ts'
import { startFixture } from '../../fixture/server.ts'
import { attachedTo } from '../../fixture/stand.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

const look = (port: number, routes: RouteMap = {}): Promise<Capabilities> =>
  preflight(attachedTo('127.0.0.1', port, routes), {
    random: new RandomStreams('0x1'),
    signal: new AbortController().signal
  })

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.push(() => server.close())
  return (server.address() as AddressInfo).port
}

async function http(listener: RequestListener): Promise<number> {
  const server = createHttp(listener)
  ends.push(() => server.closeAllConnections())
  return listen(server)
}

async function fixture(bugs: string[] = [], routes: RouteMap = {}): Promise<Capabilities> {
  const server = await startFixture(bugs)
  ends.push(() => server.close())
  return look(server.port, routes)
}

test('a server that keeps the rules: routes found, habits learned', async () => {
  const seen = await fixture()
  expect(seen.routes.get).toMatchObject({ path: '/', declared: false })
  expect(seen.routes.get?.seen).toContain('closes after Connection: close')
  expect(seen.routes.health?.path).toBe('/healthz')
  expect(seen.routes.echo).toMatchObject({
    path: '/echo',
    seen: 'POST /echo: method, target, fields and body came back'
  })
  expect(seen.routes.upload?.path).toBe('/upload')
  expect(seen).toMatchObject({
    http1: true,
    keepAlive: true,
    pipelining: true,
    chunked: true,
    readsBody: true,
    statusTransparent: true,
    head: true,
    continue100: true
  })
  expect(seen.baselineMs).toBeGreaterThan(0)
})

test('a declared route is tried alone, and what it did instead stands in missing', async () => {
  const seen = await fixture([], { echo: '/upload', sse: '/', post: '/no', health: '/healthz' })
  expect(seen.routes.health).toMatchObject({ path: '/healthz', declared: true })
  expect(seen.missing.echo).toBe('declared, but POST /upload: 200, not an echo of the request')
  expect(seen.missing.sse).toBe('declared, but GET /: 200, no text/event-stream')
  expect(seen.missing.post).toBe('declared, but POST /no: 404')
  expect(seen.routes.echo).toBeUndefined()
})

test.each([
  ['h1-answers-early', { readsBody: false }],
  ['h1-errors-as-200', { statusTransparent: false }],
  ['h1-400-to-all', { http1: true, keepAlive: false }],
  ['h1-never-answers', { http1: false }],
  ['h1-closes-at-once', { http1: false }],
  ['h1-speaks-first', { http1: false }]
])('%s gives %j', async (bug, expected) => {
  expect(await fixture([bug])).toMatchObject(expected)
})

test('every kind that is not found says why', async () => {
  const { routes, missing } = await fixture(['h1-speaks-first'])
  expect(routes).toEqual({})
  expect(missing.get).toContain('before it is asked')
  expect(Object.keys(missing).sort()).toEqual(['echo', 'get', 'h2c', 'health', 'post', 'sse', 'upload', 'ws'])
})

test('a server that closes after each answer keeps nothing alive', async () => {
  const port = await http((_, response) => {
    response.setHeader('Connection', 'close')
    response.end('ok')
  })
  expect(await look(port)).toMatchObject({ keepAlive: false, pipelining: false, statusTransparent: false })
})

test('a POST route that takes JSON only is found', async () => {
  const port = await http((request, response) => {
    request.resume().on('end', () => {
      const json = request.headers['content-type'] === 'application/json'
      response.statusCode = request.method === 'POST' && !json ? 415 : 200
      response.end('ok')
    })
  })
  const seen = await look(port, { post: '/api/things' })
  expect(seen.routes.post?.seen).toBe('POST /api/things of application/json: 200')
  expect(seen).toMatchObject({ chunked: true, readsBody: true })
})

test('an event stream says whether something comes', async () => {
  const port = await http((request, response) => {
    if (request.url === '/') return void response.end('ok')
    response.writeHead(request.url === '/live' || request.url === '/quiet' ? 200 : 404, {
      'Content-Type': 'text/event-stream'
    })
    response.flushHeaders()
    if (request.url === '/live') response.write('data: 1\n\n')
    if (request.url !== '/live' && request.url !== '/quiet') response.end()
  })
  expect((await look(port, { sse: '/live' })).routes.sse?.seen).toContain('something comes')
  expect((await look(port, { sse: '/quiet' })).routes.sse?.seen).toContain('nothing comes')
})

test('a port of HTTP/2 alone', async () => {
  const server = createHttp2()
  const port = await listen(server)
  const seen = await look(port)
  expect(seen).toMatchObject({
    http1: false,
    h2cPrior: true,
    h2cUpgrade: false,
    routes: { h2c: { path: '/' } }
  })
  // It sends its SETTINGS at once, as it may.
  expect(seen.nature).toBeUndefined()
})

test('a port that speaks something else', async () => {
  const port = await listen(
    createServer((socket) => void socket.on('error', () => undefined).end('220 mail\r\n'))
  )
  const seen = await look(port)
  expect(seen).toMatchObject({ http1: false, h2cPrior: false })
  expect(seen.missing.get).toContain('220 mail')
})

test('nothing listens: ours or the machine, never a finding', async () => {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  await expect(look(port)).rejects.toBeInstanceOf(InfraError)
})
