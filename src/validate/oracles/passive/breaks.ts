/** Which rule bytes break that are no answer: the parser ends there and says why. Pure. */
import type { ParseError } from '../../../wire/http1.ts'
import type { PassiveBreach } from './seen.ts'

const SHOWN = 80
const FRAMES_BODY = /^(content-length|transfer-encoding)[ \t]*$/i
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
/** A status line but for what stands in its reason phrase. */
const STATUS = /^HTTP\/1\.[01] [1-9]\d\d (?=[\s\S]*[\x00-\x08\x0a-\x1f\x7f])/
const VERSION = /^HTTP\/(\d+(?:\.\d+)?) /
/** A server may tell an idle client so before it closes (RFC 9110 15.5.9). */
const IDLE = 408

const shown = (text: string): string =>
  JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text)
const linesOf = (text: string): string[] => text.split('\r\n\r\n', 1)[0]!.split('\r\n').slice(1)
const statusOf = (text: string): number => Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0)

/** Values of a field in a head that need not be right. */
function values(text: string, name: string): string[] {
  const prefix = `${name}:`
  return linesOf(text).flatMap((line) =>
    line.toLowerCase().startsWith(prefix) ? [line.slice(prefix.length).trim()] : []
  )
}

/**
 * @param alone the bytes can only be of the answer to the one request that was sent; where it is not known how many
 * requests the server read, what follows an answer is no breach
 * @returns undefined where no rule tells of it: a limit of ours, or the end of a connection
 */
export function breachOf(error: ParseError, alone: boolean): PassiveBreach | undefined {
  const text = error.text ?? ''
  const breach = (rule: string, when: string, what: string = error.message): PassiveBreach => ({
    rule: `answer-${rule}`,
    when,
    what
  })
  if (error.in === 'body') {
    if (error.rule === 'truncated') {
      if (!alone) return undefined
      if (error.response?.framing === 'chunked') return breach('chunk-grammar', 'cut')
      const { announced = 0, bodyBytes = 0 } = error.response ?? {}
      return breach('length-bytes', 'fewer', `Content-Length: ${announced}, ${bodyBytes} bytes came`)
    }
    return /^(chunk-|trailer$)/.test(error.rule) ? breach('chunk-grammar', 'grammar') : undefined
  }
  if (!text.startsWith('HTTP/'.slice(0, Math.min(5, text.length))) || text === '')
    return behind(error, text, alone, breach)
  switch (error.rule) {
    case 'framing-in-1xx':
    case 'framing-in-204': {
      const [length] = values(text, 'content-length')
      if (length === undefined)
        return breach(
          '1xx-204-coding',
          'sent',
          `${statusOf(text)}, Transfer-Encoding: ${shown(values(text, 'transfer-encoding')[0] ?? '')}`
        )
      return breach(
        '1xx-204-length',
        Number(length) > 0 ? 'some' : 'zero',
        `${statusOf(text)}, Content-Length: ${length}`
      )
    }
    case 'two-lengths': {
      const all = values(text, 'content-length')
      return breach('two-lengths', new Set(all).size > 1 ? 'different' : 'same', all.map(shown).join(' and '))
    }
    case 'length-and-coding':
      return breach(
        'length-and-coding',
        'both',
        `Content-Length: ${values(text, 'content-length').join(', ')} and Transfer-Encoding: ${values(text, 'transfer-encoding').join(', ')}`
      )
    case 'content-length':
      return breach('length-syntax', 'syntax')
    case 'obs-fold':
      return breach('obs-fold', 'fold')
    case 'control-in-field':
      return breach('control', 'cr-lf-nul')
    case 'bare-lf':
      return breach('control', 'line-end')
    case 'space-before-colon': {
      const name =
        linesOf(text)
          .map((line) => line.split(':', 1)[0]!)
          .find((one) => /[ \t]$/.test(one)) ?? ''
      return breach('space-colon', FRAMES_BODY.test(name) ? 'framing' : 'space')
    }
    case 'field': {
      const bad =
        linesOf(text).find((line) => !/^[!#$%&'*+\-.^_`|~\w]+:[\t\x20-\x7e\x80-\xff]*$/.test(line)) ?? ''
      const at = bad.indexOf(':')
      return at > 0 && TOKEN.test(bad.slice(0, at))
        ? breach('control', 'control')
        : breach('field-name', 'name')
    }
    case 'status-line': {
      const [first = ''] = text.split('\r\n', 1)
      if (STATUS.test(first)) return breach('reason', /[\r\n\0]/.test(first) ? 'cr-lf-nul' : 'control')
      const version = VERSION.exec(first)?.[1]
      if (version !== undefined && version !== '1.0' && version !== '1.1') return breach('version', 'version')
      return breach('status-line', 'grammar')
    }
    case 'after-close':
      return alone ? breach('close', 'goes-on', shown(text.split('\r\n', 1)[0]!)) : undefined
    case 'unasked':
    case 'stray-bytes': {
      const status = statusOf(text)
      if (!alone || status === IDLE || status === 0) return undefined
      const after =
        error.response === undefined ? '' : ` after the ${error.response.status} to ${error.response.method}`
      return status < 200
        ? breach('1xx-late', 'late', `${status}${after}`)
        : breach('twice', 'twice', `${shown(text.split('\r\n', 1)[0]!)}${after}`)
    }
    default:
      return undefined
  }
}

/** Bytes that begin like no answer: they stand behind one, or in place of one. */
function behind(
  error: ParseError,
  text: string,
  alone: boolean,
  breach: (rule: string, when: string, what?: string) => PassiveBreach
): PassiveBreach | undefined {
  const { response } = error
  if (text === '') return undefined
  const what = shown(text)
  if (!alone) return undefined
  if (response === undefined) return breach('status-line', 'none', what)
  const after = `${what} behind the ${response.status} to ${response.method}`
  const closing = !response.keepAlive
  if (response.framing === 'none') return breach('no-body', closing ? 'closing' : 'body', after)
  if (response.framing === 'chunked')
    return closing ? breach('after-last-chunk', 'bytes', after) : breach('chunk-grammar', 'behind', after)
  return breach('length-bytes', closing ? 'closing' : 'more', after)
}
