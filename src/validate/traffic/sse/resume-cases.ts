/** Kill and come back with Last-Event-ID: the union of all events has no gap and no repetition. */
import { SSE_NUMBERS, SSE_RESUME_CASES } from '../../catalogue/sse/index.ts'
import type { RandomStream } from '../../../kit/random.ts'
import { ConnectFailed } from '../../../wire/tcp.ts'
import type { Transcript } from '../../../wire/transcript.ts'
import { wait } from '../proof/bench.ts'
import {
  broken,
  inapplicable,
  inconclusive,
  KEPT,
  type Shot,
  type Trial,
  type Verdict
} from '../proof/trial.ts'
import { numberOf, type Stream } from './stream.ts'
import type { Subscription } from './subscription.ts'

/** Waits while away, in events, so that something was missed. */
const MISSED_EVENTS = 1.5
/** Events that must have been missed, so that one lost or repeated is told from a header that is ignored. */
const MISSED_TO_TELL = 4

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
    const numbers = client.events.map(({ id }) => numberOf(id))
    const ids = numbers.filter((value) => value !== undefined)
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
  const newest = (): number => numberOf(witness.events.at(-1)?.id) ?? 0
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

export function resumeTrials(stream: Stream, { unable, ignored }: Resumption, random: RandomStream): Trial[] {
  const [gapless, unknown] = SSE_RESUME_CASES
  return [
    {
      id: gapless.id,
      group: 'resume',
      twin: () => stream.opens(),
      shoot: async () => {
        if (unable !== undefined) return { verdict: inapplicable(unable) }
        if (ignored !== undefined) return ignoredStill(stream, gapless.standard)
        let from: number | undefined
        let transcript: Transcript | undefined
        for (let i = 0; i <= SSE_NUMBERS.resumes; i++) {
          const one = await leg(stream, from, random.int(1, 3), i % 2 === 0 ? 'rst' : 'fin')
          if (typeof one === 'string') return { verdict: inconclusive(one) }
          transcript = one.transcript
          if (from !== undefined) stream.bench.context.tally.add('sse_resumed')
          const verdict = await seam(stream, one.leg, gapless.standard)
          if (verdict !== undefined) return { verdict, transcript }
          from = one.leg.ids.at(-1)!
          // Back at once, or after something was missed.
          if (random.float() < 0.5) await wait(Math.min(1500, MISSED_EVENTS * (stream.facts.intervalMs ?? 0)))
        }
        return { verdict: KEPT, ...(transcript === undefined ? {} : { transcript }) }
      }
    },
    {
      id: unknown.id,
      group: 'resume',
      twin: () => stream.opens(),
      shoot: async () => {
        let last: Transcript | undefined
        for (const id of ['999999999999', '-1', 'not-a-number', '1'.repeat(400)]) {
          const client = await stream.open(id)
          last = client.connection.transcript
          const answered = await client.head(stream.bench.patienceMs)
          const status = client.response?.status ?? 0
          const { closed } = client
          client.close()
          if (answered && (status === 429 || status === 503))
            return { verdict: inconclusive(`turned away with ${status}`) }
          if (answered && status < 500) continue
          const seen = answered ? `status ${status}` : closed ? 'the end of the connection' : 'no answer'
          const title = `a Last-Event-ID that the server never gave gets ${seen}`
          return {
            verdict: broken({
              predicate: 'I-SSE-RESUME',
              severity: 'MED',
              title,
              standard: unknown.standard,
              symptom: seen,
              proof: answered
            }),
            transcript: last
          }
        }
        return { verdict: KEPT, ...(last === undefined ? {} : { transcript: last }) }
      }
    }
  ]
}

/** Ids have no other use than Last-Event-ID; still no rule makes a server keep what it sent. */
async function ignoredStill(stream: Stream, standard: string): Promise<Shot> {
  const { ignored, unable } = await learnResume(stream)
  if (ignored === undefined) return { verdict: inconclusive(unable ?? 'now it resumes') }
  return {
    verdict: broken({
      predicate: 'I-SSE-RESUME',
      severity: 'LOW',
      title: `events carry ids, and ${ignored}`,
      standard,
      symptom: 'ignored',
      proof: true
    })
  }
}

/**
 * The first event after a return is the one that came next to a client that stayed. Rows that are broken for
 * everybody are the business of the case `ids`.
 */
async function seam(stream: Stream, { from, ids }: Leg, standard: string): Promise<Verdict | undefined> {
  const [begins] = ids
  if (from === undefined || begins === undefined) return undefined
  const witness = await stream.witness()
  const row = (): number[] => witness.events.flatMap(({ id }) => numberOf(id) ?? [])
  await witness.until(() => (row().at(-1) ?? 0) > from, stream.eventMs)
  const seen = row()
  const after = seen.flatMap((id, i) => (id === from && i + 1 < seen.length ? [seen[i + 1]!] : []))
  if (begins === from + 1 || after.includes(begins)) return undefined
  const missing = begins > from && seen.some((id) => id > from && id < begins)
  if (begins > from && after.length > 0 && !missing) return undefined
  const title =
    begins > from
      ? `after Last-Event-ID ${from} the events from ${from + 1} to ${begins - 1} are missing`
      : `after Last-Event-ID ${from} event ${begins} came again`
  const symptom = begins > from ? 'gap' : 'repeated'
  return broken({ predicate: 'I-SSE-RESUME', severity: 'MED', title, standard, symptom, proof: true })
}
