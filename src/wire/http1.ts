/**
 * A strict parser of HTTP/1 responses (RFC 9110, RFC 9112), independent of the platform's own, and made to be
 * fast enough for load: the head is looked for natively and cut into lines once, bodies are views.
 */
import { HttpResponse, type ParseError } from './message.ts'

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
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d) ([\t\x20-\x7e\x80-\xff]*)$/
const FIELD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/
const DIGITS = /^\d{1,15}$/

class Broken extends Error {
  readonly error: ParseError
  constructor(rule: string, message: string, standard: string, offset = 0) {
    super(message)
    this.error = { rule, message, standard, offset }
  }
}

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

export class ResponseParser {
  readonly #events: ParserEvents
  readonly #limit: { headBytes: number; fields: number; bodyBytes: number }
  readonly #expected: string[] = []
  #rest: Buffer = EMPTY
  #state: State = 'head'
  #response!: HttpResponse
  #interim: HttpResponse[] = []
  #missing = 0
  #parts: Buffer[] = []
  #size = 0
  #closing = false

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

  get broken(): boolean {
    return this.#state === 'broken'
  }

  push(buffer: Buffer, start = 0, end = buffer.length): void {
    if (this.#state === 'broken') return
    const piece = start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end)
    let data = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    this.#rest = EMPTY
    try {
      while (data.length > 0) {
        const used = this.#step(data)
        if (used === 0) break
        data = used === data.length ? EMPTY : data.subarray(used)
      }
      // The caller may reuse its buffer.
      if (data.length > 0) this.#rest = Buffer.from(data)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The peer closed (or time is up, with closed = false): ends a close-delimited body, tells a cut one. */
  finish(closed: boolean): void {
    if (this.#state === 'until-close' && closed) {
      this.#complete()
      return
    }
    if (!closed || !this.midway) return
    this.#fail(new Broken('truncated', 'the connection closed in the middle of a response', 'RFC 9112 8'))
  }

  #fail(error: unknown): void {
    if (!(error instanceof Broken)) throw error
    this.#state = 'broken'
    this.#events.onError(error.error)
  }

  /** Takes what it can from the front of data; 0 asks for more. */
  #step(data: Buffer): number {
    switch (this.#state) {
      case 'head':
        return this.#head(data)
      case 'fixed':
        return this.#fixed(data)
      case 'until-close':
        this.#body(data)
        return data.length
      case 'chunk-size':
        return this.#chunkSize(data)
      case 'chunk-data':
        return this.#chunkData(data)
      case 'chunk-end':
        return this.#chunkEnd(data)
      case 'trailers':
        return this.#trailers(data)
      case 'upgraded':
        this.#events.onBody?.(data, this.#response)
        return data.length
      case 'broken':
        return data.length
    }
  }

