/** Kill and come back with Last-Event-ID: the union of all events has no gap and no repetition. */
import { SSE_RESUMES, type SseResume } from '../../catalogue/sse/index.ts'
import type { RandomStream } from '../../../kit/random.ts'
import { ConnectFailed } from '../../../wire/tcp.ts'
import type { Transcript } from '../../../wire/transcript.ts'
import { wait } from '../proof/bench.ts'
import { inapplicable, inconclusive, KEPT, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import { numbersOf, type Stream } from './stream.ts'
import type { Subscription } from './subscription.ts'
import { wrong } from './told.ts'

/** Waits while away, in events, so that something was missed. */
const MISSED_EVENTS = 1.5
/** Events that must have been missed, so that one lost or repeated is told from a header that is ignored. */
const MISSED_TO_TELL = 4
/** Events of a row that is looked at. */
const ROW = 6
/** After a 204, how long a body is looked for, ms. */
const HALF_MS = 200
/** Times that one client comes back. */
const RESUMES = 4

interface Leg {
  /** Id given to Last-Event-ID; undefined for the first leg. */
  from?: number
  ids: number[]
}

/** Reads at least so many events, dies by RST, and says which ids came. */
async function leg(
  stream: Stream,
  from: number | undefined,
  events: number,
  way: 'rst' | 'fin'
): Promise<{ leg: Leg; transcript: Transcript } | string> {
  let client: Subscription
  try {
    client = await stream.open(from === undefined ? undefined : String(from))
  } catch (error) {
    if (error instanceof ConnectFailed) return `no connection: ${error.code}`
    throw error
  }
  try {
    stream.holding.gone.add(client.connection.localPort)
    if (!(await client.head(stream.bench.patienceMs)) || !client.established)
      return `not established (${client.response?.status ?? 'no head'})`
    stream.bench.context.tally.add('sse_established')
    if (!(await client.until(() => client.count >= events, events * stream.eventMs)))
      return `only ${client.count} events came`
    await client.kill(way)
    stream.bench.context.tally.add('sse_killed_mid_stream')
    stream.count(client)
    const ids = numbersOf(client)
    return { leg: { ...(from === undefined ? {} : { from }), ids }, transcript: client.connection.transcript }
  } finally {
    client.close()
  }
}

/** What a server makes of Last-Event-ID. */
export interface Resumption {
  /** Why nothing can be judged. */
  unable?: string
  /** The header makes no difference, although events carry ids. */
  ignored?: string
}

/**
 * Does the server give what was missed? Learned with the witness as proof that something was, and with a client
 * that comes without the header: one that gets the same shows that the header is not looked at.
 */
export async function learnResume(stream: Stream): Promise<Resumption> {
  const { facts } = stream
  if (facts.intervalMs === undefined) return { unable: 'no event came within the time of observation' }
  if (!facts.idsGrow) return { unable: 'events carry no ids that grow by one' }
  const first = await leg(stream, undefined, 1, 'rst')
  if (typeof first === 'string') return { unable: first }
  const last = first.leg.ids.at(-1)!
  const witness = await stream.witness()
  const newest = (): number => numbersOf(witness).at(-1) ?? 0
  // Streams that count for each client anew show no numbers that can be compared.
  const shared = await witness.until(() => newest() >= last + MISSED_TO_TELL, 3 * stream.eventMs)
  if (!shared) return { unable: 'a reader that stayed did not get the ids that another got' }
  const [second, fresh] = await Promise.all([leg(stream, last, 1, 'rst'), leg(stream, undefined, 1, 'rst')])
  if (typeof second === 'string') return { unable: second }
  if (typeof fresh === 'string') return { unable: fresh }
  const [begins, other] = [second.leg.ids[0], fresh.leg.ids[0]]
  if (begins === undefined || other === undefined) return { unable: 'an event without id came' }
  if (begins === last + 1 || Math.abs(begins - other) > 1) return {}
  return {
    ignored: `Last-Event-ID ${last} is ignored: the stream goes on with ${begins}, as it does for a client that asks for nothing (${other})`
  }
}

export function resumeTrials(stream: Stream, resumption: Resumption, random: RandomStream): Trial[] {
  const shoot: Record<string, (entry: SseResume) => Promise<Shot>> = {
    'resume-gapless': (entry) => gapless(stream, entry, resumption, random),
    ids: (entry) => row(stream, entry),
    'resume-204': (entry) => stopped(stream, entry)
  }
  return SSE_RESUMES.map((entry) => ({
    id: entry.id,
    group: entry.group,
    twin: () => (entry.id === 'ids' ? stream.bench.control() : stream.opens()),
    shoot: () => (shoot[entry.id] ?? ((one) => odd(stream, one)))(entry)
  }))
}

/** Back with Last-Event-ID some times over, at once or after something was missed. */
async function gapless(
  stream: Stream,
  entry: SseResume,
  { unable, ignored }: Resumption,
  random: RandomStream
): Promise<Shot> {
  if (unable !== undefined) return { verdict: inapplicable(unable) }
  if (ignored !== undefined) return ignoredStill(stream, entry)
  let from: number | undefined
  let transcript: Transcript | undefined
  for (let i = 0; i <= RESUMES; i++) {
    const one = await leg(stream, from, random.int(1, 3), i % 2 === 0 ? 'rst' : 'fin')
    if (typeof one === 'string') return { verdict: inconclusive(one) }
    transcript = one.transcript
    if (from !== undefined) stream.bench.context.tally.add('sse_resumed')
    const verdict = await seam(stream, one.leg, entry)
    if (verdict !== undefined) return { verdict, transcript }
    from = one.leg.ids.at(-1)!
    if (random.float() < 0.5) await wait(Math.min(1500, MISSED_EVENTS * (stream.facts.intervalMs ?? 0)))
  }
  return { verdict: KEPT, ...(transcript === undefined ? {} : { transcript }) }
}

/** The values of the case, each on a connection of its own. */
async function odd(stream: Stream, entry: SseResume): Promise<Shot> {
  let last: Transcript | undefined
  for (const id of entry.values ?? []) {
    const client = await stream.open(id)
    last = client.connection.transcript
    const answered = await client.head(stream.bench.patienceMs)
    const status = client.response?.status ?? 0
    const { closed } = client
    client.close()
    if (answered && (status === 429 || status === 503))
      return { verdict: inconclusive(`turned away with ${status}`) }
    if (answered && status < 500) continue
    const what = `${JSON.stringify(id.slice(0, 40))}: ${answered ? status : closed ? 'the end of the connection' : 'nothing in time'}`
    return { verdict: wrong(entry, answered ? 'error' : 'no answer', what, answered), transcript: last }
  }
  return { verdict: KEPT, ...(last === undefined ? {} : { transcript: last }) }
}

/** Ids of one stream that was read at once, and of the witness. */
async function row(stream: Stream, entry: SseResume): Promise<Shot> {
  if (!stream.facts.idsGrow)
    return { verdict: inapplicable('ids are absent, or no numbers that grow by one') }
  const one = await stream.open()
  const { transcript } = one.connection
  try {
    await one.until(() => one.count >= ROW, ROW * stream.eventMs)
    if (one.count < 2) return { verdict: inconclusive('fewer than two events came'), transcript }
    return { verdict: rowOf(one, entry) ?? rowOf(stream.watched, entry) ?? KEPT, transcript }
  } finally {
    stream.count(one)
    one.close()
  }
}

/** The row of numbered ids of one reader that read at once: nothing comes twice, and nothing is left out. */
function rowOf(seen: Subscription | undefined, entry: SseResume): Verdict | undefined {
  const numbers = seen === undefined ? [] : numbersOf(seen)
  const at = numbers.findIndex((value, i) => i > 0 && value !== numbers[i - 1]! + 1)
  if (at < 0) return undefined
  const [before, after] = [numbers[at - 1]!, numbers[at]!]
  const gap = after > before
  // A server may drop events for a reader that is late, as ours is on a busy machine.
  return wrong(entry, gap ? 'events missing' : 'ids repeat', `${before}, then ${after}`, !gap)
}

/** A stream that has ended, and a client that comes back for more. */
async function stopped(stream: Stream, entry: SseResume): Promise<Shot> {
  if (!stream.facts.finite)
    return { verdict: inapplicable('the stream does not end, so that nothing is stopped') }
  const first = await stream.open()
  await first.until(() => first.complete, stream.eventMs * 4)
  const last = first.events.at(-1)?.id
  first.close()
  const statuses: number[] = []
  for (let i = 0; i < 2; i++) {
    const again = await stream.open(last === '' ? undefined : last)
    try {
      await again.head(stream.bench.patienceMs)
      const { transcript } = again.connection
      // The head of a 204 ends the answer; what a parser calls broken in it is told by its rule.
      if (again.response?.status === 204) await again.until(() => again.error !== undefined, HALF_MS)
      const broke = again.error
      if (broke !== undefined && (again.response?.status === 204 || /^framing-in-204$/.test(broke.rule)))
        return { verdict: wrong(entry, 'body', broke.message, true), transcript }
      statuses.push(again.response?.status ?? 0)
      if (i === 1 && statuses[0] === 204 && statuses[1] === 200)
        return { verdict: wrong(entry, 'again', statuses.join(', then '), true), transcript }
    } finally {
      again.close()
    }
  }
  return {
    verdict:
      statuses[0] === 204 ? KEPT : inapplicable(`the server does not stop clients: ${statuses[0] ?? 0}`)
  }
}

/** Ids have no other use than Last-Event-ID; still no rule makes a server keep what it sent. */
async function ignoredStill(stream: Stream, entry: SseResume): Promise<Shot> {
  const { ignored, unable } = await learnResume(stream)
  if (ignored === undefined) return { verdict: inconclusive(unable ?? 'now it resumes') }
  return { verdict: wrong(entry, 'ignored', ignored, true) }
}

/**
 * The first event after a return is the one that came next to a client that stayed. Rows that are broken for
 * everybody are the business of the case `ids`.
 */
async function seam(stream: Stream, { from, ids }: Leg, entry: SseResume): Promise<Verdict | undefined> {
  const [begins] = ids
  if (from === undefined || begins === undefined) return undefined
  const witness = await stream.witness()
  const numbers = (): number[] => numbersOf(witness)
  await witness.until(() => (numbers().at(-1) ?? 0) > from, stream.eventMs)
  const seen = numbers()
  const after = seen.flatMap((id, i) => (id === from && i + 1 < seen.length ? [seen[i + 1]!] : []))
  if (begins === from + 1 || after.includes(begins)) return undefined
  const missing = begins > from && seen.some((id) => id > from && id < begins)
  if (begins > from && after.length > 0 && !missing) return undefined
  const what =
    begins > from
      ? `after Last-Event-ID ${from} the events from ${from + 1} to ${begins - 1} are missing`
      : `after Last-Event-ID ${from} event ${begins} came again`
  return wrong(entry, begins > from ? 'gap' : 'repeated', what, true)
}
