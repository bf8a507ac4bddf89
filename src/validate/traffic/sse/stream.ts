/** What is known of the route's stream, and the witness: a client that only reads while others go. */
import type { SseEvent } from '../../../wire/sse.ts'
import type { Bench } from '../proof/bench.ts'
import type { Holding } from '../proof/holding.ts'
import type { Publisher } from './publisher.ts'
import { Subscription, type SubscribeOptions } from './subscription.ts'

/** How long the first events are waited for, ms. */
const FIRST_EVENTS_MS = 4000
const FIRST_EVENTS = 5
/** After them, how long the end of a stream is looked for, ms. */
const END_MS = 100

export interface StreamFacts {
  /** Usual time between events, ms; undefined where none came. */
  intervalMs?: number
  /** Numbers that grow by one from event to event, as a rule. */
  idsGrow: boolean
  /** The stream ended by its own framing while it was watched. */
  finite: boolean
  /** It ended before the first event. */
  empty: boolean
  /** Bytes came at all, be it comments. */
  flows: boolean
  /** From request to head, ms: the shortest that was seen, for the first may have met a busy machine. */
  headMs: number
  /** What one client reads in a second; 0 where no two events came. */
  bytesPerSecond: number
}

/** The id that came with an event, as a number, where it is one; what we published may have others, or none. */
export function numberOf(event: Pick<SseEvent, 'id' | 'ownId'> | undefined): number | undefined {
  return event?.ownId === true && /^\d{1,15}$/.test(event.id) ? Number(event.id) : undefined
}

/** The numbers among the ids of a reader. */
export const numbersOf = ({ events }: Subscription): number[] =>
  events.flatMap((event) => numberOf(event) ?? [])

/** At least half of the steps from number to number are one; a server that breaks the row now and then still has one. */
function growByOne(numbers: readonly number[]): boolean {
  const steps = numbers.slice(1).map((value, i) => value - numbers[i]!)
  const ones = steps.filter((step) => step === 1).length
  return ones >= 2 && ones * 2 >= steps.length
}

export class Stream {
  readonly bench: Bench
  readonly holding: Holding
  readonly path: string
  facts: StreamFacts = {
    idsGrow: false,
    finite: false,
    empty: false,
    flows: false,
    headMs: 0,
    bytesPerSecond: 0
  }
  /** A way to have a text of ours come as an event, where one was found. */
  publisher: Publisher | undefined
  /** How often the witness was cut off while it read. */
  cuts = 0
  #witness: Subscription | undefined

  constructor(bench: Bench, holding: Holding, path: string) {
    this.bench = bench
    this.holding = holding
    this.path = path
  }

  open(lastEventId?: string, more: Partial<SubscribeOptions> = {}): Promise<Subscription> {
    return Subscription.open(this.bench, {
      path: this.path,
      ...more,
      ...(lastEventId === undefined ? {} : { lastEventId })
    })
  }

  /** Longest wait for one more event, ms. */
  get eventMs(): number {
    return Math.max(this.bench.patienceMs, 4 * (this.facts.intervalMs ?? 0))
  }

  /** Watches the stream for a moment; the subscription stays and becomes the witness. */
  async learn(): Promise<void> {
    const { tally } = this.bench.context
    const first = await this.open()
    await first.until(() => first.count >= FIRST_EVENTS, FIRST_EVENTS_MS)
    await first.until(() => first.complete, END_MS)
    if (first.established) tally.add('sse_established')
    const gaps = first.at.slice(1).map((at, i) => at - first.at[i]!)
    const numbers = numbersOf(first)
    this.facts = {
      // Events that were kept for us come at once; the last gap is the live one.
      ...(gaps.length === 0 ? {} : { intervalMs: Math.max(...gaps) }),
      idsGrow: growByOne(numbers),
      finite: first.complete,
      // A breach of framing is judged, by its own case.
      empty: first.closed && first.count === 0 && (first.error?.rule ?? 'truncated') === 'truncated',
      flows: first.bytes > 0,
      headMs: first.headMs ?? 0,
      bytesPerSecond:
        gaps.length === 0 ? 0 : (first.bytes / first.count) * (1000 / Math.max(1, Math.max(...gaps)))
    }
    if (first.closed) first.close()
    else this.#witness = first
  }

  /** A witness that the server left without the end of its framing is a stream cut off; one whose framing broke is not. */
  #ended(witness: Subscription): void {
    const whole = (witness.error?.rule ?? 'truncated') === 'truncated'
    if (witness.established && !witness.complete && whole && witness.connection.state !== 'open')
      this.cuts += 1
    if (witness.complete) this.facts.finite = true
    this.count(witness)
    // Its other half is ours to close.
    witness.close()
  }

  /** What the witness has read so far, if there is one. */
  get watched(): Subscription | undefined {
    return this.#witness
  }

  /** The client that only reads; opened again where it has ended. */
  async witness(): Promise<Subscription> {
    if (this.#witness === undefined || this.#witness.closed) {
      if (this.#witness !== undefined) this.#ended(this.#witness)
      this.#witness = await this.open()
      await this.#witness.head(this.bench.patienceMs)
    }
    return this.#witness
  }

  /** The witness gets one more event in time; undefined where it did, else what was seen. */
  async witnessed(): Promise<string | undefined> {
    if (this.facts.intervalMs === undefined) return undefined
    const witness = await this.witness()
    const before = witness.count
    const begun = performance.now()
    if (await witness.until(() => witness.count > before, this.eventMs)) return undefined
    if (witness.closed) return undefined
    return `a client that only reads got no event for ${Math.round(performance.now() - begun)} ms (usual: one in ${Math.round(this.facts.intervalMs)} ms)`
  }

  /** The route answers 200 text/event-stream: undefined, else what was seen. */
  async opens(): Promise<string | undefined> {
    const one = await this.open()
    try {
      await one.head(this.bench.patienceMs)
      if (one.established) {
        this.bench.context.tally.add('sse_established')
        this.facts.headMs = Math.min(this.facts.headMs, one.headMs ?? Infinity)
        return undefined
      }
      const { tally } = this.bench.context
      if (one.response?.status === 404) tally.add('sse_endpoint_absent')
      else tally.add('sse_handshake_fail')
      return one.response === undefined
        ? `no response head (${one.connection.state})`
        : `status ${one.response.status}`
    } finally {
      this.count(one)
      one.close()
    }
  }

  /** Books what a subscription received. */
  count(subscription: Subscription): void {
    this.bench.context.tally.add('sse_events_read', subscription.count)
  }

  close(): void {
    if (this.#witness !== undefined) {
      this.count(this.#witness)
      this.#witness.close()
    }
  }
}
