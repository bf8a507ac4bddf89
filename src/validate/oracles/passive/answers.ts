/** The rules of one answer alone: to which it applies, and how it breaks them. Pure. */
import { asked, type PassiveBreach, type Seen } from './seen.ts'
import {
  cookieName,
  isFixdate,
  isMediaType,
  isUriReference,
  members,
  wrongCookie,
  wrongRange
} from './syntax.ts'

interface Look {
  /** Some rules know an answer of this kind only from the parser, which ends at a breach; there is nothing more to see. */
  applies(seen: Seen): boolean
  /** `when` and what was seen. */
  broken?(seen: Seen): [when: string, what: string] | undefined
}

/** Fields that describe framing, routing, authentication, controls or content (RFC 9110 6.5.1). */
const NOT_IN_TRAILERS = new Set([
  'transfer-encoding',
  'content-length',
  'host',
  'trailer',
  'connection',
  'authorization',
  'www-authenticate',
  'proxy-authenticate',
  'proxy-authorization',
  'set-cookie',
  'cache-control',
  'location',
  'vary',
  'content-encoding',
  'content-type',
  'content-range'
])
const REDIRECTS = new Set([301, 302, 303, 307, 308])
const SHOWN = 80

const shown = (text: string): string =>
  JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text)
const always = (): boolean => true
const http1 = ({ extent }: Seen): boolean => extent !== 'h2'
const status =
  (...wanted: number[]) =>
  ({ response }: Seen): boolean =>
    wanted.includes(response.status)

/** Applies to a status that must come with a field. */
function needs(of: number, name: string, alsoEmpty = false): Look {
  return {
    applies: status(of),
    broken: ({ response, request }) => {
      const value = response.header(name)
      return value === undefined || (value === '' && !alsoEmpty)
        ? ['absent', `${request.method} ${shown(request.target)} is answered ${of}`]
        : undefined
    }
  }
}

const framing: Record<string, Look> = {
  'answer-1xx-204-length': {
    applies: ({ response }) => response.interim.length > 0 || [101, 204].includes(response.status),
    broken: ({ response }) => {
      const length = response.status === 101 ? response.header('content-length') : undefined
      return length === undefined
        ? undefined
        : [Number(length) > 0 ? 'some' : 'zero', `101, Content-Length: ${length}`]
    }
  },
  'answer-1xx-204-coding': {
    applies: ({ response }) => response.interim.length > 0 || [101, 204].includes(response.status),
    broken: ({ response }) => {
      const coding = response.status === 101 ? response.header('transfer-encoding') : undefined
      return coding === undefined ? undefined : ['sent', `101, Transfer-Encoding: ${shown(coding)}`]
    }
  },
  'answer-no-body': {
    applies: ({ response }) => response.method === 'HEAD' || [204, 304].includes(response.status)
  },
  'answer-length-bytes': {
    applies: ({ response, extent }) => response.framing === 'length' && extent !== 'head'
  },
  'answer-two-lengths': { applies: always },
  'answer-length-and-coding': { applies: always },
  'answer-length-syntax': { applies: ({ response }) => response.header('content-length') !== undefined },
  'answer-coding-http10': {
    applies: ({ request }) => request.minor === 0,
    broken: ({ response }) => {
      const coding = response.header('transfer-encoding')
      return coding === undefined ? undefined : ['sent', `Transfer-Encoding: ${shown(coding)}`]
    }
  },
  'answer-chunk-grammar': {
    applies: ({ response, extent }) => response.framing === 'chunked' && extent !== 'head'
  },
  'answer-after-last-chunk': {
    applies: ({ response, extent }) =>
      response.framing === 'chunked' && !response.keepAlive && extent !== 'head'
  },
  'answer-trailer': {
    applies: ({ response }) => response.trailers.length > 0,
    broken: ({ response }) => {
      const found = response.trailers.find(([name]) => NOT_IN_TRAILERS.has(name.toLowerCase()))
      return found === undefined
        ? undefined
        : ['field', `${found[0]}: ${shown(found[1])} behind the last chunk`]
    }
  },
  'answer-control': { applies: always },
  'answer-obs-fold': { applies: always },
  'answer-space-colon': { applies: always },
  'answer-field-name': { applies: always },
  'answer-status-line': { applies: always },
  'answer-reason': { applies: always },
  'answer-version': { applies: always },
  'answer-1xx-http10': {
    applies: ({ request }) => request.minor === 0,
    broken: ({ response }) => {
      const one = response.interim[0]
      return one === undefined ? undefined : ['sent', `${one.status} before ${response.status}`]
    }
  },
  'answer-101-fields': {
    applies: status(101),
    broken: ({ response }) => {
      if ((response.header('upgrade') ?? '') === '') return ['absent', 'no Upgrade']
      const connection = members(response.headerValues('connection').join(','))
      return connection.includes('upgrade')
        ? undefined
        : ['absent', `Connection: ${shown(connection.join(', '))}`]
    }
  },
  'answer-101-unasked': {
    applies: status(101),
    broken: (seen) => {
      const named = members(asked(seen, 'upgrade') ?? '')
      const taken = members(seen.response.headerValues('upgrade').join(','))
      const strange = taken.find(
        (protocol) => !named.some((one) => one.split('/')[0] === protocol.split('/')[0])
      )
      if (named.length > 0 && strange === undefined) return undefined
      return [
        'unasked',
        `the request names ${shown(named.join(', ') || 'none')}, the 101 ${shown(taken.join(', '))}`
      ]
    }
  },
  'answer-1xx-late': { applies: ({ response, extent }) => response.keepAlive && extent === 'whole' },
  'answer-twice': { applies: ({ response, extent }) => response.keepAlive && extent === 'whole' }
}

