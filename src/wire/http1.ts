/**
 * A strict parser of HTTP/1 responses (RFC 9110, RFC 9112), independent of the platform's own, and made to be
 * fast enough for load: the head is looked for natively and cut into lines once, bodies are views.
 */
import { Broken, checkUnfinished, FIELD, Heads } from './http1-head.ts'
import type { Framing, HttpResponse, ParseError } from './message.ts'

export { formatRequest, HttpResponse, type Framing, type ParseError } from './message.ts'

export interface ParserEvents {
  onResponse(response: HttpResponse): void
  onError(error: ParseError): void
  /** The head is complete; the body follows. Only for final responses. */
  onHead?(response: HttpResponse): void
  /** With it, pieces of the body are handed over as they come and `body` stays empty. */
  onBody?(piece: Buffer, response: HttpResponse): void
  /** A 101 was read; these bytes follow it and are no longer HTTP. */
  onUpgrade?(response: HttpResponse, rest: Buffer): void
}

export interface ParserLimits {
  headBytes?: number
  fields?: number
  bodyBytes?: number
}

const EMPTY = Buffer.alloc(0)
const HEAD_END = Buffer.from('\r\n\r\n')
const LINE_END = Buffer.from('\r\n')
/** Bytes at a fault that are told. */
const SHOWN = 2048
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/
type State =
  | 'head'
  | 'fixed'
  | 'until-close'
  | 'chunk-size'
  | 'chunk-data'
  | 'chunk-end'
  | 'trailers'
  | 'upgraded'
  | 'broken'

const STATE_OF: Record<Framing, State> = {
  none: 'head',
  length: 'fixed',
  chunked: 'chunk-size',
  close: 'until-close'
}

export class ResponseParser {
  readonly #events: ParserEvents
  readonly #limit: { headBytes: number; fields: number; bodyBytes: number }
  readonly #expected: string[] = []
  #rest: Buffer = EMPTY
  #state: State = 'head'
  #response!: HttpResponse
  readonly #interim: HttpResponse[] = []
  #missing = 0
  #parts: Buffer[] = []
  #size = 0
  #closing = false
  readonly #heads = new Heads()

