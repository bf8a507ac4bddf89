/**
 * A small store with sessions, for the walkers. The engine's name is the rule that it breaks; `strict` breaks none.
 * It speaks the refapp contract.
 */
import { closeSync, openSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

const bug = process.argv[process.argv.indexOf('-engine') + 1] ?? 'strict'
const items = new Map<string, { name: string; owner: string }>()
const sessions = new Map<string, string>()
let made = 0
let requests = 0
let panics = 0
const leaked: unknown[] = []
let previous = ''

function reply(response: ServerResponse, status: number, value?: unknown): void {
  const body = value === undefined ? '' : JSON.stringify(value)
  response.writeHead(
    status,
    status === 204 ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  )
  response.end(body)
}

/** An answer in gzip, as the client takes it; `miscodes` says so of plain text. */
function replyCoded(response: ServerResponse, value: unknown): void {
  const text = JSON.stringify(value)
  const body = bug === 'miscodes' ? Buffer.from(text) : gzipSync(text)
  response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length })
  response.end(body)
}

function handle(request: IncomingMessage, response: ServerResponse, body: string): void {
  requests += 1
  const url = request.url ?? '/'
  const cookie = /sid=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? ''
  const owner = sessions.get(cookie)
  if (url === '/healthz') {
    if (bug === 'leaks-memory-by-read') kept.push(Buffer.alloc(40_000, 1))
    if (bug === 'leaks-descriptors-by-read' && requests % 20 === 0) openSync('/dev/null', 'r')
    return reply(response, bug === 'sick' ? 503 : 200, { ok: true })
  }
  if (url === '/notes') {
    // What is written is kept: a store, no leak.
    kept.push(Buffer.alloc(40_000, 1))
    return reply(response, 201, { ok: true })
  }
  if (url === '/login') {
    const { user } = JSON.parse(body) as { user: string }
    const id = `s${(made += 1)}`
    sessions.set(id, user)
    response.setHeader('set-cookie', `sid=${id}; Path=/; HttpOnly`)
    return reply(response, 200, { user })
  }
  if (owner === undefined) {
    response.setHeader('www-authenticate', 'Session realm="keeper"')
    return reply(response, 401, { error: 'no session' })
  }
  if (bug === 'forgets-sessions' && requests % 3 === 0) sessions.delete(cookie)
  if (url === '/items' && request.method === 'POST') {
    const { name } = JSON.parse(body) as { name: string }
    const id = `i${(made += 1)}`
    if (bug !== 'lost-write' || made % 5 !== 0)
      items.set(id, { name: bug === 'stale-write' && made % 5 === 0 ? 'old' : name, owner })
    if (bug !== 'hides-location') response.setHeader('location', `/items/${id}`)
    if (bug === 'hides-token') return reply(response, 201, { id, name: 'something' })
    return reply(response, 201, { id, name })
  }
  const id = /^\/items\/(\w+)$/.exec(url)?.[1]
  const item = id === undefined ? undefined : items.get(id)
  if (id === undefined || item === undefined) return reply(response, 404, { error: 'none' })
  if (request.method === 'DELETE') {
    items.delete(id)
    return reply(response, 204)
  }
  if (bug === 'throws' && requests % 20 === 0) {
    panics += 1
    return reply(response, 500, { error: 'x' })
  }
  if (bug === 'odd-status' && requests % 10 === 0) return reply(response, 202, item)
  if (bug === 'cross-talk' && requests % 20 === 0 && previous !== '')
    return reply(response, 200, { ...item, note: previous })
  // A response that waits behind another has no socket yet.
  if (bug === 'bad-framing' && requests % 50 === 0 && response.socket !== null) {
    response.socket.write('HTTP/1.1 200 OK\r\nX-Bad : 1\r\nContent-Length: 2\r\n\r\n{}')
    return
  }
  if (bug === 'cuts' && requests % 20 === 0) {
    response.writeHead(200, { 'content-length': 100 })
    response.write('{')
    setTimeout(() => response.socket?.destroy(), 5)
    return
  }
  if (bug === 'never-answers' && requests % 200 === 0) return
  previous = item.name
  if (request.headers['accept-encoding'] === 'gzip') return replyCoded(response, item)
  return reply(response, 200, item)
}

function hold(ms: number): void {
  const held = openSync('/dev/null', 'r')
  setTimeout(() => closeSync(held), ms)
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8').on('data', (text: string) => (body += text))
  request.on('end', () => handle(request, response, body))
})
server.keepAliveTimeout = 60_000
let accepted = 0
let closed = 0
let last = performance.now()
/** The load is over. */
let rested = false
server.on('connection', (socket) => {
  // As a proxy does, whose connections to the origin outlive those of the clients.
  const now = performance.now()
  rested ||= now - last > 3000
  last = now
  if (bug === 'gives-back-late' && rested) hold(14_000)
  accepted += 1
  if (bug === 'leaks-sockets') {
    // The handle stays open after the client has gone.
    leaked.push(socket)
    ;(socket as unknown as { allowHalfOpen: boolean }).allowHalfOpen = true
    socket.removeAllListeners('end')
  }
  socket.on('close', () => (closed += 1))
})
const side = createServer((request, response) => {
  if (request.url !== '/debug/vars') return reply(response, 404, { error: 'none' })
  reply(response, 200, {
    goroutines: tasks,
    panic_count: panics,
    request_count: bug === 'stops-counting' ? 3 : requests,
    accepted_conn_total: accepted,
    closed_conn_total: closed,
    active_conns: accepted - closed,
    session_owner_mismatches: bug === 'owner-mismatch' ? 1 : 0
  })
})
/** Slow losses and what only looks like them; each begins with the first request. */
const kept: Buffer[] = []
let tasks = 10
let begun = 0
const MIB = 1 << 20
const EVERY: Record<string, (second: number) => void> = {
  // Longer than the load and the first look after it.
  'gives-back-late': (second) => {
    if (second === 4) for (let i = 0; i < 60; i++) hold(40_000)
  },
  'leaks-descriptors': () => void [1, 2, 3, 4, 5].map(() => openSync('/dev/null', 'r')),
  'leaks-tasks': () => void (tasks += 20),
  'leaks-memory': () => void kept.push(Buffer.alloc(2 * MIB, 1)),
  // Full after a while, and flat from then on.
  'fills-cache': (second) => void (second < 12 && kept.push(Buffer.alloc(4 * MIB, 1))),
  'collects-garbage': (second) => {
    tasks = 10 + (second % 7) * 3
    if (second % 7 === 0) kept.length = 0
    kept.push(Buffer.alloc(4 * MIB, 1))
  },
  stalls: (second) => {
    if (second !== 4) return
    const end = performance.now() + 3200
    while (performance.now() < end);
  },
  'stops-listening': (second) => void (second === 4 && server.close())
}
const habit = EVERY[bug]
if (habit !== undefined) {
  server.once('request', () => {
    begun = performance.now()
    setInterval(() => habit(Math.round((performance.now() - begun) / 1000)), 1000)
  })
}
side.listen(0, '127.0.0.1', () => {
  server.listen(0, '127.0.0.1', () => {
    console.log(`debug addr=127.0.0.1:${(side.address() as AddressInfo).port}`)
    console.log(`ready addr=127.0.0.1:${(server.address() as AddressInfo).port}`)
  })
})
if (bug === 'dies') setTimeout(() => process.abort(), 2500)
if (bug === 'hangs') {
  setTimeout(() => {
    for (;;);
  }, 2500)
}
process.on('SIGTERM', () => {
  if (bug === 'ignores-sigterm') return
  process.exit(0)
})
