/** The fields of a request over HTTP/2 as a strict server reads them (RFC 9113 8): the first rule that they break. */
import type { Field } from '../../../wire/hpack.ts'

/** RFC 9113 8.3.1; no case sends CONNECT, which has others. */
const PSEUDO = [':method', ':scheme', ':authority', ':path']
const DEMANDED = [':method', ':scheme', ':path']
/** RFC 9113 8.2.2 */
const OF_CONNECTION = ['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade']
/** RFC 9110 5.6.2, in lower case. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** What no value may hold (RFC 9113 8.2.1). */
const HELD: readonly [character: string, name: string][] = [
  ['\0', 'NUL'],
  ['\r', 'CR'],
  ['\n', 'LF']
]

/** Of the head of a request (RFC 9113 8.2, 8.3; RFC 9110 8.6). */
export function headFault(fields: readonly Field[]): string | undefined {
  const seen = new Map<string, string>()
  let plain = false
  for (const [name, value] of fields) {
    const pseudo = name.startsWith(':')
    const fault = pseudo ? pseudoFault(name, seen, plain) : fieldFault(name, value)
    if (fault !== undefined) return fault
    const wrong = valueFault(value)
    if (wrong !== undefined) return wrong
    plain ||= !pseudo
    if (pseudo) seen.set(name, value)
  }
  for (const name of DEMANDED) {
    if (!seen.has(name)) return `pseudo-field ${name} missing`
    if (seen.get(name) === '') return `pseudo-field ${name} empty`
  }
  return targetFault(fields, seen)
}

/** Of trailers, which end the request (RFC 9113 8.1). */
export function trailersFault(fields: readonly Field[]): string | undefined {
  for (const [name, value] of fields) {
    if (name.startsWith(':')) return 'pseudo-field in trailers'
    const fault = fieldFault(name, value) ?? valueFault(value)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** The length that a request declares. */
export function lengthOf(fields: readonly Field[]): number | undefined {
  const value = fields.find(([name]) => name === 'content-length')?.[1]
  return value === undefined ? undefined : Number(value)
}

function pseudoFault(name: string, seen: ReadonlyMap<string, string>, late: boolean): string | undefined {
  if (!PSEUDO.includes(name)) return `pseudo-field ${name} unknown`
  if (seen.has(name)) return `pseudo-field ${name} twice`
  return late ? `pseudo-field ${name} late` : undefined
}

function fieldFault(name: string, value: string): string | undefined {
  if (/[A-Z]/.test(name)) return 'name in upper case'
  if (!TOKEN.test(name)) return 'name characters'
  if (OF_CONNECTION.includes(name) || (name === 'te' && value.toLowerCase() !== 'trailers'))
    return `connection field ${name}`
  return name === 'content-length' && !/^\d+$/.test(value) ? 'content-length is no number' : undefined
}

function valueFault(value: string): string | undefined {
  const held = HELD.find(([character]) => value.includes(character))
  if (held !== undefined) return `value holds ${held[1]}`
  return /^[ \t]|[ \t]$/.test(value) ? 'white space around a value' : undefined
}

/** What names the resource (RFC 9113 8.3.1), and a second length. */
function targetFault(fields: readonly Field[], pseudo: ReadonlyMap<string, string>): string | undefined {
  const values = (name: string): Set<string> =>
    new Set(fields.flatMap(([key, value]) => (key === name ? [value] : [])))
  if (values('content-length').size > 1) return 'content-length twice'
  const path = pseudo.get(':path')!
  const asterisk = path === '*' && pseudo.get(':method') === 'OPTIONS'
  if (!asterisk && !/^\/[\x21-\x7e]*$/.test(path)) return 'syntax of :path'
  const authority = pseudo.get(':authority')
  const hosts = values('host')
  if (authority !== undefined && hosts.size > 0 && (hosts.size > 1 || !hosts.has(authority)))
    return 'host other than :authority'
  return undefined
}