  constructor(events: ParserEvents, limits: ParserLimits = {}) {
    this.#events = events
    this.#limit = {
      headBytes: limits.headBytes ?? 65_536,
      fields: limits.fields ?? 1000,
      bodyBytes: limits.bodyBytes ?? 64 << 20
    }
  }

  /** Method of the next request that was sent; a response without one is an error. */
  expect(method: string): void {
    this.#expected.push(method)
  }

  /** Requests that have no final response yet. */
  get outstanding(): number {
    return this.#expected.length
  }

  /** Bytes of an unfinished response are held. */
  get midway(): boolean {
    return this.#state !== 'head'
      ? this.#state !== 'broken' && this.#state !== 'upgraded'
      : this.#rest.length > 0
  }

  /** The final response that was read last, or whose body is being read. */
  get last(): HttpResponse | undefined {
    return this.#response
  }

  get broken(): boolean {
    return this.#state === 'broken'
  }

  push(buffer: Buffer, start = 0, end = buffer.length): void {
    if (this.#state === 'broken') return
    const piece = start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end)
    const data = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    this.#rest = EMPTY
    let at = 0
    try {
      while (at < data.length) {
        const used = this.#step(data, at)
        if (used === 0) break
        at += used
      }
      // The caller may reuse its buffer.
      if (at < data.length) this.#rest = Buffer.from(data.subarray(at))
    } catch (error) {
      this.#fail(error, data.subarray(at))
    }
  }

  /** The peer closed (or time is up, with closed = false): ends a close-delimited body, tells a cut one. */
  finish(closed: boolean): void {
    if (this.#state === 'until-close' && closed) {
      this.#complete(this.#joined())
      return
    }
    if (!closed || !this.midway) return
    this.#fail(
      new Broken('truncated', 'the connection closed in the middle of a response', 'RFC 9112 8'),
      this.#rest
    )
  }

  #fail(error: unknown, held: Buffer): void {
    if (!(error instanceof Broken)) throw error
    this.#place(error.error, held)
    this.#state = 'broken'
    this.#events.onError(error.error)
  }

  /** Says where a rule is broken. */
  #place(error: ParseError, held: Buffer): ParseError {
    error.in = this.#state === 'head' ? 'head' : 'body'
    error.text ??= held.toString('latin1', 0, SHOWN)
    if (this.last !== undefined) error.response = this.last
    return error
  }

  /** What is held where nothing is due: bytes behind the end of a response. */
  stray(): ParseError {
    const message = 'bytes follow the end of an answer'
    return this.#place({ rule: 'stray-bytes', message, standard: 'RFC 9112 6.3', offset: 0 }, this.#rest)
  }

  /** Takes what it can from data, beginning at `at`; 0 asks for more. */
  #step(data: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#head(data, at)
      case 'fixed':
        return this.#fixed(data, at)
      case 'until-close':
        this.#body(Buffer.from(data.subarray(at)))
        return data.length - at
      case 'chunk-size':
        return this.#chunkSize(data, at)
      case 'chunk-data':
        return this.#chunkData(data, at)
      case 'chunk-end':
        return this.#chunkEnd(data, at)
      case 'trailers':
        return this.#trailers(data, at)
      case 'upgraded':
        this.#events.onBody?.(data.subarray(at), this.#response)
        return data.length - at
      case 'broken':
        return data.length - at
    }
  }

  #head(data: Buffer, at: number): number {
    if (this.#closing)
      throw new Broken('after-close', 'bytes follow a response that announced the close', 'RFC 9112 9.6')
    const method = this.#expected[0]
    let response = this.#heads.same(data, at, method)
    if (response === undefined) {
      const length = data.indexOf(HEAD_END, at) - at
      if (length < 0 || length > this.#limit.headBytes) {
        checkUnfinished(data.subarray(at), length, this.#limit.headBytes)
        return 0
      }
      response = this.#heads.read(data.toString('latin1', at, at + length), method, this.#limit)
    }
    const used = response.headBytes
    if (response.status < 200 && response.status !== 101) {
      this.#interim.push(response)
      return used
    }
    this.#missing = response.announced
    this.#state = STATE_OF[response.framing]
    if (this.#interim.length > 0) response.interim = this.#interim.splice(0)
    this.#response = response
    this.#size = 0
    if (response.status === 101) {
      this.#state = 'upgraded'
      this.#expected.shift()
      const rest = Buffer.from(data.subarray(at + used))
      this.#events.onResponse(response)
      this.#events.onUpgrade?.(response, rest)
      return data.length - at
    }
    this.#events.onHead?.(response)
    if (response.framing === 'none' || (response.framing === 'length' && this.#missing === 0))
      this.#complete(EMPTY)
    return used
  }

  #count(bytes: number): void {
    this.#size += bytes
    if (this.#size > this.#limit.bodyBytes)
      throw new Broken('body-too-long', `more than ${this.#limit.bodyBytes} bytes of body`, 'RFC 9110 8.6')
    this.#response.bodyBytes += bytes
  }

  #body(piece: Buffer): void {
    this.#count(piece.length)
    if (this.#events.onBody !== undefined) this.#events.onBody(piece, this.#response)
    else this.#parts.push(piece)
  }

  #fixed(data: Buffer, at: number): number {
    const take = Math.min(this.#missing, data.length - at)
    this.#missing -= take
    if (this.#missing > 0) this.#body(Buffer.from(data.subarray(at, at + take)))
    else if (this.#parts.length === 0 && this.#events.onBody === undefined) {
      this.#count(take)
      this.#complete(data.subarray(at, at + take))
    } else {
      this.#body(data.subarray(at, at + take))
      this.#complete(this.#joined())
    }
    return take
  }

  /** A line without its end; undefined asks for more. */
  #line(data: Buffer, at: number, what: string): string | undefined {
    const length = data.indexOf(LINE_END, at) - at
    if (length < 0 || length > 4096) {
      if (data.length - at > 4096)
        throw new Broken('chunk-line', `${what} is longer than 4096 bytes`, 'RFC 9112 7.1')
      const bare = data.indexOf(0x0a, at)
      if (bare >= 0 && (bare === at || data[bare - 1] !== 0x0d)) {
        throw new Broken('chunk-line', `${what} ends in LF without CR`, 'RFC 9112 7.1', bare - at)
      }
      return undefined
    }
    return data.toString('latin1', at, at + length)
  }

  #chunkSize(data: Buffer, at: number): number {
    const line = this.#line(data, at, 'a chunk size')
    if (line === undefined) return 0
    const match = CHUNK_SIZE.exec(line)
    if (match === null)
      throw new Broken('chunk-size', `not a chunk size: ${JSON.stringify(line.slice(0, 40))}`, 'RFC 9112 7.1')
    this.#missing = Number.parseInt(match[1]!, 16)
    if (this.#missing > this.#limit.bodyBytes)
      throw new Broken('chunk-size', `a chunk of ${this.#missing} bytes`, 'RFC 9112 7.1')
    this.#response.bodyBytes += line.length + 2
    this.#state = this.#missing === 0 ? 'trailers' : 'chunk-data'
    return line.length + 2
  }

  #chunkData(data: Buffer, at: number): number {
    const take = Math.min(this.#missing, data.length - at)
    this.#missing -= take
    this.#body(Buffer.from(data.subarray(at, at + take)))
    if (this.#missing === 0) this.#state = 'chunk-end'
    return take
  }

  #chunkEnd(data: Buffer, at: number): number {
    if (data.length - at < 2) return 0
    if (data[at] !== 0x0d || data[at + 1] !== 0x0a)
      throw new Broken('chunk-end', 'chunk data is not followed by CRLF', 'RFC 9112 7.1')
    this.#response.bodyBytes += 2
    this.#state = 'chunk-size'
    return 2
  }

  #trailers(data: Buffer, at: number): number {
    const line = this.#line(data, at, 'a trailer')
    if (line === undefined) return 0
    this.#response.bodyBytes += line.length + 2
    if (line === '') {
      this.#complete(this.#joined())
      return 2
    }
    if (!FIELD.test(line))
      throw new Broken(
        'trailer',
        `not a trailer field: ${JSON.stringify(line.slice(0, 80))}`,
        'RFC 9112 7.1.2'
      )
    const colon = line.indexOf(':')
    const trailer: [string, string] = [line.slice(0, colon), line.slice(colon + 1).trim()]
    this.#response.trailers = [...this.#response.trailers, trailer]
    return line.length + 2
  }

  #joined(): Buffer {
    const parts = this.#parts
    this.#parts = []
    return parts.length === 0 ? EMPTY : parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  #complete(body: Buffer): void {
    const response = this.#response
    response.body = body
    this.#state = 'head'
    this.#closing = !response.keepAlive
    this.#expected.shift()
    this.#events.onResponse(response)
  }
}

export interface ParsedResponses {
  responses: HttpResponse[]
  error?: ParseError
  /** Bytes after a 101. */
  rest: Buffer
  /** A response has begun and is not whole. */
  incomplete: boolean
}

/**
 * All responses in a run of bytes, given the methods of the requests in order.
 * @param closed the peer has closed after these bytes
 */
export function parseResponses(bytes: Buffer, methods: readonly string[], closed: boolean): ParsedResponses {
  const result: ParsedResponses = { responses: [], rest: EMPTY, incomplete: false }
  const parser = new ResponseParser({
    onResponse: (response) => void result.responses.push(response),
    onError: (error) => void (result.error = error),
    onUpgrade: (_, rest) => void (result.rest = rest)
  })
  for (const method of methods) parser.expect(method)
  parser.push(bytes)
  result.incomplete = parser.midway
  if (result.error === undefined) parser.finish(closed)
  return result
}
