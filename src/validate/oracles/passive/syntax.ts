/** Grammars of field values that the passive rules ask for. */

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const IMF =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:(\d\d) GMT$/
const MEDIA_TYPE =
  /^[!#$%&'*+\-.^_`|~\w]+\/[!#$%&'*+\-.^_`|~\w]+(?:[ \t]*;[ \t]*(?:[!#$%&'*+\-.^_`|~\w]+=(?:[!#$%&'*+\-.^_`|~\w]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"))?)*$/
/** Characters of RFC 3986; brackets stand in hosts only, which many do not keep and no reader minds. */
const URI_REFERENCE =
  /^(?:[A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*(?:#(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)?$/
const COOKIE_VALUE =
  /^(?:[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*|"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")$/
const BYTE_RANGE = /^bytes (\d+)-(\d+)\/(\d+|\*)$/

export const isToken = (text: string): boolean => TOKEN.test(text)

/** IMF-fixdate (RFC 9110 5.6.7), of a day that there is and with its own weekday; a leap second passes. */
export function isFixdate(value: string): boolean {
  const match = IMF.exec(value)
  if (match === null) return false
  if (match[3] === '60') return true
  const at = Date.parse(value)
  return !Number.isNaN(at) && new Date(at).toUTCString() === value
}

/** media-type (RFC 9110 8.3.1). */
export const isMediaType = (value: string): boolean => MEDIA_TYPE.test(value)

/** URI-reference (RFC 3986 4.1), by its characters. */
export const isUriReference = (value: string): boolean => URI_REFERENCE.test(value)

/** set-cookie-string (RFC 6265 4.1.1): what is wrong with it, or undefined. Max-Age=0 passes, for everybody reads it. */
export function wrongCookie(value: string): string | undefined {
  const [pair = '', ...attributes] = value.split(';')
  const at = pair.indexOf('=')
  if (at <= 0 || !isToken(pair.slice(0, at))) return 'the name is no token'
  if (!COOKIE_VALUE.test(pair.slice(at + 1))) return 'the value holds what no cookie may hold'
  for (const attribute of attributes) {
    if (!/^ [^\x00-\x1f\x7f]+$/.test(attribute))
      return `an attribute does not follow "; ": ${attribute.slice(0, 40)}`
    const [, name = '', of = ''] = /^ ([^=]*)=?(.*)$/.exec(attribute) ?? []
    if (/^expires$/i.test(name) && !isFixdate(of)) return `Expires is no IMF-fixdate: ${of.slice(0, 40)}`
    if (/^max-age$/i.test(name) && !/^-?\d+$/.test(of)) return `Max-Age is no number: ${of.slice(0, 40)}`
  }
  return undefined
}

/** Name of the cookie that a Set-Cookie line sets. */
export const cookieName = (value: string): string => value.slice(0, value.indexOf('='))

/**
 * Content-Range of a 206 (RFC 9110 14.4): what is wrong with it, or undefined.
 * @param bytes length of the body, where it is known
 */
export function wrongRange(value: string, bytes: number | undefined): string | undefined {
  if (!value.startsWith('bytes '))
    return /^[!#$%&'*+\-.^_`|~\w]+ \S/.test(value) ? undefined : `no range: ${value}`
  const match = BYTE_RANGE.exec(value)
  if (match === null) return `no byte range: ${value}`
  const [first, last, complete] = [Number(match[1]), Number(match[2]), Number(match[3])]
  if (last < first || last >= complete) return `no range within the whole: ${value}`
  if (bytes !== undefined && bytes !== last - first + 1) return `${value}, and ${bytes} bytes in the body`
  return undefined
}

/** The members of a comma-separated list, lower case. */
export function members(list: string): string[] {
  return list
    .split(',')
    .map((member) => member.trim().toLowerCase())
    .filter((member) => member !== '')
}
