/** The stream itself: head, framing, UTF-8, lines, fields, and that it stays open while nobody goes. */
import { SSE_WIRE, type SseCase } from '../../catalogue/sse/index.ts'
import { wait } from '../proof/bench.ts'
import { inapplicable, inconclusive, KEPT, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import type { Notes } from './notes.ts'
import type { Stream } from './stream.ts'
import { Subscription } from './subscription.ts'
import { wrong } from './told.ts'

/** Events that are looked at in one stream. */
const EVENTS = 4
/** How long a stream of many events is watched for its end, ms. */
const STAYS_MS = 1500
/** Longest look at one stream, ms; a slower stream is judged by what came. */
const LONGEST_LOOK_MS = 4000
/** Lines that end in LF CR, at least, and their share of all. */
const LF_CR = { lines: 3, share: 0.4 }
const ACCEPTS = [null, '*/*', 'text/html', 'text/event-stream;q=0']
const CODINGS = 'gzip, deflate, br'

type Of<K extends string> = Record<K, (stream: Stream, entry: SseCase) => Promise<Shot>>

/** Cases with a request of their own; all others look at a plain stream. */
const OWN: Of<'head' | 'compression' | 'after-end'> = { head, compression, 'after-end': afterEnd }

export function wireTrials(stream: Stream): Trial[] {
  return SSE_WIRE.map((entry) => ({
    id: entry.id,
    group: entry.group,
    twin: () => stream.bench.control(),
    shoot: async () => {
      if (entry.id in OWN) return OWN[entry.id as keyof typeof OWN](stream, entry)
      const subscription = await stream.open()
      const { transcript } = subscription.connection
      try {
        await subscription.until(() => subscription.count >= EVENTS, lookMs(stream))
        if (entry.id === 'stays-open') await subscription.until(() => false, STAYS_MS)
        if (subscription.established) stream.bench.context.tally.add('sse_established')
        return { verdict: judge(entry, subscription, stream), transcript }
      } finally {
        stream.count(subscription)
        subscription.close()
      }
    }
  }))
}

const lookMs = (stream: Stream): number =>
  Math.min(LONGEST_LOOK_MS, Math.max(stream.bench.patienceMs, EVENTS * stream.eventMs))

function judge(entry: SseCase, seen: Subscription, stream: Stream): Verdict {
  const { response } = seen
  if (response === undefined && seen.error === undefined) {
    if (entry.id !== 'subscribe') return inconclusive('no response head')
    return wrong(entry, 'no head', `within ${stream.bench.patienceMs} ms`)
  }
  // What follows the end of the stream is the business of `after-end`.
  const broke = seen.error?.rule === 'truncated' || seen.complete ? undefined : seen.error
  if (broke !== undefined && entry.id !== 'framing')
    return inconclusive(`the framing broke: ${broke.message}`)
  if (response !== undefined && !seen.established)
    return inconclusive(`status ${response.status}, ${response.header('content-type') ?? 'no Content-Type'}`)
  if (entry.id === 'framing' && broke !== undefined) return wrong(entry, 'grammar', broke.message, true)
  if (entry.id === 'subscribe') return KEPT
  if (entry.id === 'cache-control') return cached(entry, response!.headerValues('cache-control').join(', '))
  if (entry.id === 'stays-open') return staysOpen(entry, seen, stream)
  if (seen.bytes === 0) return inapplicable('no byte of a body came')
  if (entry.id === 'framing') {
    return response!.header('content-length') !== undefined && !seen.complete
      ? wrong(entry, 'content-length', '', true)
      : KEPT
  }
  if (entry.id === 'utf8') {
    const notUtf8 = seen.notUtf8 ?? stream.watched?.notUtf8
    return notUtf8 === undefined ? KEPT : wrong(entry, 'not utf-8', notUtf8, true)
  }
  // The witness has seen more of the stream.
  const { watched } = stream
  const own = lines(entry, seen.notes)
  if (own.kind === 'broken' || watched === undefined) return own
  const other = lines(entry, watched.notes)
  return other.kind === 'broken' || own.kind === 'inapplicable' ? other : own
}

/** Cases that the lines of the stream decide. */
function lines(entry: SseCase, notes: Notes): Verdict {
  switch (entry.id) {
    case 'line-ends':
      if (notes.lines === 0) return inapplicable('no line came')
      return notes.lfCr >= LF_CR.lines && notes.lfCr >= LF_CR.share * notes.lines
        ? wrong(entry, 'lf cr', `${notes.lfCr} of ${notes.lines} lines`, true)
        : KEPT
    case 'fields': {
      if (notes.lines === 0) return inapplicable('no line came')
      const [name] = notes.misspelt
      return name === undefined ? KEPT : wrong(entry, 'misspelt', JSON.stringify(name), true)
    }
    case 'comments':
      if (notes.comments === 0) return inapplicable('no comment came')
      return notes.inside === undefined ? KEPT : wrong(entry, 'inside', JSON.stringify(notes.inside), true)
    case 'dispatch':
      if (notes.dataLines === 0) return inapplicable('no event came')
      if (notes.merged > 0)
        return wrong(entry, 'merged', `an event with two ids or two names, ${notes.merged} times`, true)
      return notes.events === 0 && notes.dataLines > 1
        ? wrong(entry, 'never', `${notes.dataLines} data lines`)
        : KEPT
    case 'id-nul':
      if (notes.ids === 0) return inapplicable('no id came')
      return notes.idsWithNul === 0
        ? KEPT
        : wrong(entry, 'nul', `${notes.idsWithNul} of ${notes.ids} ids`, true)
    case 'retry': {
      if (notes.retries.length === 0) return inapplicable('no retry field came')
      const bad = notes.retries.find((value) => !/^\d+$/.test(value))
      return bad === undefined ? KEPT : wrong(entry, 'retry', JSON.stringify(bad), true)
    }
    default:
      throw new Error(`nothing judges the case ${entry.id}`)
  }
}

/** What lets a shared cache keep an answer (RFC 9111 5.2.2). */
function cached(entry: SseCase, control: string): Verdict {
  const forbids = /\b(no-store|no-cache|private|max-age=0)\b/i.test(control)
  const allows = /\b(public|immutable|s-maxage=0*[1-9]|max-age=0*[1-9])/i.test(control)
  return allows && !forbids ? wrong(entry, 'cached', `Cache-Control: ${control}`, true) : KEPT
}

function staysOpen(entry: SseCase, seen: Subscription, stream: Stream): Verdict {
  if (stream.facts.finite || seen.complete) return inapplicable('the stream ends by itself')
  if (!seen.closed) return KEPT
  const { state } = seen.connection
  const how = state === 'reset' ? 'peer_reset' : state === 'eof' ? 'server_closed' : 'read_err'
  stream.bench.context.tally.add(`sse_${how}_early`)
  return wrong(entry, 'cut', `${state === 'reset' ? 'RST' : 'FIN'} after ${seen.count} events`)
}

/** What comes behind the end of a stream that ends. */
async function afterEnd(stream: Stream, entry: SseCase): Promise<Shot> {
  if (!stream.facts.finite) return { verdict: inapplicable('the stream does not end') }
  const one = await stream.open()
  const { transcript } = one.connection
  try {
    if (!(await one.until(() => one.complete, lookMs(stream))))
      return { verdict: inconclusive('the stream did not end in time'), transcript }
    if (one.response?.framing === 'close')
      return { verdict: inapplicable('the stream ends with its connection') }
    await one.connection.waitFor(
      (_, state) => (state !== 'open' || one.error !== undefined ? true : undefined),
      300
    )
    return {
      verdict: one.error === undefined ? KEPT : wrong(entry, 'bytes', one.error.message, true),
      transcript
    }
  } finally {
    one.close()
  }
}

async function head(stream: Stream, entry: SseCase): Promise<Shot> {
  const one = await stream.open(undefined, { method: 'HEAD' })
  const { transcript } = one.connection
  let answered = true
  try {
    answered = await one.head(stream.bench.patienceMs)
    if (!answered && one.error !== undefined)
      return { verdict: wrong(entry, 'head body', one.error.message, true), transcript }
    if (answered) {
      // Whatever follows the head of an answer to HEAD is a body.
      await wait(Math.min(1000, 2 * (stream.facts.intervalMs ?? 200)))
      if (one.error !== undefined && one.error.rule !== 'truncated')
        return { verdict: wrong(entry, 'head body', '', true), transcript }
    }
  } finally {
    one.close()
  }
  for (const accept of ACCEPTS) {
    const other = await stream.open(undefined, { accept })
    try {
      await other.head(stream.bench.patienceMs)
      const { status = 0 } = other.response ?? {}
      // 503 turns subscribers away.
      if (status >= 500 && status !== 503)
        return {
          verdict: wrong(
            entry,
            'accept 5xx',
            `${accept === null ? 'no Accept' : `Accept: ${accept}`}: ${status}`,
            true
          ),
          transcript: other.connection.transcript
        }
    } finally {
      other.close()
    }
  }
  // A handler that streams without looking at the method holds HEAD open; no rule forbids the wait.
  return { verdict: answered ? KEPT : inapplicable('HEAD of the stream gets no answer in time'), transcript }
}

async function compression(stream: Stream, entry: SseCase): Promise<Shot> {
  if (stream.facts.intervalMs === undefined)
    return { verdict: inapplicable('no event came within the time of observation') }
  const [plain, coded] = await Promise.all([stream.open(), stream.open(undefined, { coding: CODINGS })])
  const { transcript } = coded.connection
  try {
    const enough = (one: Subscription) => (): boolean => one.count >= 2 || one.notCoded !== undefined
    const [plainCame, codedCame] = await Promise.all(
      [plain, coded].map((one) => one.until(enough(one), 2 * stream.eventMs))
    )
    const coding = coded.response?.header('content-encoding') ?? 'no coding'
    if (coded.notCoded !== undefined)
      return { verdict: wrong(entry, 'not coded', coded.notCoded, true), transcript }
    if (codedCame) return { verdict: KEPT, transcript }
    if (!plainCame || !coded.established)
      return { verdict: inconclusive('the stream was not served'), transcript }
    return {
      verdict: wrong(entry, 'held', `${coding}; ${plain.count} events without it meanwhile`),
      transcript
    }
  } finally {
    plain.close()
    coded.close()
  }
}
