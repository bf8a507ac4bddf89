import { createHash } from 'node:crypto'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { createFeed } from './feed.js'
import { createStore } from './store.js'

const MAX_BODY = 8 * 1024 * 1024
const MAX_VALUE = 64 * 1024
const MAX_MESSAGE = 16 * 1024 * 1024
const MAX_BACKLOG = 4 * 1024 * 1024
const PING_INTERVAL = 15_000

const oneKilobyte = {
  items: Array.from({ length: 21 }, (_, index) => ({
    id: index + 1,
    name: `Item ${String(index + 1).padStart(2, '0')}`,
    price: 101 + index,
    stock: (index + 1) % 10
  }))
}

/** The application with all routes, not yet listening. */
export async function createApp() {
  const stats = { accepted: 0, closed: 0, requests: 0, responses5xx: 0, panics: 0 }
  const app = Fastify({
    bodyLimit: MAX_BODY,
    requestTimeout: 30_000,
    keepAliveTimeout: 10_000,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 1_000 },
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 256 }
  })
  const feed = createFeed()
  const store = createStore()
  const sockets = new Set()
  let stopping = false

  app.server.on('connection', (socket) => {
    stats.accepted++
    sockets.add(socket)
    socket.once('close', () => {
      stats.closed++
      sockets.delete(socket)
    })
  })
  app.addHook('onRequest', async () => void stats.requests++)
  app.addHook('onSend', async (request, reply) => {
    if (stopping) reply.header('connection', 'close')
  })
  app.addHook('onResponse', async (request, reply) => void (reply.statusCode >= 500 && stats.responses5xx++))
  app.setErrorHandler((error, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) {
      stats.panics++
      console.error(error)
    }
    return reply.code(status).send({ error: status >= 500 ? 'internal error' : error.message })
  })
  app.setNotFoundHandler((request, reply) => reply.code(404).send({ error: 'not found' }))

  // Every body is taken as bytes; no route of the contract wants a parsed one.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => done(null, body))

  await app.register(websocket, {
    options: { maxPayload: MAX_MESSAGE, perMessageDeflate: false },
    preClose(done) {
      for (const client of this.websocketServer.clients) client.close(1001, 'server stops')
      this.websocketServer.close(done)
    }
  })
  const heartbeat = setInterval(() => {
    for (const client of app.websocketServer.clients) {
      if (client.silent) client.terminate()
      else {
        client.silent = true
        client.ping()
      }
    }
  }, PING_INTERVAL)
  heartbeat.unref()

  // Fastify answers a known path with another method by 404; the contract wants 405 with Allow.
  const allowed = new Map()
  app.addHook('onRoute', ({ url, method }) => {
    if (method === undefined) return
    allowed.set(url, new Set([...(allowed.get(url) ?? []), ...[method].flat()]))
  })

  app.get('/', async (request, reply) => reply.type('text/plain; charset=utf-8').send('Hello, World!'))
  app.get('/json', async () => ({ message: 'Hello, World!' }))
  app.get('/json-1k', async () => oneKilobyte)
  app.get('/healthz', async () => ({ status: 'ok' }))
  app.get('/users/:id', async (request, reply) => {
    const { id } = request.params
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) return reply.code(400).send({ error: 'bad id' })
    return { id, name: `User ${id}` }
  })
  app.post('/upload', async (request) => {
    const body = request.body ?? Buffer.alloc(0)
    return { bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') }
  })
  app.all('/echo', async (request) => {
    const raw = request.raw.rawHeaders
    return {
      method: request.method,
      target: request.raw.url,
      headers: Array.from({ length: raw.length / 2 }, (_, index) => [raw[2 * index], raw[2 * index + 1]]),
      body: (request.body ?? Buffer.alloc(0)).toString('base64')
    }
  })

  app.get('/kv/:key', async (request, reply) => {
    const value = store.get(request.params.key)
    if (value === undefined) return reply.code(404).send({ error: 'not found' })
    return reply.type('application/octet-stream').send(value)
  })
  app.put('/kv/:key', { bodyLimit: MAX_VALUE }, async (request, reply) => {
    const { key } = request.params
    if (!/^[A-Za-z0-9._~-]{1,128}$/.test(key)) return reply.code(400).send({ error: 'bad key' })
    const created = store.put(key, request.body ?? Buffer.alloc(0))
    return reply.code(created ? 201 : 204).send()
  })
  app.delete('/kv/:key', async (request, reply) => {
    if (!store.delete(request.params.key)) return reply.code(404).send({ error: 'not found' })
    return reply.code(204).send()
  })

  app.get('/events', (request, reply) => {
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
    if (request.method === 'HEAD') return reply.headers(headers).send()
    reply.hijack()
    reply.raw.writeHead(200, headers)
    feed.subscribe(reply.raw, request.headers['last-event-id'])
  })

  app.route({
    method: 'GET',
    url: '/ws',
    handler: async (request, reply) =>
      reply
        .code(426)
        .headers({ connection: 'Upgrade', upgrade: 'websocket' })
        .send({ error: 'WebSocket only' }),
    wsHandler(socket) {
      if (stopping) return socket.close(1001)
      socket.on('pong', () => (socket.silent = false))
      socket.on('error', () => undefined)
      socket.on('message', (data, isBinary) => {
        socket.send(data, { binary: isBinary }, () => {
          if (socket.isPaused && socket.bufferedAmount <= MAX_BACKLOG / 2) socket.resume()
        })
        if (socket.bufferedAmount > MAX_BACKLOG) socket.pause()
      })
    }
  })

  for (const [url, methods] of [...allowed]) {
    const others = app.supportedMethods.filter((method) => !methods.has(method))
    if (others.length === 0) continue
    const allow = [...methods].join(', ')
    app.route({
      method: others,
      url,
      handler: async (request, reply) =>
        reply.code(405).header('allow', allow).send({ error: 'method not allowed' })
    })
  }
  await app.ready()

  return {
    app,
    stats,
    feed,
    stop() {
      stopping = true
      clearInterval(heartbeat)
      feed.close()
      store.close()
      // Connections on which nothing was ever received would be waited for.
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    }
  }
}
