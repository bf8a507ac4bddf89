/**
 * A store with lists and ETags, for what the walkers' model can say of them. The engine's name is the rule that it
 * breaks; `strict` breaks none. It speaks the refapp contract.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Item {
  id: string
  name: string
  owner: string
  version: number
}
type Fields = Record<string, string>

const bug = process.argv[process.argv.indexOf('-engine') + 1] ?? 'strict'
const items = new Map<string, Item>()
let made = 0
let turns = 0
const every = (count: number): boolean => (turns += 1) % count === 0

function reply(response: ServerResponse, status: number, value?: unknown, fields: Fields = {}): void {
  let body = value === undefined ? '' : JSON.stringify(value)
  const raw = (length: number): void => {
    const head = { date: new Date().toUTCString(), ...fields, 'content-length': length }
    const lines = Object.entries(head).map(([name, of]) => `${name}: ${of}\r\n`)
    response.socket?.write(`HTTP/1.1 ${status} X\r\n${lines.join('')}\r\n${body}`)
  }
  if (body !== '' && bug === 'half-json' && every(100)) body = body.slice(0, body.length >> 1)
  if (body !== '' && bug === 'short-length' && every(100)) return raw(body.length - 1)
  if (body !== '' && bug === 'long-length' && every(100)) return raw(body.length + 1)
  const framing: Fields = body === '' ? {} : { 'content-length': String(body.length) }
  response.writeHead(status, { ...framing, ...fields }).end(body)
}

const etagOf = (item: Item): string => `"${item.id}-${item.version}"`

function handle(request: IncomingMessage, response: ServerResponse, body: string): void {
  const { method, url = '/' } = request
  const owner = String(request.headers['x-owner'] ?? '')
  if (url === '/healthz') return reply(response, 200, { ok: true })
  if (url === '/items' && method === 'GET') {
    const own = [...items.values()].filter((item) => item.owner === owner)
    return reply(response, 200, { names: own.map(({ name }) => name) })
  }
  if (url === '/items') {
    const { name } = JSON.parse(body) as { name: string }
    const item = { id: `i${(made += 1)}`, name, owner, version: 1 }
    items.set(item.id, item)
    if (bug === 'duplicates' && every(20)) items.set(`copy of ${item.id}`, item)
    return reply(response, 201, { id: item.id, name }, { etag: etagOf(item) })
  }
  const item = items.get(url.slice('/items/'.length))
  if (item === undefined || item.owner !== owner) return reply(response, 404, { error: 'none' })
  if (method === 'DELETE') {
    items.delete(item.id)
    if (bug === 'keeps-removed' && every(20)) items.set(`ghost of ${item.id}`, item)
    return reply(response, 204)
  }
  if (method === 'PUT') {
    const { name } = JSON.parse(body) as { name: string }
    if (bug !== 'loses-update' || !every(20)) item.name = name
    if (bug !== 'keeps-etag' || !every(20)) item.version += 1
    if (bug === 'drops-writes' && every(20)) return void response.socket?.destroy()
    return reply(response, 200, { id: item.id, name }, { etag: etagOf(item) })
  }
  const asked = request.headers['if-none-match']
  const unchanged = asked === etagOf(item) || (asked !== undefined && bug === 'false-304')
  if (unchanged) return reply(response, 304, undefined, { etag: etagOf(item) })
  reply(response, 200, { id: item.id, name: item.name }, { etag: etagOf(item) })
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8').on('data', (text: string) => (body += text))
  request.on('end', () => handle(request, response, body))
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  console.log(`ready addr=127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.on('SIGTERM', () => process.exit(0))
