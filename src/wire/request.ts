/**
 * A strict reader of requests (RFC 9112): what a message is, by the letter and not by any server's leniency. It says
 * whether bytes are whole valid requests, the begin of some, or break which rule first.
 */

/** The first rule that the bytes break. */
export interface RequestFault {
  /** Short name, stable: `chunk-size`. */
  rule: string
  message: string
  /** Document and section. */
  standard: string
  /** Offset of the request in which it stands. */
  at: number
}

export interface ReadRequest {
  method: string
  target: string
  /** `1.1` */
  version: string
  /** In order, values without surrounding blanks. */
  fields: [name: string, value: string][]
  trailers: [name: string, value: string][]
  body: Buffer
  framing: 'none' | 'length' | 'chunked'
  /** Offset, and length of head and of everything. */
  at: number
  headBytes: number
  bytes: number
}

export interface ReadRequests {
  requests: ReadRequest[]
  fault?: RequestFault
  /** The bytes end within a request that breaks no rule so far. */
  unfinished: boolean
}

class Fault extends Error {
  readonly fault: Omit<RequestFault, 'at'>
  constructor(rule: string, message: string, standard: string) {
    super(message)
    this.fault = { rule, message, standard }
  }
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** pchar, "/" and "?" of RFC 3986, and the brackets of an IPv6 address. */
const TARGET = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?[\]]|%[0-9A-Fa-f]{2})+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const HOST = /^(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*|\[[0-9A-Fa-f:.]+\])(?::\d*)?$/
/** chunk-ext of RFC 9112 7.1.1, with the blanks that it allows. */
const EXTENSION =
  /^(?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*=[ \t]*(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"))?)*$/
/** Digits of a size that is still a number. */
const MOST_DIGITS = 15

/** Reads all that the bytes hold. */
export function readRequests(bytes: Buffer): ReadRequests {
  const text = bytes.toString('latin1')
  const requests: ReadRequest[] = []
  let at = 0
  while (at < text.length) {
    try {
      const read = readOne(text, at)
      if (read === undefined) return { requests, unfinished: true }
      requests.push(read)
      at = read.at + read.bytes
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return { requests, unfinished: false, fault: { ...error.fault, at } }
    }
  }
  return { requests, unfinished: false }
}

/** What the bytes are, in one word that stays the same when they are made smaller: `valid`, `unfinished`, or the rule. */
export function claimOf(bytes: Buffer): string {
  const { fault, unfinished } = readRequests(bytes)
  return fault?.rule ?? (unfinished ? 'unfinished' : 'valid')
}

/** One request from the offset on; undefined where it is not whole. */
function readOne(text: string, from: number): ReadRequest | undefined {
  // 2.2: a server should ignore an empty line before the request line.
  let at = from
  while (text.startsWith('\r\n', at)) at += 2
  if (at >= text.length) return undefined
  const end = text.indexOf('\r\n\r\n', at)
  const known = text.slice(at, end < 0 ? undefined : end)
  checkLineEnds(known, end < 0)
  if (end < 0) {
    // What is whole of it can be judged already.
    const lines = known.split('\r\n').slice(0, -1)
    if (lines.length > 0) readHead(lines)
    return undefined
  }
  const head = readHead(known.split('\r\n'))
  const start = end + 4
  const framing = framingOf(head)
  const body = readBody(text, start, framing)
  if (body === undefined) return undefined
  const { method, target, version, fields } = head
  return {
    method,
    target,
    version,
    fields,
    trailers: body.trailers,
    body: Buffer.from(body.content, 'latin1'),
    framing: framing === 'chunked' ? 'chunked' : framing === undefined ? 'none' : 'length',
    at: from,
    headBytes: start - from,
    bytes: body.end - from
  }
}

function checkLineEnds(known: string, open: boolean): void {
  if (/(?:^|[^\r])\n/.test(known)) throw new Fault('bare-lf', 'a line ends with LF alone', 'RFC 9112 2.2')
  const cr = open ? /\r(?!\n|$)/ : /\r(?!\n)/
  if (cr.test(known)) throw new Fault('bare-cr', 'a CR stands without LF', 'RFC 9112 2.2')
}

interface Head {
  method: string
  target: string
  version: string
  fields: [string, string][]
}

function readHead(lines: readonly string[]): Head {
  const [first = '', ...rest] = lines
  return { ...readRequestLine(first), fields: rest.map(readFieldLine) }
}

function readRequestLine(line: string): Omit<Head, 'fields'> {
  const fault = (message: string): Fault => new Fault('request-line', message, 'RFC 9112 3')
  const parts = line.split(' ')
  if (parts.length !== 3) throw fault(`${parts.length} parts between single spaces, not three`)
  const [method = '', target = '', version = ''] = parts
  if (!TOKEN.test(method)) throw new Fault('method', `${JSON.stringify(method)} is no token`, 'RFC 9110 9.1')
  const match = /^HTTP\/(\d)\.(\d)$/.exec(version)
  if (match === null)
    throw new Fault('version', `${JSON.stringify(version)} is no HTTP version`, 'RFC 9112 2.3')
  if (match[1] !== '1')
    throw new Fault('version-major', `HTTP/${match[1]!} is not sent like this`, 'RFC 9110 2.5')
  checkTarget(method, target)
  return { method, target, version: `1.${match[2]!}` }
}

function checkTarget(method: string, target: string): void {
  const fault = (message: string): Fault => new Fault('target', message, 'RFC 9112 3.2')
  if (!TARGET.test(target)) throw fault(`${JSON.stringify(target.slice(0, 60))} holds what no URI holds`)
  if (method === 'CONNECT') {
    if (!/^[^/?]+:\d+$/.test(target)) throw fault('CONNECT takes HOST:PORT')
    return
  }
  if (target === '*') {
    if (method !== 'OPTIONS') throw fault('"*" goes with OPTIONS')
    return
  }
  if (!target.startsWith('/') && !/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?]+/.test(target))
    throw fault('neither a path nor an absolute URI')
}

function readFieldLine(line: string, index = 1): [string, string] {
  if (/^[ \t]/.test(line)) {
    if (index === 0)
      throw new Fault('blank-before-fields', 'blanks before the first field line', 'RFC 9112 2.2')
    throw new Fault('obs-fold', 'a field line is folded', 'RFC 9112 5.2')
  }
  const colon = line.indexOf(':')
  if (colon < 0) throw new Fault('field-line', 'a field line without colon', 'RFC 9112 5')
  const name = line.slice(0, colon)
  if (/[ \t]$/.test(name))
    throw new Fault('blank-before-colon', 'a blank between name and colon', 'RFC 9112 5.1')
  if (!TOKEN.test(name))
    throw new Fault('field-name', `the name ${JSON.stringify(name)} is no token`, 'RFC 9110 5.1')
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
  if (!VALUE.test(value))
    throw new Fault('field-value', `the value of ${name} holds a control character`, 'RFC 9110 5.5')
  return [name, value]
}

const valuesOf = ({ fields }: Head, name: string): string[] =>
  fields.flatMap(([key, value]) => (key.toLowerCase() === name ? [value] : []))

/** `undefined` for no body (6.3), a length, or chunked. */
function framingOf(head: Head): number | 'chunked' | undefined {
  checkHost(head)
  const length = lengthOf(valuesOf(head, 'content-length'))
  const codings = valuesOf(head, 'transfer-encoding')
  if (codings.length === 0) return length
  if (length !== undefined)
    throw new Fault('length-and-coding', 'Content-Length and Transfer-Encoding', 'RFC 9112 6.3')
  if (head.version === '1.0')
    throw new Fault('coding-in-1.0', 'Transfer-Encoding in an HTTP/1.0 message', 'RFC 9112 6.1')
  const list = codings
    .join(',')
    .split(',')
    .map((coding) => coding.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((coding) => coding !== '')
  const names = list.map((coding) => coding.toLowerCase())
  const known = names.filter((name) => name === 'chunked').length
  if (known > 1) throw new Fault('coding-twice', 'chunked is applied twice', 'RFC 9112 6.1')
  if (names.at(-1) !== 'chunked')
    throw new Fault(
      known > 0 ? 'coding-not-final' : 'coding',
      `the final coding is not chunked: ${JSON.stringify(list.join(', '))}`,
      'RFC 9112 6.3'
    )
  if (!names.every((name) => TOKEN.test(name)))
    throw new Fault('coding', `${JSON.stringify(list.join(', '))} is no list of codings`, 'RFC 9112 6.1')
  return 'chunked'
}

function checkHost(head: Head): void {
  const hosts = valuesOf(head, 'host')
  if (hosts.length > 1) throw new Fault('host-twice', 'Host stands twice', 'RFC 9112 3.2')
  if (hosts.length === 0 && head.version !== '1.0')
    throw new Fault('host-missing', 'there is no Host', 'RFC 9112 3.2')
  if (hosts.some((host) => !HOST.test(host)))
    throw new Fault('host-value', `${JSON.stringify(hosts[0])} is no host and port`, 'RFC 9112 3.2')
}

function lengthOf(values: readonly string[]): number | undefined {
  const [first] = values
  if (first === undefined) return undefined
  const parts = values.flatMap((value) =>
    value.split(',').map((part) => part.replace(/^[ \t]+|[ \t]+$/g, ''))
  )
  if (parts.some((part) => !/^\d+$/.test(part)))
    throw new Fault('length', `${JSON.stringify(values.join(', '))} is no length`, 'RFC 9112 6.3')
  if (parts.some((part) => part !== first))
    throw new Fault(
      parts.length > 1 && parts.every((part) => part === parts[0]) ? 'length-repeated' : 'length-differs',
      `Content-Length ${values.join(', ')}`,
      'RFC 9112 6.3'
    )
  if (parts.length > 1)
    throw new Fault('length-repeated', `Content-Length ${values.join(', ')}`, 'RFC 9112 6.3')
  if (first.replace(/^0+/, '').length > MOST_DIGITS)
    throw new Fault('length-overflow', `Content-Length ${first} is more than a number holds`, 'RFC 9110 8.6')
  return Number(first)
}

interface Body {
  content: string
  trailers: [string, string][]
  /** Offset behind it. */
  end: number
}

function readBody(text: string, start: number, framing: number | 'chunked' | undefined): Body | undefined {
  if (framing !== 'chunked') {
    const end = start + (framing ?? 0)
    return end > text.length ? undefined : { content: text.slice(start, end), trailers: [], end }
  }
  let content = ''
  let at = start
  for (;;) {
    const line = lineAt(text, at, 'chunk-line')
    if (line === undefined) return undefined
    const size = chunkSize(line.text)
    at = line.end
    if (size === 0) break
    if (at + size > text.length) return undefined
    content += text.slice(at, at + size)
    at += size
    const behind = text.slice(at, at + 2)
    if (!'\r\n'.startsWith(behind))
      throw new Fault('chunk-data', 'no CRLF behind the data of a chunk', 'RFC 9112 7.1')
    if (behind.length < 2) return undefined
    at += 2
  }
  const trailers: [string, string][] = []
  for (;;) {
    const line = lineAt(text, at, 'trailer')
    if (line === undefined) return undefined
    at = line.end
    if (line.text === '') return { content, trailers, end: at }
    trailers.push(readTrailer(line.text))
  }
}

function readTrailer(line: string): [string, string] {
  try {
    return readFieldLine(line)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw new Fault('trailer', error.message, 'RFC 9112 7.1.2')
  }
}

/** A line that ends with CRLF; undefined where its end has not come. */
function lineAt(text: string, at: number, rule: string): { text: string; end: number } | undefined {
  const end = text.indexOf('\r\n', at)
  const line = text.slice(at, end < 0 ? undefined : end)
  if (line.includes('\n')) throw new Fault(rule, 'a line ends with LF alone', 'RFC 9112 7.1')
  if (/\r(?!$)/.test(line) || (end >= 0 && line.includes('\r')))
    throw new Fault(rule, 'a CR stands without LF', 'RFC 9112 7.1')
  return end < 0 ? undefined : { text: line, end: end + 2 }
}

function chunkSize(line: string): number {
  const digits = /^[0-9A-Fa-f]+/.exec(line)?.[0] ?? ''
  if (digits === '')
    throw new Fault('chunk-size', `${JSON.stringify(line.slice(0, 40))} begins with no size`, 'RFC 9112 7.1')
  const rest = line.slice(digits.length)
  if (rest !== '' && !/^[ \t]*;/.test(rest))
    throw new Fault('chunk-size', `${JSON.stringify(line.slice(0, 40))} is no size`, 'RFC 9112 7.1')
  if (!EXTENSION.test(rest))
    throw new Fault(
      'chunk-extension',
      `${JSON.stringify(rest.slice(0, 40))} is no extension`,
      'RFC 9112 7.1.1'
    )
  if (digits.replace(/^0+/, '').length > 12)
    throw new Fault('chunk-overflow', `a chunk of 0x${digits} bytes`, 'RFC 9112 7.1')
  return Number.parseInt(digits, 16)
}
