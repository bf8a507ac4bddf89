/** The stream itself: head, framing, UTF-8, ids, retry, and that it stays open while nobody goes. */
import { SSE_NUMBERS, SSE_WIRE_CASES } from '../../catalogue/sse/index.ts'
import { wait } from '../proof/bench.ts'
import { broken, inapplicable, inconclusive, KEPT, type Trial, type Verdict } from '../proof/trial.ts'
import { numberOf, type Stream } from './stream.ts'
import { Subscription } from './subscription.ts'

type WireCase = (typeof SSE_WIRE_CASES)[number]['id']

/** How long a stream of many events is watched for its end, ms. */
const STAYS_MS = 1500
/** Longest look at one stream, ms; a slower stream is judged by what came. */
const LONGEST_LOOK_MS = 4000

export function wireTrials(stream: Stream): Trial[] {
  return SSE_WIRE_CASES.map(({ id, standard }) => ({
    id,
    group: 'wire',
    twin: () => stream.bench.control(),
    shoot: async () => {
      if (id === 'head') return head(stream, standard)
      const subscription = await stream.open()
      const { transcript } = subscription.connection
      try {
        await subscription.until(
          () => subscription.count >= SSE_NUMBERS.events,
          Math.min(LONGEST_LOOK_MS, Math.max(stream.bench.patienceMs, SSE_NUMBERS.events * stream.eventMs))
        )
        if (id === 'stays-open') await subscription.until(() => false, STAYS_MS)
        if (subscription.established) stream.bench.context.tally.add('sse_established')
        return { verdict: judge(id, standard, subscription, stream), transcript }
      } finally {
        stream.count(subscription)
        subscription.close()
      }
    }
  }))
}

function judge(id: WireCase, standard: string, seen: Subscription, stream: Stream): Verdict {
  const breach = (
    predicate: string,
    title: string,
    symptom: string,
    severity: 'HIGH' | 'MED' | 'LOW' = 'MED'
  ): Verdict => broken({ predicate, severity, title, standard, symptom, proof: symptom !== 'no head' })
  const { response } = seen
  if (response === undefined && seen.error === undefined) {
    if (id !== 'subscribe') return inconclusive('no response head')
    return breach(
      'I-SSE-FRAMING',
      `the stream gave no response head within ${stream.bench.patienceMs} ms`,
      'no head'
    )
  }
  const broke = seen.error?.rule === 'truncated' ? undefined : seen.error
  if (broke !== undefined && id !== 'framing') return inconclusive(`the framing broke: ${broke.message}`)
  if (response !== undefined && !seen.established)
    return inconclusive(`status ${response.status}, ${response.header('content-type') ?? 'no Content-Type'}`)
  switch (id) {
    case 'framing': {
      if (broke !== undefined)
        return breach('I-SSE-FRAMING', `the stream breaks HTTP framing: ${broke.message}`, broke.rule)
      if (seen.bytes === 0) return inapplicable('no byte of a body came')
      return response!.header('content-length') !== undefined && !seen.complete
        ? breach('I-SSE-FRAMING', 'a stream that goes on carries Content-Length', 'content-length', 'LOW')
        : KEPT
    }
    case 'subscribe':
      return KEPT
    case 'utf8': {
      if (seen.bytes === 0) return inapplicable('no byte of a body came')
      const notUtf8 = seen.notUtf8 ?? stream.watched?.notUtf8
      return notUtf8 === undefined
        ? KEPT
        : breach('I-SSE-FRAMING', `the stream is not UTF-8: ${notUtf8}`, 'not utf-8')
    }
    case 'retry': {
      const fields = [...fieldsOf(seen, 'retry')]
      if (fields.length === 0) return inapplicable('no retry field came')
      const bad = fields.find((value) => !/^\d+$/.test(value))
      return bad === undefined
        ? KEPT
        : breach('I-SSE-FRAMING', `retry is not a number and is ignored by clients: "${bad}"`, 'retry', 'LOW')
    }
    case 'ids': {
      if (!stream.facts.idsGrow) return inapplicable('ids are absent, or no numbers that grow by one')
      if (seen.count < 2) return inconclusive('fewer than two events came')
      return rowOf(seen, standard) ?? rowOf(stream.watched, standard) ?? KEPT
    }
    case 'stays-open': {
      if (stream.facts.finite || seen.complete) return inapplicable('the stream ends by itself')
      if (!seen.closed) return KEPT
      const { tally } = stream.bench.context
      const reset = seen.connection.state === 'reset'
      tally.add(
        reset
          ? 'sse_peer_reset_early'
          : seen.connection.state === 'eof'
            ? 'sse_server_closed_early'
            : 'sse_read_err_early'
      )
      return broken({
        predicate: 'I-SSE-EARLY-CLOSE',
        severity: 'MED',
        title: `the server ${reset ? 'reset' : 'closed'} a stream after ${seen.count} events while its client was reading`,
        standard,
        symptom: reset ? 'reset' : 'closed'
      })
    }
    default:
      return inconclusive('not judged')
  }
}

