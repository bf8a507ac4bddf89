/** Rules over several answers to the same request: GET beside HEAD, 200 beside 304. */
import type { HttpResponse } from '../../../wire/http1.ts'
import { type AskedHead, type Extent, type PassiveBreach, type Seen } from './seen.ts'

/** Targets of which something is remembered; the one not seen for longest goes first. */
const MOST = 512
/** Answers of a kind that are kept for each target. */
const MOST_KEPT = 4

/** Fields of a 200 that its 304 must have too (RFC 9110 15.4.5). */
const IN_304 = new Set(['cache-control', 'content-location', 'date', 'etag', 'expires', 'vary'])
/** Fields whose value comes of making the content, and those of one connection or one moment. */
const NOT_IN_HEAD = new Set(
  ['content-length', 'transfer-encoding', 'content-encoding', 'trailer', 'etag', 'last-modified'].concat(
    ['content-md5', 'digest', 'repr-digest', 'content-digest', 'accept-ranges', 'vary'],
    ['connection', 'keep-alive', 'date', 'set-cookie', 'server-timing', 'age']
  )
)
/** Fields of a request that make its answer another one. */
const CONDITIONS = /^(if-|range$|host$|connection$|user-agent$|content-length$|content-type$|te$)/

interface Fields {
  /** In every 200 to GET so far. */
  common: Set<string> | undefined
  gets: number
  heads: Seen[]
  notModified: Seen[]
}

interface Lengths {
  get?: number
  /** HEAD said otherwise after that GET. */
  doubt?: Seen
}

/** A rule that two answers decide: it was exercised, and perhaps broken. */
export interface PairJudgement {
  rule: string
  seen: Seen
  breach?: PassiveBreach
}

export class Pairs {
  readonly #fields = new Map<string, Fields>()
  readonly #lengths = new Map<string, Lengths>()

  /** Remembers an answer, and says what it decides at once. */
  look(seen: Seen): PairJudgement[] {
    const { request, response, extent } = seen
    if (extent === 'malformed' || !request.wellFormed) return []
    if (conditional(request) && response.status !== 304) return []
    const { method, status } = response
    if (method !== 'GET' && method !== 'HEAD') return []
    if (status !== 200 && status !== 304) return []
    const fields = recent(this.#fields, keyOf(seen, false), () => ({
      common: undefined,
      gets: 0,
      heads: [],
      notModified: []
    }))
    if (status === 304) {
      if (fields.notModified.length < MOST_KEPT) fields.notModified.push(seen)
      return []
    }
    if (method === 'HEAD') {
      if (fields.heads.length < MOST_KEPT) fields.heads.push(seen)
    } else {
      const names = namesOf(response)
      fields.gets += 1
      fields.common =
        fields.common === undefined ? names : new Set([...fields.common].filter((name) => names.has(name)))
    }
    return extent === 'whole' ? this.#length(seen) : []
  }

  #length(seen: Seen): PairJudgement[] {
    const { response } = seen
    const known = recent<Lengths>(this.#lengths, keyOf(seen, true), () => ({}))
    if (response.method === 'HEAD') {
      const length = response.header('content-length')
      if (known.get !== undefined && length !== undefined) known.doubt = seen
      return []
    }
    const { doubt, get } = known
    known.get = response.body.length
    delete known.doubt
    if (doubt === undefined || get !== response.body.length) return []
    const head = Number(doubt.response.header('content-length'))
    const rule = 'answer-head-length'
    if (head === get) return [{ rule, seen: doubt }]
    const what = `HEAD ${doubt.request.target}: ${head}, GET before and after it: ${get}`
    return [{ rule, seen: doubt, breach: { rule, when: 'differs', what } }]
  }

  /** At the end: what the fields of the answers decide. */
  finish(): PairJudgement[] {
    const judged: PairJudgement[] = []
    for (const { common, gets, heads, notModified } of this.#fields.values()) {
      // One GET alone may be the odd one.
      if (common === undefined || gets < 2) continue
      for (const seen of heads)
        judged.push(
          lacks(
            seen,
            'answer-head-fields',
            [...common].filter((name) => !NOT_IN_HEAD.has(name))
          )
        )
      for (const seen of notModified)
        judged.push(
          lacks(
            seen,
            'answer-304-fields',
            [...common].filter((name) => IN_304.has(name))
          )
        )
    }
    return judged
  }
}

function lacks(seen: Seen, rule: string, wanted: readonly string[]): PairJudgement {
  const names = namesOf(seen.response)
  const missing = wanted.filter((name) => !names.has(name))
  if (missing.length === 0) return { rule, seen }
  const what = `${seen.request.method} ${seen.request.target}: no ${missing.join(', ')}`
  return { rule, seen, breach: { rule, when: 'missing', what } }
}

const conditional = ({ fields }: AskedHead): boolean => fields.some(([name]) => /^(if-|range$)/.test(name))

function namesOf({ lines }: HttpResponse): Set<string> {
  return new Set(lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase()))
}

/** The request but for its conditions. @param exact with the values of credentials, else that there are some */
function keyOf({ request, extent }: { request: AskedHead; extent: Extent }, exact: boolean): string {
  const fields = request.fields
    .filter(([name]) => !CONDITIONS.test(name))
    .map(([name, value]) => `${name}:${!exact && /^(cookie|authorization)$/.test(name) ? '' : value}`)
  return [extent === 'h2' ? 'h2' : 'h1', request.target, ...fields.sort()].join('\n')
}

function recent<T>(map: Map<string, T>, key: string, make: () => T): T {
  const value = map.get(key) ?? make()
  map.delete(key)
  map.set(key, value)
  if (map.size > MOST) map.delete(map.keys().next().value!)
  return value
}