const semantics: Record<string, Look> = {
  // That it is missing is told at the end, when it is known whether the server has a clock.
  'answer-date': {
    applies: ({ response }) =>
      (response.status >= 200 && response.status < 500) || response.header('date') !== undefined,
    broken: ({ response }) => {
      for (const name of ['Date', 'Last-Modified']) {
        const bad = response.headerValues(name.toLowerCase()).find((value) => !isFixdate(value))
        if (bad !== undefined) return ['form', `${name}: ${shown(bad)}`]
      }
      return undefined
    }
  },
  'answer-401-challenge': needs(401, 'www-authenticate'),
  'answer-405-allow': needs(405, 'allow', true),
  'answer-407-challenge': needs(407, 'proxy-authenticate'),
  'answer-426-upgrade': { ...needs(426, 'upgrade'), applies: (seen) => http1(seen) && status(426)(seen) },
  'answer-206-range': {
    applies: status(206),
    broken: ({ response, extent }) => {
      const parts = /^multipart\/byteranges\b/i.test(response.header('content-type') ?? '')
      const range = response.header('content-range')
      if (range === undefined)
        return parts ? undefined : ['neither', `Content-Type: ${response.header('content-type') ?? 'none'}`]
      if (parts) return ['both', `Content-Range: ${shown(range)}`]
      const known = extent === 'whole' && response.method !== 'HEAD'
      const wrong = wrongRange(range, known ? response.body.length : undefined)
      return wrong === undefined ? undefined : ['range', wrong]
    }
  },
  'answer-416-range': {
    applies: (seen) => seen.response.status === 416 && /^bytes\s*=/i.test(asked(seen, 'range') ?? ''),
    broken: ({ response }) => {
      const range = response.header('content-range')
      return range !== undefined && /^bytes \*\/\d+$/.test(range)
        ? undefined
        : ['absent', `Content-Range: ${range ?? 'none'}`]
    }
  },
  'answer-location': {
    applies: ({ response }) =>
      REDIRECTS.has(response.status) ||
      (response.status === 201 && response.header('location') !== undefined),
    broken: ({ response }) => {
      const values = response.headerValues('location')
      if (values.length === 0) return ['absent', `a ${response.status}`]
      if (values.length > 1) return ['two', values.map(shown).join(' and ')]
      return isUriReference(values[0]!) ? undefined : ['syntax', `Location: ${shown(values[0]!)}`]
    }
  },
  'answer-set-cookie': {
    applies: ({ response }) => response.header('set-cookie') !== undefined,
    broken: ({ response }) => {
      const values = response.headerValues('set-cookie')
      for (const value of values) {
        const wrong = wrongCookie(value)
        if (wrong !== undefined) return ['syntax', `${wrong} (${shown(cookieName(value))})`]
      }
      const names = values.map(cookieName)
      const twice = names.find((name, i) => names.indexOf(name) < i)
      return twice === undefined ? undefined : ['twice', shown(twice)]
    }
  },
  'answer-content-type': {
    applies: ({ response }) => response.header('content-type') !== undefined,
    broken: ({ response }) => {
      const values = response.headerValues('content-type')
      if (values.length > 1) return ['two', values.map(shown).join(' and ')]
      return isMediaType(values[0]!) ? undefined : ['syntax', `Content-Type: ${shown(values[0]!)}`]
    }
  }
}

const everything = { ...framing, ...semantics }

/** HTTP/2 has a framing of its own; what answers a malformed message is judged for its framing alone. */
const looks = ({ extent, request }: Seen): Record<string, Look> => {
  if (extent === 'h2') return request.wellFormed ? semantics : {}
  return extent === 'malformed' || !request.wellFormed ? framing : everything
}

/** The rules to which an answer applies, and those that it breaks. Rules over several answers are in `pairs.ts`. */
export function judgeAnswer(seen: Seen): { applied: string[]; breaches: PassiveBreach[] } {
  const applied: string[] = []
  const breaches: PassiveBreach[] = []
  for (const [rule, { applies, broken }] of Object.entries(looks(seen))) {
    if (!applies(seen)) continue
    applied.push(rule)
    const found = broken?.(seen)
    if (found !== undefined) breaches.push({ rule, when: found[0], what: found[1] })
  }
  return { applied, breaches }
}
