/** One answer as a rule sees it: what was asked, what came, and how much of it is known. */
import type { HttpResponse } from '../../../wire/http1.ts'

/**
 * `whole`: a whole answer to a well-formed request. `head`: its body is not held. `malformed`: it answers a message
 * that is malformed behind its head. `h2`: an answer of HTTP/2, its fields as lines.
 */
export type Extent = 'whole' | 'head' | 'malformed' | 'h2'

/** Head of a request, as it was sent. */
export interface AskedHead {
  method: string
  target: string
  minor: 0 | 1
  fields: readonly (readonly [string, string])[]
  /** It keeps the grammar and has one Host (RFC 9112 3.2). */
  wellFormed: boolean
}

export interface Seen {
  /** The request, or more, as sent. */
  sent: string | Buffer
  request: AskedHead
  response: HttpResponse
  extent: Extent
}

/** A rule that one answer breaks. */
export interface PassiveBreach {
  rule: string
  /** Which of the rule's ways. */
  when: string
  /** What exactly was seen, in words. */
  what: string
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~\w]+) (\S+) HTTP\/1\.([01])$/
const FIELD = /^([!#$%&'*+\-.^_`|~\w]+):([\t\x20-\x7e\x80-\xff]*)$/
/** Longer heads may be refused for their length before anything of them is understood. */
const LONGEST_HEAD = 8192

/** @param sent the request, or more, as sent */
export function readRequest(sent: string | Buffer, response: HttpResponse): AskedHead {
  const text =
    typeof sent === 'string'
      ? sent.slice(0, 2 * LONGEST_HEAD)
      : sent.toString('latin1', 0, Math.min(sent.length, 2 * LONGEST_HEAD))
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, end < 0 ? text.length : end).split('\r\n')
  const line = REQUEST_LINE.exec(first)
  const fields: [string, string][] = []
  let wellFormed = line !== null && end >= 0 && end <= LONGEST_HEAD
  for (const one of lines) {
    const field = FIELD.exec(one)
    if (field === null) wellFormed = false
    else fields.push([field[1]!.toLowerCase(), field[2]!.trim()])
  }
  const minor = /^[^\r\n]* HTTP\/1\.0$/.test(first) ? 0 : 1
  const hosts = fields.filter(([name]) => name === 'host').length
  if (minor === 1 ? hosts !== 1 : hosts > 1) wellFormed = false
  return { method: response.method, target: line?.[2] ?? '', minor, fields, wellFormed }
}

export const asked = ({ request }: Seen, name: string): string | undefined =>
  request.fields.find(([field]) => field === name)?.[1]

/** The bytes of the request. */
export const sentOf = ({ sent }: Pick<Seen, 'sent'>): Buffer =>
  typeof sent === 'string' ? Buffer.from(sent, 'latin1') : sent

/** The answer's bytes, as far as they are held: status line and fields are exact. */
export function bytesOf({ response, extent }: Pick<Seen, 'response' | 'extent'>): Buffer {
  const heads = [...response.interim, response].map((one) => {
    const first =
      extent === 'h2' ? `:status: ${one.status}` : `HTTP/1.${one.minor} ${one.status} ${one.reason}`
    return `${[first, ...one.lines].join('\r\n')}\r\n\r\n`
  })
  return Buffer.concat([Buffer.from(heads.join(''), 'latin1'), response.body])
}
