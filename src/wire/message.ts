/** An HTTP/1 response as a value, and requests as bytes. */
const EMPTY = Buffer.alloc(0)
const COLON = 0x3a
const NO_TRAILERS: readonly [string, string][] = []
const NO_INTERIM: readonly HttpResponse[] = []

export interface ParseError {
  /** Bytes from the start of the response in which the rule is broken. */
  offset: number
  /** Stable id of the rule: `bare-lf`. */
  rule: string
  message: string
  standard: string
  /** The bytes at the fault, latin1: the whole head, or what came of it; in a body what the parser held. */
  text?: string
  /** The response in whose body the rule is broken; where it is broken at a head, the one that was complete before. */
  response?: HttpResponse
  in?: 'head' | 'body'
}

export type Framing = 'length' | 'chunked' | 'close' | 'none'

export class HttpResponse {
  readonly method: string
  readonly minor: 0 | 1
  readonly status: number
  readonly reason: string
  /** Field lines as they came, latin1. */
  readonly lines: readonly string[]
  readonly headBytes: number
  framing: Framing = 'none'
  /** Bytes of the body as the Content-Length says; 0 where another framing holds. */
  announced = 0
  body: Buffer = EMPTY
  /** Bytes of the body on the wire, chunk framing included. */
  bodyBytes = 0
  trailers: readonly [string, string][] = NO_TRAILERS
  /** The server keeps the connection open after this response, by its own words. */
  keepAlive = true
  /** 1xx responses that came before. */
  interim: readonly HttpResponse[] = NO_INTERIM
  /** It has a Set-Cookie field. */
  setsCookies = false
  /** A hash of the names of its fields, in order: answers of one kind have one. */
  shape = 0

  constructor(
    method: string,
    minor: 0 | 1,
    status: number,
    reason: string,
    lines: readonly string[],
    headBytes: number
  ) {
    this.method = method
    this.minor = minor
    this.status = status
    this.reason = reason
    this.lines = lines
    this.headBytes = headBytes
  }

  /** First value of a field, or undefined. @param name in lower case */
  header(name: string): string | undefined {
    for (const line of this.lines) {
      if (line.charCodeAt(name.length) === COLON && line.slice(0, name.length).toLowerCase() === name) {
        return line.slice(name.length + 1).trim()
      }
    }
    return undefined
  }

  headerValues(name: string): string[] {
    const values: string[] = []
    for (const line of this.lines) {
      if (line.charCodeAt(name.length) === COLON && line.slice(0, name.length).toLowerCase() === name) {
        values.push(line.slice(name.length + 1).trim())
      }
    }
    return values
  }

  rawHeaders(): [string, string][] {
    return this.lines.map((line) => {
      const at = line.indexOf(':')
      return [line.slice(0, at), line.slice(at + 1).trim()]
    })
  }
}

/** A request as bytes; the caller answers for its correctness. */
export function formatRequest(request: {
  method: string
  target: string
  headers: readonly (readonly [string, string])[]
  body?: Buffer | string
}): Buffer {
  const head = [
    `${request.method} ${request.target} HTTP/1.1`,
    ...request.headers.map(([name, value]) => `${name}: ${value}`),
    '',
    ''
  ].join('\r\n')
  const body = typeof request.body === 'string' ? Buffer.from(request.body) : (request.body ?? EMPTY)
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}
