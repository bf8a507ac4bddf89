/** Kill and come back with Last-Event-ID: the union of all events has no gap and no repetition. */
import { SSE_NUMBERS, SSE_RESUME_CASES } from '../../catalogue/sse.ts'
import type { RandomStream } from '../../../kit/random.ts'
import type { Transcript } from '../../../wire/transcript.ts'
import { wait } from '../proof/bench.ts'
import { broken, inapplicable, inconclusive, KEPT, type Trial, type Verdict } from '../proof/trial.ts'
import { numberOf, type Stream } from './stream.ts'

/** Waits while away, in events, so that something was missed. */
const MISSED_EVENTS = 1.5

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
  const client = await stream.open(from === undefined ? undefined : String(from))
  try {
    stream.holding.gone.add(client.connection.localPort)
    if (!(await client.head(stream.bench.patienceMs)) || !client.established)
      return `not established (${client.response?.status ?? 'no head'})`
    stream.bench.context.tally.add('sse_established')
    if (!(await client.until(() => client.events.length >= events, events * stream.eventMs)))
      return `only ${client.events.length} events came`
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

/** Does the server give what was missed? Learned with the witness as proof that something was. */
export async function learnResume(stream: Stream): Promise<string | undefined> {
  const { facts } = stream
  if (facts.intervalMs === undefined) return 'no event came within the time of observation'
  if (!facts.idsGrow) return 'events carry no ids that grow by one'
  const first = await leg(stream, undefined, 1, 'rst')
  if (typeof first === 'string') return first
  const last = first.leg.ids.at(-1)!
  const witness = await stream.witness()
  const newest = (): number => numberOf(witness.events.at(-1)?.id) ?? 0
  if (!(await witness.until(() => newest() > last + 1, 3 * stream.eventMs)))
    return 'a reader that stayed saw no further event'
  const second = await leg(stream, last, 1, 'rst')
  if (typeof second === 'string') return second
  const begins = second.leg.ids[0]
  return begins === last + 1
    ? undefined
    : `it does not resume: after Last-Event-ID ${last} the stream went on with ${begins ?? 'no id'}`
}

export function resumeTrials(stream: Stream, unable: string | undefined, random: RandomStream): Trial[] {
  const [gapless, unknown] = SSE_RESUME_CASES
  return [
    {
      id: gapless.id,
      group: 'resume',
      twin: () => stream.opens(),
      shoot: async () => {
        if (unable !== undefined) return { verdict: inapplicable(unable) }
        let from: number | undefined
        let transcript: Transcript | undefined
        for (let i = 0; i <= SSE_NUMBERS.resumes; i++) {
          const one = await leg(stream, from, random.int(1, 3), i % 2 === 0 ? 'rst' : 'fin')
          if (typeof one === 'string') return { verdict: inconclusive(one) }
          transcript = one.transcript
          if (from !== undefined) stream.bench.context.tally.add('sse_resumed')
          const verdict = contiguous(one.leg, gapless.standard)
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

function contiguous({ from, ids }: Leg, standard: string): Verdict | undefined {
  const breach = (title: string, symptom: string): Verdict =>
    broken({ predicate: 'I-SSE-RESUME', severity: 'MED', title, standard, symptom, proof: true })
  const list = from === undefined ? ids : [from, ...ids]
  for (const [i, id] of list.entries()) {
    const before = list[i - 1]
    if (before === undefined || id === before + 1) continue
    const where = from !== undefined && i === 1 ? `after Last-Event-ID ${from}` : 'within the stream'
    if (id > before + 1) return breach(`${where} the events ${before + 1} to ${id - 1} are missing`, 'gap')
    return breach(`${where} event ${id} came again (after ${before})`, 'repeated')
  }
  return undefined
}