  #head(data: Buffer): number {
    if (this.#closing)
      throw new Broken('after-close', 'bytes follow a response that announced the close', 'RFC 9112 9.6')
    const end = data.indexOf(HEAD_END)
    if (end < 0 || end > this.#limit.headBytes) {
      if (data.length > this.#limit.headBytes || end >= 0) {
        throw new Broken(
          'head-too-long',
          `the head is longer than ${this.#limit.headBytes} bytes`,
          'RFC 9112 2.1'
        )
      }
      const bare = data.indexOf('\n\n', 0, 'latin1')
      if (bare >= 0)
        throw new Broken('bare-lf', 'lines of the head end in LF without CR', 'RFC 9112 2.2', bare)
      if (data.length >= 5 && data.toString('latin1', 0, 5) !== 'HTTP/') {
        throw new Broken('status-line', 'the answer does not begin with HTTP/', 'RFC 9112 4')
      }
      return 0
    }
    const lines = data.toString('latin1', 0, end).split('\r\n')
    const statusLine = STATUS_LINE.exec(lines[0]!)
    if (statusLine === null) {
      throw new Broken(
        'status-line',
        `not a status line: ${JSON.stringify(lines[0]!.slice(0, 80))}`,
        'RFC 9112 4'
      )
    }
    lines.shift()
    if (lines.length > this.#limit.fields)
      throw new Broken('too-many-fields', `${lines.length} fields`, 'RFC 9110 5.4')
    const status = Number(statusLine[2])
    const method = this.#expected[0]
    if (method === undefined)
      throw new Broken('unasked', `a response (${status}) that no request asked for`, 'RFC 9112 9.2')
    const response = new HttpResponse(
      method,
      statusLine[1] === '0' ? 0 : 1,
      status,
      statusLine[3]!,
      lines,
      end + 4
    )
    this.#fields(response)
    if (status < 200 && status !== 101) {
      if (
        response.header('content-length') !== undefined ||
        response.header('transfer-encoding') !== undefined
      ) {
        throw new Broken(
          'framing-in-1xx',
          `Content-Length or Transfer-Encoding in a ${status}`,
          'RFC 9110 8.6'
        )
      }
      this.#interim.push(response)
      return end + 4
    }
    response.interim = this.#interim
    this.#interim = []
    this.#response = response
    this.#parts = []
    this.#size = 0
    this.#framing(response)
    if (status === 101) {
      this.#state = 'upgraded'
      this.#expected.shift()
      const rest = Buffer.from(data.subarray(end + 4))
      this.#events.onResponse(response)
      this.#events.onUpgrade?.(response, rest)
      return data.length
    }
    this.#events.onHead?.(response)
    if (response.framing === 'none' || (response.framing === 'length' && this.#missing === 0))
      this.#complete()
    return end + 4
  }

  #fields(response: HttpResponse): void {
    for (const line of response.lines) {
      if (FIELD.test(line)) continue
      const at = response.lines.indexOf(line)
      const shown = JSON.stringify(line.slice(0, 80))
      if (line.startsWith(' ') || line.startsWith('\t'))
        throw new Broken('obs-fold', `a folded field line: ${shown}`, 'RFC 9112 5.2', at)
      if (/[\r\n\0]/.test(line))
        throw new Broken('control-in-field', `CR, LF or NUL in a field: ${shown}`, 'RFC 9110 5.5', at)
      if (/^[^:]*[ \t]+:/.test(line))
        throw new Broken('space-before-colon', `whitespace before the colon: ${shown}`, 'RFC 9112 5.1', at)
      throw new Broken('field', `not a field line: ${shown}`, 'RFC 9110 5.1', at)
    }
  }

  #framing(response: HttpResponse): void {
    const { method, status } = response
    let length: string | undefined
    let coding: string | undefined
    let connection = ''
    for (const line of response.lines) {
      const first = line.charCodeAt(0) | 0x20
      if (first === 0x63) {
        const low = line.slice(0, 15).toLowerCase()
        if (low === 'content-length:') {
          const value = line.slice(15).trim()
          if (!DIGITS.test(value))
            throw new Broken('content-length', `Content-Length is ${JSON.stringify(value)}`, 'RFC 9110 8.6')
          if (length !== undefined)
            throw new Broken('two-lengths', 'two Content-Length fields', 'RFC 9112 6.3')
          length = value
        } else if (low.startsWith('connection:')) connection += `,${line.slice(11).toLowerCase()}`
      } else if (first === 0x74 && line.slice(0, 18).toLowerCase() === 'transfer-encoding:') {
        coding =
          coding === undefined
            ? line.slice(18).trim().toLowerCase()
            : `${coding}, ${line.slice(18).trim().toLowerCase()}`
      }
    }
    const tokens = connection === '' ? [] : connection.split(',').map((token) => token.trim())
    response.keepAlive = response.minor === 1 ? !tokens.includes('close') : tokens.includes('keep-alive')
    if (status === 204 && (length !== undefined || coding !== undefined)) {
      throw new Broken('framing-in-204', 'Content-Length or Transfer-Encoding in a 204', 'RFC 9110 8.6')
    }
    if (coding !== undefined && length !== undefined) {
      throw new Broken('length-and-coding', 'Content-Length beside Transfer-Encoding', 'RFC 9112 6.2')
    }
    if (
      method === 'HEAD' ||
      status === 304 ||
      status === 204 ||
      status === 101 ||
      (method === 'CONNECT' && status < 300)
    ) {
      response.framing = 'none'
    } else if (coding !== undefined) {
      if (coding !== 'chunked' && !coding.endsWith(', chunked')) {
        response.framing = 'close'
        response.keepAlive = false
      } else response.framing = 'chunked'
    } else if (length !== undefined) {
      response.framing = 'length'
      this.#missing = Number(length)
      if (this.#missing > this.#limit.bodyBytes)
        throw new Broken('body-too-long', `a body of ${length} bytes`, 'RFC 9110 8.6')
    } else {
      response.framing = 'close'
      response.keepAlive = false
    }
    this.#state = { none: 'head', length: 'fixed', chunked: 'chunk-size', close: 'until-close' }[
      response.framing
    ] as State
  }

  #body(piece: Buffer): void {
    this.#size += piece.length
    if (this.#size > this.#limit.bodyBytes)
      throw new Broken('body-too-long', `more than ${this.#limit.bodyBytes} bytes of body`, 'RFC 9110 8.6')
    this.#response.bodyBytes += piece.length
    if (this.#events.onBody !== undefined) this.#events.onBody(piece, this.#response)
    else this.#parts.push(piece)
  }

  #fixed(data: Buffer): number {
    const take = Math.min(this.#missing, data.length)
    this.#missing -= take
    if (this.#missing === 0) {
      this.#body(take === data.length ? data : data.subarray(0, take))
      this.#complete()
    } else this.#body(Buffer.from(data.subarray(0, take)))
    return take
  }

  #line(data: Buffer, what: string): string | undefined {
    const end = data.indexOf(LINE_END)
    if (end < 0 || end > 4096) {
      if (data.length > 4096)
        throw new Broken('chunk-line', `${what} is longer than 4096 bytes`, 'RFC 9112 7.1')
      const bare = data.indexOf(0x0a)
      if (bare >= 0 && (bare === 0 || data[bare - 1] !== 0x0d)) {
        throw new Broken('chunk-line', `${what} ends in LF without CR`, 'RFC 9112 7.1', bare)
      }
      return undefined
    }
    return data.toString('latin1', 0, end)
  }

  #chunkSize(data: Buffer): number {
    const line = this.#line(data, 'a chunk size')
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

  #chunkData(data: Buffer): number {
    const take = Math.min(this.#missing, data.length)
    this.#missing -= take
    this.#body(Buffer.from(data.subarray(0, take)))
    if (this.#missing === 0) this.#state = 'chunk-end'
    return take
  }

  #chunkEnd(data: Buffer): number {
    if (data.length < 2) return 0
    if (data[0] !== 0x0d || data[1] !== 0x0a)
      throw new Broken('chunk-end', 'chunk data is not followed by CRLF', 'RFC 9112 7.1')
    this.#response.bodyBytes += 2
    this.#state = 'chunk-size'
    return 2
  }

  #trailers(data: Buffer): number {
    const line = this.#line(data, 'a trailer')
    if (line === undefined) return 0
    this.#response.bodyBytes += line.length + 2
    if (line === '') {
      this.#complete()
      return 2
    }
    if (!FIELD.test(line))
      throw new Broken(
        'trailer',
        `not a trailer field: ${JSON.stringify(line.slice(0, 80))}`,
        'RFC 9112 7.1.2'
      )
    const at = line.indexOf(':')
    this.#response.trailers.push([line.slice(0, at), line.slice(at + 1).trim()])
    return line.length + 2
  }

  #complete(): void {
    const response = this.#response
    const parts = this.#parts
    response.body = parts.length === 0 ? EMPTY : parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    this.#parts = []
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