/** The row of numbered ids of one reader that read at once: nothing comes twice, and nothing is left out. */
function rowOf(seen: Subscription | undefined, standard: string): Verdict | undefined {
  const numbers = seen?.events.map((event) => numberOf(event.id)) ?? []
  const at = numbers.findIndex((value, i) => i > 0 && value !== (numbers[i - 1] ?? NaN) + 1)
  if (at < 0) return undefined
  const [before, after] = [numbers[at - 1], numbers[at]]
  const gap = before !== undefined && after !== undefined && after > before
  const row = `${before ?? 'no number'}, then ${after ?? 'no number'}`
  return broken({
    predicate: 'I-SSE-FRAMING',
    severity: 'MED',
    title: gap
      ? `a client that reads all misses events within one stream: the ids go ${row}`
      : `ids go back or repeat within one stream: ${row}`,
    standard,
    symptom: gap ? 'events missing' : 'ids repeat',
    // A server may drop events for a reader that is late, as ours is on a busy machine.
    proof: !gap
  })
}

/** Values of a field, read from the transcript: the parser keeps only what a client would use. */
function* fieldsOf(seen: Subscription, name: string): Generator<string> {
  const text = seen.connection.transcript.receivedBytes().toString('latin1')
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  for (const match of body.matchAll(new RegExp(`(?:^|[\\r\\n])${name}: ?([^\\r\\n]*)[\\r\\n]`, 'g')))
    yield match[1]!
}

async function head(
  stream: Stream,
  standard: string
): Promise<{ verdict: Verdict; transcript: Subscription['connection']['transcript'] }> {
  const one = await Subscription.open(stream.bench, { path: stream.path, method: 'HEAD' })
  const { transcript } = one.connection
  try {
    if (!(await one.head(stream.bench.patienceMs))) {
      if (one.error !== undefined) {
        const title = `HEAD of the stream is answered with bytes that are no HTTP: ${one.error.message}`
        return {
          verdict: broken({
            predicate: 'I-SSE-FRAMING',
            severity: 'MED',
            title,
            standard,
            symptom: 'head body',
            proof: true
          }),
          transcript
        }
      }
      // A handler that streams without looking at the method holds HEAD open; no rule forbids the wait.
      return { verdict: inapplicable('HEAD of the stream gets no answer in time'), transcript }
    }
    // Whatever follows the head of an answer to HEAD is a body.
    await wait(Math.min(1000, 2 * (stream.facts.intervalMs ?? 200)))
    if (one.error === undefined || one.error.rule === 'truncated') return { verdict: KEPT, transcript }
    const title = 'the answer to HEAD has a body'
    return {
      verdict: broken({
        predicate: 'I-SSE-FRAMING',
        severity: 'MED',
        title,
        standard,
        symptom: 'head body',
        proof: true
      }),
      transcript
    }
  } finally {
    one.close()
  }
}
