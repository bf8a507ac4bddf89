/** Text that is published must stay text: one text is one event, whatever line ends it holds. */
import type { RandomStream } from '../../../kit/random.ts'
import type { SseEvent } from '../../../wire/sse.ts'
import { SSE_INJECTIONS, type SseInjection } from '../../catalogue/sse/index.ts'
import { wait } from '../proof/bench.ts'
import { inapplicable, inconclusive, KEPT, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import { holds, type Place, type Publisher } from './publisher.ts'
import type { Stream } from './stream.ts'
import { wrong } from './told.ts'

/** After the first event of a text, how long another one is waited for, ms. */
const MORE_MS = 150

/** @param publisher the route, or why there is none */
export function injectionTrials(
  stream: Stream,
  publisher: Publisher | string,
  random: RandomStream
): Trial[] {
  return SSE_INJECTIONS.map((entry) => ({
    id: entry.id,
    group: entry.group,
    twin: () => (typeof publisher === 'string' ? stream.opens() : plain(stream, publisher, random)),
    shoot: async (): Promise<Shot> => {
      if (typeof publisher === 'string') return { verdict: inapplicable(publisher) }
      let shot: Shot = { verdict: KEPT }
      for (const place of publisher.places) {
        shot = await inject(stream, publisher, entry, place, random)
        if (shot.verdict.kind !== 'kept') return shot
      }
      return shot
    }
  }))
}

/** A plain text comes as one event. */
async function plain(
  stream: Stream,
  publisher: Publisher,
  random: RandomStream
): Promise<string | undefined> {
  const text = `p${random.hex(16)}`
  const { reader, status, done } = await publisher.publish('data', text, text)
  try {
    const mine = (): SseEvent[] => reader.events.filter((event) => holds(event, text))
    if (await reader.until(() => mine().length > 0, stream.eventMs)) return undefined
    return `a plain text published by ${publisher.title} (${status ?? 'no answer'}) does not come`
  } finally {
    done()
  }
}

async function inject(
  stream: Stream,
  publisher: Publisher,
  entry: SseInjection,
  place: Place,
  random: RandomStream
): Promise<Shot> {
  // A letter before the digits: no nonce is taken for a number.
  const nonce = (): string => `p${random.hex(12)}`
  const nonces = { n1: nonce(), n2: nonce(), n3: nonce(), n4: nonce() }
  const text = entry.text.replace(/\{(n[1-4])\}/g, (_, name: keyof typeof nonces) => nonces[name])
  const words = nonce()
  const { reader, status, done } = await publisher.publish(place, text, words)
  const { transcript } = reader.connection
  const all = [words, ...Object.values(nonces)]
  const mine = (): SseEvent[] => reader.events.filter((event) => all.some((nonce) => holds(event, nonce)))
  try {
    const came = await reader.until(() => mine().length > 0, stream.eventMs)
    if (came) await wait(MORE_MS)
    const events = mine()
    if (events.length > 0) return { verdict: judge(entry, place, nonces, text, events), transcript }
    // A text that is refused, or dropped, can do no harm.
    if (status !== undefined && status < 500) return { verdict: KEPT, transcript }
    return { verdict: inconclusive(`nothing came of it (${status ?? 'no answer'})`), transcript }
  } finally {
    done()
  }
}

/** One text is one event, and nothing of the text stands outside of its place. */
function judge(
  entry: SseInjection,
  place: Place,
  nonces: Record<'n1' | 'n2' | 'n3' | 'n4', string>,
  text: string,
  events: readonly SseEvent[]
): Verdict {
  const published = `${JSON.stringify(text)} as ${place} came as ${events
    .map(({ event, data, id }) => JSON.stringify({ event, data, id }))
    .join(' and ')
    .slice(0, 400)}`
  const [first] = events
  const outside = (event: SseEvent): boolean =>
    (['data', 'event', 'id'] as const).some(
      // The last id stays with the events that follow.
      (other) => other !== place && Object.values(nonces).some((nonce) => event[other].includes(nonce))
    )
  // A field that was given twice has the last value.
  const replaced =
    !first![place].includes(nonces.n1) && Object.values(nonces).some((nonce) => holds(first!, nonce))
  const stays = place === 'id' ? events.slice(0, 1) : events
  if (stays.length > 1 || replaced || stays.some(outside)) return wrong(entry, 'injected', published, true)
  // Where the text has no line end there is none to split it at.
  const splits = entry.wrong.some(({ when }) => when === 'split')
  if (place === 'data' && splits && first!.data.includes(`${nonces.n1}\n`))
    return wrong(entry, 'split', published, true)
  return KEPT
}
