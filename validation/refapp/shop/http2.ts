/** HTTP/2 adapter: node:http2 streams as exchanges (RFC 9113, cleartext with prior knowledge). */
import http2, { type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Application } from './application.ts'
import type { Counters } from './counters.ts'
import { drain, type Exchange, type Fields, HttpError, type Outlet, PeerGone } from './exchange.ts'
import { limits } from './limits.ts'

const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL } = http2.constants
/** Fields of a connection, which have no place in HTTP/2 (RFC 9113 section 8.2.2). */
const CONNECTION_FIELDS = new Set([
  'connection',
  'upgrade',
  'keep-alive',
  'transfer-encoding',
  'proxy-connection'
])

class Http2Exchange implements Exchange {
  readonly protocol = 'HTTP/2.0'
  readonly method: string
  readonly target: string
  readonly #stream: ServerHttp2Stream
  readonly #headers: IncomingHttpHeaders
  readonly #raw: readonly string[]

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]) {
    this.method = headers[':method'] ?? ''
    this.target = headers[':path'] ?? ''
    this.#stream = stream
    this.#headers = headers
    this.#raw = raw
  }

  get fields(): [string, string][] {
    const fields: [string, string][] = []
    const authority = this.#headers[':authority']
    if (authority !== undefined && this.#headers.host === undefined) fields.push(['host', authority])
    for (let index = 0; index < this.#raw.length; index += 2) {
      const name = this.#raw[index] ?? ''
      if (!name.startsWith(':')) fields.push([name, this.#raw[index + 1] ?? ''])
    }
    return fields
  }

  get declaredLength(): number | undefined {
    const length = this.#headers['content-length']
    return length === undefined ? undefined : Number(length)
  }

  get answered(): boolean {
    return this.#stream.headersSent || this.#stream.destroyed || this.#stream.closed
  }

  header(name: string): string | undefined {
    const value = this.#headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  async consume(limit: number, sink: (chunk: Buffer) => void): Promise<void> {
    if ((this.declaredLength ?? 0) > limit) throw new HttpError(413, `the body is limited to ${limit} bytes`)
    if (this.#stream.destroyed) throw new PeerGone('the stream is gone')
    if (this.#stream.endAfterHeaders) return
    if (/^100-continue$/i.test(this.header('expect') ?? ''))
      this.#stream.additionalHeaders({ ':status': 100 })
    await drain(this.#stream, limit, sink).done
  }

  respond(status: number, fields: Fields, body: string | Buffer = ''): void {
    const stream = this.#stream
    if (this.answered) return
    const content = typeof body === 'string' ? Buffer.from(body) : body
    const bodyless = status === 204 || status === 304
    const head = this.#head(status, fields)
    if (!bodyless) head['content-length'] = String(content.length)
    const endStream = bodyless || this.method === 'HEAD' || content.length === 0
    stream.respond(head, { endStream })
    // A request body nobody waits for is called off once the answer is out (RFC 9113 section 8.1).
    const callOff = (): void => {
      if (!stream.readableEnded && !stream.closed) stream.close(NGHTTP2_NO_ERROR)
    }
    if (endStream) stream.once('finish', callOff)
    else stream.end(content, callOff)
  }

  open(status: number, fields: Fields): Outlet {
    const stream = this.#stream
    if (this.answered) throw new PeerGone('the stream is gone')
    stream.respond(this.#head(status, fields))
    return {
      write: (text) => void (stream.writable && stream.write(text)),
      get backlog() {
        return stream.writableLength
      },
      end: () => void stream.end(),
      destroy: () => stream.close(NGHTTP2_CANCEL),
      onClose: (listener) => void stream.once('close', listener)
    }
  }

  #head(status: number, fields: Fields): Record<string, string | number> {
    const head: Record<string, string | number> = { ':status': status, 'x-content-type-options': 'nosniff' }
    for (const [name, value] of Object.entries(fields)) {
      if (!CONNECTION_FIELDS.has(name)) head[name] = value
    }
    return head
  }
}

export interface Http2Side {
  /** Takes over a connection whose first bytes are the client preface. */
  accept(socket: Socket): void
  readonly sessions: number
  /** GOAWAY on every session; each ends when its streams have. */
  close(): void
}

export function createHttp2Side(application: Application, counters: Counters): Http2Side {
  const sessions = new Set<ServerHttp2Session>()
  const server = http2.createServer({
    maxHeaderListPairs: 200,
    maxSettings: 32,
    settings: {
      maxConcurrentStreams: limits.http2Streams,
      maxHeaderListSize: limits.headBytes,
      initialWindowSize: limits.http2Window,
      enablePush: false
    }
  })

  const keep = (session: ServerHttp2Session, socket: Socket): void => {
    sessions.add(session)
    session.setLocalWindowSize(limits.http2Window * 4)
    session.setTimeout(limits.http2IdleTimeout, () => session.close())
    session.on('error', () => undefined)
    // GOAWAY alone leaves the connection to the peer's good will; it is closed here in any case.
    const closeSoon = (): void => {
      const timer = setTimeout(() => socket.destroy(), limits.lingerTimeout)
      socket.once('close', () => clearTimeout(timer))
    }
    socket.once('end', closeSoon)
    socket.once('finish', closeSoon)
    session.once('error', closeSoon)
    session.once('close', () => sessions.delete(session))
  }
  server.on('sessionError', () => {
    counters.badMessages++
  })
  server.on('stream', (stream, headers, _flags, rawHeaders) => {
    stream.on('error', () => undefined)
    stream.once('close', () => {
      if (Number(stream.sentHeaders?.[':status'] ?? 0) >= 500) counters.responses5xx++
    })
    void application(new Http2Exchange(stream, headers, rawHeaders))
  })

  return {
    accept(socket) {
      // The listener leaves connections half open for HTTP/1; in HTTP/2 the peer's end is the end.
      socket.allowHalfOpen = false
      const onSession = (session: ServerHttp2Session): void => keep(session, socket)
      server.once('session', onSession)
      server.emit('connection', socket)
      server.off('session', onSession)
    },
    get sessions() {
      return sessions.size
    },
    close() {
      for (const session of sessions) session.close()
    }
  }
}
