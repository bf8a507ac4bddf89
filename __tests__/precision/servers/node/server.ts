/** node:http with `ws`, or node:http2 in clear, with their defaults and nothing before the handler: `-engine http|http2`. */
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { WebSocketServer } from 'ws'

const INTERVAL_MS = 200
const HELLO = 'Hello, World!'

/** What both versions of the module share of a request and an answer. */
interface Request {
  method?: string | undefined
  url?: string | undefined
  headers: IncomingMessage['headers']
  rawHeaders: string[]
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'end', listener: () => void): unknown
}
interface Response {
  writeHead(status: number, fields: Record<string, string>): unknown
  write(text: string): unknown
  end(text: string): unknown
  on(event: 'close', listener: () => void): unknown
}

function echo(request: Request, response: Response): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk) => void chunks.push(chunk))
  request.on('end', () => {
    const { method, url: target, rawHeaders } = request
    const headers = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name, rawHeaders[i + 1]]] : []))
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ method, target, headers, body: Buffer.concat(chunks).toString('base64') }))
  })
}

/** Numbered events, five a second; the text follows from the number, and the number from the time. */
function events(request: Request, response: Response): void {
  const now = (): number => Math.floor(performance.now() / INTERVAL_MS)
  const given = Number(request.headers['last-event-id'])
  let sent = Number.isInteger(given) && given >= 0 && given <= now() ? given : now()
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  if (request.method === 'HEAD') {
    response.end('')
    return
  }
  response.write('retry: 1000\n\n')
  const timer = setInterval(() => {
    for (; sent < now(); sent++) response.write(`id: ${sent + 1}\nevent: tick\ndata: {"id":${sent + 1}}\n\n`)
  }, INTERVAL_MS)
  response.on('close', () => clearInterval(timer))
}

function serve(request: Request, response: Response): void {
  // A target may be a whole URL (RFC 9112 3.2.2); the module leaves that to the handler.
  const path = (request.url ?? '').replace(/^http:\/\/[^/?]*/, '').replace(/\?.*/s, '')
  const reads = request.method === 'GET' || request.method === 'HEAD'
  const answer = (status: number, body: string, fields: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': 'text/plain', ...fields })
    response.end(body)
  }
  if (path === '/echo') echo(request, response)
  else if (!['/', '/healthz', '/events'].includes(path)) answer(404, 'not found')
  else if (!reads) answer(405, 'GET only', { allow: 'GET, HEAD' })
  else if (path === '/events') events(request, response)
  else answer(200, HELLO)
}

const { values } = parseArgs({
  options: { engine: { type: 'string' }, bind: { type: 'string' } },
  args: process.argv.slice(2).map((word) => word.replace(/^-(?=\w)/, '--'))
})
const [host, port] = (values.bind ?? '127.0.0.1:0').split(':')
const http2 = values.engine === 'http2'
const http1 = createServer(serve)
const server = http2 ? createHttp2Server(serve) : http1
if (!http2) {
  const sockets = new WebSocketServer({ server: http1, path: '/ws' })
  sockets.on('connection', (socket) => {
    // Without a listener a broken frame would end the process.
    socket.on('error', () => undefined)
    socket.on('message', (data: Buffer, isBinary) => socket.send(data, { binary: isBinary }))
  })
}
server.listen(Number(port), host, () => {
  const address = server.address() as AddressInfo
  console.log(`ready addr=${address.address}:${address.port}`)
})
process.on('SIGTERM', () => process.exit(0))
