/** The head of an HTTP/1 response, read by all rules (RFC 9110 5, RFC 9112 2 to 6). */
import { HttpResponse, type ParseError } from './message.ts'

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d) ([\t\x20-\x7e\x80-\xff]*)$/
export const FIELD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/
const DIGITS = /^\d{1,15}$/
/** Heads that are remembered, one of each length. */
const KNOWN_HEADS = 64

const CR = 0x0d
const LF = 0x0a

/** A rule is broken; the parser ends with it. */
export class Broken extends Error {
  readonly error: ParseError
  constructor(rule: string, message: string, standard: string, offset = 0) {
    super(message)
    this.error = { rule, message, standard, offset }
  }
}

export interface HeadLimits {
  fields: number
  bodyBytes: number
}

/** A head that was read and found right; the same bytes need no second look. */
interface Known {
  text: string
  method: string
  like: HttpResponse
}

/** Reads heads, and remembers those of final responses. */
export class Heads {
  readonly #known = new Map<number, Known>()
  #last: Known | undefined

  /** The head at `at`, where it is the one that was read last; a guess that costs less than a search. */
  same(data: Buffer, at: number, method: string | undefined): HttpResponse | undefined {
    const last = this.#last
    if (last === undefined || last.method !== method) return undefined
    const end = at + last.text.length
    if (data[end] !== CR || data[end + 1] !== LF || data[end + 2] !== CR || data[end + 3] !== LF)
      return undefined
    return data.toString('latin1', at, end) === last.text ? copyOf(last.like) : undefined
  }

  /**
   * @param text the head without the empty line, latin1
   * @param method of the request that it answers
   * @throws Broken
   */
  read(text: string, method: string | undefined, limits: HeadLimits): HttpResponse {
    const known = this.#known.get(text.length)
    if (known !== undefined && known.text === text && known.method === method) {
      this.#last = known
      return copyOf(known.like)
    }
    let response: HttpResponse
    try {
      response = readHead(text, method, limits)
    } catch (error) {
      if (error instanceof Broken) error.error.text = text
      throw error
    }
    if (response.status >= 200) {
      if (this.#known.size >= KNOWN_HEADS) this.#known.clear()
      this.#last = { text, method: response.method, like: copyOf(response) }
      this.#known.set(text.length, this.#last)
    }
    return response
  }
}

function copyOf(like: HttpResponse): HttpResponse {
  const response = new HttpResponse(
    like.method,
    like.minor,
    like.status,
    like.reason,
    like.lines,
    like.headBytes
  )
  response.framing = like.framing
  response.announced = like.announced
  response.keepAlive = like.keepAlive
  response.setsCookies = like.setsCookies
  response.shape = like.shape
  return response
}

/** What can be said of a head whose end is not there (`end` below 0) or is too far. @throws Broken */
export function checkUnfinished(data: Buffer, end: number, most: number): void {
  if (data.length > most || end >= 0)
    throw new Broken('head-too-long', `the head is longer than ${most} bytes`, 'RFC 9112 2.1')
  const bare = data.indexOf('\n\n', 0, 'latin1')
  if (bare >= 0) throw new Broken('bare-lf', 'lines of the head end in LF without CR', 'RFC 9112 2.2', bare)
  if (data.length >= 5 && data.toString('latin1', 0, 5) !== 'HTTP/')
    throw new Broken('status-line', 'the answer does not begin with HTTP/', 'RFC 9112 4')
}

function readHead(text: string, method: string | undefined, limits: HeadLimits): HttpResponse {
  const lines = text.split('\r\n')
  const first = lines.shift()!
  const statusLine = STATUS_LINE.exec(first)
  if (statusLine === null)
    throw new Broken('status-line', `not a status line: ${JSON.stringify(first.slice(0, 80))}`, 'RFC 9112 4')
  if (lines.length > limits.fields)
    throw new Broken('too-many-fields', `${lines.length} fields`, 'RFC 9110 5.4')
  const status = Number(statusLine[2])
  if (method === undefined)
    throw new Broken('unasked', `a response (${status}) that no request asked for`, 'RFC 9112 9.2')
  const minor = statusLine[1] === '0' ? 0 : 1
  const response = new HttpResponse(method, minor, status, statusLine[3]!, lines, text.length + 4)
  checkFields(lines)
  if (status >= 200 || status === 101) frame(response, limits)
  else if (
    response.header('content-length') !== undefined ||
    response.header('transfer-encoding') !== undefined
  ) {
    throw new Broken('framing-in-1xx', `Content-Length or Transfer-Encoding in a ${status}`, 'RFC 9110 8.6')
  }
  return response
}

function checkFields(lines: readonly string[]): void {
  for (const [at, line] of lines.entries()) {
    if (FIELD.test(line)) continue
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

/** How the body ends (RFC 9112 6.3) and whether the connection stays. */
function frame(response: HttpResponse, limits: HeadLimits): void {
  const { method, status } = response
  let length: string | undefined
  let coding: string | undefined
  let connection = ''
  let shape = 0
  for (const line of response.lines) {
    const first = line.charCodeAt(0) | 0x20
    shape = (Math.imul(shape, 31) + first + 128 * line.indexOf(':')) | 0
    if (first === 0x63) {
      const low = line.slice(0, 15).toLowerCase()
      if (low === 'content-length:') {
        const value = line.slice(15).trim()
        if (!DIGITS.test(value))
          throw new Broken('content-length', `Content-Length is ${JSON.stringify(value)}`, 'RFC 9110 8.6')
        if (length !== undefined) throw new Broken('two-lengths', 'two Content-Length fields', 'RFC 9112 6.3')
        length = value
      } else if (low.startsWith('connection:')) connection += `,${line.slice(11).toLowerCase()}`
    } else if (first === 0x74 && line.slice(0, 18).toLowerCase() === 'transfer-encoding:') {
      coding =
        coding === undefined
          ? line.slice(18).trim().toLowerCase()
          : `${coding}, ${line.slice(18).trim().toLowerCase()}`
    } else if (first === 0x73 && line.slice(0, 11).toLowerCase() === 'set-cookie:')
      response.setsCookies = true
  }
  response.shape = shape
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
    response.announced = Number(length)
    if (response.announced > limits.bodyBytes)
      throw new Broken('body-too-long', `a body of ${length} bytes`, 'RFC 9110 8.6')
  } else {
    response.framing = 'close'
    response.keepAlive = false
  }
}
