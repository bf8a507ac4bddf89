/** HTTP/1 adapter: node:http requests as exchanges, and refusals that keep the order of answers. */
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Application } from './application.ts'
import type { Counters } from './counters.ts'
import {
  drain,
  type Exchange,
  type Fields,
  HttpError,
  type Outlet,
  PeerGone,
  respondJson
} from './exchange.ts'
import { limits } from './limits.ts'
import type { Sockets } from './sockets.ts'

const HOST = /^(?:[\w.~!$&'()*+;=-]|%[0-9a-f]{2})*(?::\d{0,5})?$|^\[[0-9a-f:.]+\](?::\d{0,5})?$/i

/** What node:http lets pass and RFC 9112 (sections 3.2 and 6.1) wants refused; undefined when all is well. */
function framingFlaw(request: IncomingMessage): string | undefined {
  const hosts: string[] = []
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    if (request.rawHeaders[index]?.toLowerCase() === 'host') hosts.push(request.rawHeaders[index + 1] ?? '')
  }
  if (hosts.length > 1) return 'more than one Host field'
  if (hosts[0] !== undefined && !HOST.test(hosts[0])) return 'malformed Host field'
  const old =
    request.httpVersionMajor < 1 || (request.httpVersionMajor === 1 && request.httpVersionMinor === 0)
  if (old && request.headers['transfer-encoding'] !== undefined) return 'Transfer-Encoding in HTTP/1.0'
  return undefined
}

class Http1Exchange implements Exchange {
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1'
  readonly method: string
  readonly target: string
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #mustClose: () => boolean
  #fail: ((reason: Error) => void) | undefined
  #refused = false
  #continued = false

  constructor(request: IncomingMessage, response: ServerResponse, mustClose: () => boolean) {
    this.protocol = request.httpVersionMinor === 0 ? 'HTTP/1.0' : 'HTTP/1.1'
    this.method = request.method ?? ''
    this.target = request.url ?? ''
    this.#request = request
    this.#response = response
    this.#mustClose = mustClose
  }

  get fields(): [string, string][] {
    const raw = this.#request.rawHeaders
    return Array.from({ length: raw.length / 2 }, (_, index) => [
      raw[index * 2] ?? '',
      raw[index * 2 + 1] ?? ''
    ])
  }

  get declaredLength(): number | undefined {
    const length = this.#request.headers['content-length']
    return length === undefined ? undefined : Number(length)
  }

  get answered(): boolean {
    return this.#response.headersSent || this.#response.destroyed
  }

  get received(): boolean {
    return this.#request.complete
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  async consume(limit: number, sink: (chunk: Buffer) => void): Promise<void> {
    if ((this.declaredLength ?? 0) > limit) {
      this.#refused = true
      throw new HttpError(413, `the body is limited to ${limit} bytes`)
    }
    if (this.#awaitsContinue()) {
      this.#continued = true
      this.#response.writeContinue()
    }
    const { done, fail } = drain(this.#request, limit, sink)
    this.#fail = fail
    try {
      await done
    } catch (error) {
      this.#refused = true
      throw error
    } finally {
      this.#fail = undefined
    }
  }

  /** The rest of the request cannot be understood: answer with this, and nothing after it on the connection. */
  refuse(error: HttpError): void {
    this.#refused = true
    if (this.#fail !== undefined) this.#fail(error)
    else if (this.answered) this.#response.destroy()
    else respondJson(this, error.status, { error: error.message })
  }

  respond(status: number, fields: Fields, body: string | Buffer = ''): void {
    const response = this.#response
    if (this.answered) return
    const content = typeof body === 'string' ? Buffer.from(body) : body
    const bodyless = status === 204 || status === 304
    if (!bodyless) response.setHeader('content-length', content.length)
    const oversized = !this.#request.complete && (this.declaredLength ?? 0) > limits.bodyBytes
    const close = this.#refused || oversized || this.#awaitsContinue() || this.#mustClose()
    if (close) response.setHeader('connection', 'close')
    response.writeHead(status, { 'x-content-type-options': 'nosniff', ...fields })
    const payload = bodyless || this.method === 'HEAD' || content.length === 0 ? undefined : content
    if (!close || this.#request.complete || payload === undefined) response.end(payload)
    else response.write(payload, () => linger(this.#request.socket))
  }

  /** Calls back once the answer is with the system. */
  whenAnswered(listener: () => void): void {
    if (this.#response.writableFinished) listener()
    else this.#response.once('finish', listener)
  }

  /** The client holds its body back until it is told to go on (RFC 9110 section 10.1.1). */
  #awaitsContinue(): boolean {
    const body = this.#request.headers['transfer-encoding'] !== undefined || (this.declaredLength ?? 0) > 0
    const expects = /^100-continue$/i.test(this.header('expect') ?? '') && this.protocol === 'HTTP/1.1'
    return expects && body && !this.#continued
  }

  open(status: number, fields: Fields): Outlet {
    const response = this.#response
    if (this.answered) throw new PeerGone('the connection is gone')
    response.setHeader('connection', 'close')
    response.writeHead(status, fields)
    response.flushHeaders()
    return {
      write: (text) => void response.write(text),
      get backlog() {
        return response.writableLength
      },
      end: () => void response.end(),
      destroy: () => void response.destroy(),
      onClose: (listener) => void response.once('close', listener)
    }
  }
}

const REFUSALS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'the header section is too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'the chunk extensions are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request took too long']
}

function refusalOf(error: NodeJS.ErrnoException): HttpError {
  const [status, message] = REFUSALS[error.code ?? ''] ?? [400, 'the message is malformed']
  return new HttpError(status, message)
}

/**
 * Ends our side and takes what still comes for a moment: closing with unread input is a reset, which can take
 * the answer away from the client before it has read it (RFC 9112 section 9.6).
 */
function linger(socket: Duplex): void {
  socket.end()
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), limits.lingerTimeout)
  socket.once('close', () => clearTimeout(timer))
}

/** Writes an answer that belongs to no request, then closes. */
function refuseConnection(socket: Duplex, error: HttpError, fields: Fields = {}): void {
  if (!socket.writable || socket.destroyed) {
    socket.destroy()
    return
  }
  const body = JSON.stringify({ error: error.message })
  const lines = Object.entries({
    date: new Date().toUTCString(),
    connection: 'close',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...fields
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`HTTP/1.1 ${error.status} ${http.STATUS_CODES[error.status]}\r\n${lines.join('')}\r\n${body}`)
  linger(socket)
}

export interface Http1Context {
  application: Application
  counters: Counters
  sockets: Sockets
  stopping: () => boolean
}

/** A node:http server with its bounds set; the caller makes it listen. */
export function createHttp1Server({ application, counters, sockets, stopping }: Http1Context): http.Server {
  const pending = new WeakMap<Duplex, Http1Exchange[]>()
  // Sockets after a message that nobody can understand.
  const broken = new WeakSet<Duplex>()
  // Sockets whose last request has been read: nothing further on them is a request.
  const finished = new WeakSet<Duplex>()

  const wantsWebSocket = (request: IncomingMessage): boolean =>
    request.method === 'GET' &&
    request.httpVersionMajor === 1 &&
    request.httpVersionMinor >= 1 &&
    request.headers.upgrade?.toLowerCase() === 'websocket' &&
    request.headers.host !== undefined &&
    framingFlaw(request) === undefined &&
    /^(?:https?:\/\/[^/?#]+)?\/ws(?:\?|$)/i.test(request.url ?? '') &&
    !stopping()

  const server = http.createServer({
    maxHeaderSize: limits.headBytes,
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    connectionsCheckingInterval: limits.connectionCheckInterval,
    noDelay: true,
    shouldUpgradeCallback: wantsWebSocket
  })

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request
    if (broken.has(socket) || finished.has(socket)) return
    response.on('error', () => undefined)
    request.on('error', () => undefined)
    // node:http loses what is pipelined behind an upgrade that is declined, so such a request is the last one.
    const last =
      request.headers.upgrade !== undefined && /\bupgrade\b/i.test(request.headers.connection ?? '')
    if (last) finished.add(socket)
    const exchange = new Http1Exchange(request, response, () => last || stopping())
    const queue = pending.get(socket) ?? []
    pending.set(socket, queue)
    queue.push(exchange)
    response.once('close', () => {
      queue.splice(queue.indexOf(exchange), 1)
      if (response.statusCode >= 500) counters.responses5xx++
    })
    const flaw = framingFlaw(request)
    if (flaw === undefined) {
      void application(exchange)
      return
    }
    counters.badMessages++
    broken.add(socket)
    exchange.refuse(new HttpError(400, flaw))
  }

  server.on('request', serve)
  server.on('checkContinue', serve)
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => undefined)
    counters.requests++
    sockets.accept(request, socket, head)
  })
  server.on('connect', (_request, socket: Duplex) => {
    socket.on('error', () => undefined)
    refuseConnection(socket, new HttpError(405, 'CONNECT is not served'), {
      allow: 'GET, HEAD, POST, OPTIONS'
    })
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE' || !socket.writable) {
      socket.destroy()
      return
    }
    if (broken.has(socket)) return
    broken.add(socket)
    counters.badMessages++
    const refusal = refusalOf(error)
    const last = pending.get(socket)?.at(-1)
    if (last === undefined) refuseConnection(socket, refusal)
    else if (!last.received) last.refuse(refusal)
    else {
      // Answers keep the order of requests, so the refusal waits for those before it.
      last.whenAnswered(() => refuseConnection(socket, refusal))
    }
  })
  return server
}
