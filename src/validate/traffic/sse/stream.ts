/** What is known of the route's stream, and the witness: a client that only reads while others go. */
import type { Bench } from '../proof/bench.ts'
import type { Holding } from '../proof/holding.ts'
import { Subscription } from './subscription.ts'

/** How long the first events are waited for, ms. */
const FIRST_EVENTS_MS = 4000
const FIRST_EVENTS = 3

export interface StreamFacts {
  /** Usual time between events, ms; undefined where none came. */
  intervalMs?: number
  /** Numbers that grow by one from event to event. */
  idsGrow: boolean
  /** The stream ended by its own framing while it was watched. */
  finite: boolean
  /** Bytes came at all, be it comments. */
  flows: boolean
}

/** The event's id as a number, where it is one. */
export function numberOf(id: string | undefined): number | undefined {
  return id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : undefined
}

export class Stream {
  readonly bench: Bench
  readonly holding: Holding
  readonly path: string
  facts: StreamFacts = { idsGrow: false, finite: false, flows: false }
  #witness: Subscription | undefined

  constructor(bench: Bench, holding: Holding, path: string) {
    this.bench = bench
    this.holding = holding
    this.path = path
  }

  open(lastEventId?: string): Promise<Subscription> {
    return Subscription.open(this.bench, {
      path: this.path,
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
    await first.until(() => first.events.length >= FIRST_EVENTS, FIRST_EVENTS_MS)
    if (first.established) tally.add('sse_established')
    const gaps = first.at.slice(1).map((at, i) => at - first.at[i]!)
    const numbers = first.events.map(({ id }) => numberOf(id))
    const [a, b] = numbers.slice(-2)
    this.facts = {
      // Events that were kept for us come at once; the last gap is the live one.
      ...(gaps.length === 0 ? {} : { intervalMs: Math.max(...gaps) }),
      idsGrow: a !== undefined && b === a + 1,
      finite: first.complete,
      flows: first.bytes > 0
    }
    if (first.closed) first.close()
    else this.#witness = first
  }

  /** The client that only reads; opened again where it has ended. */
  async witness(): Promise<Subscription> {
    if (this.#witness === undefined || this.#witness.closed) {
      this.#witness = await this.open()
      await this.#witness.head(this.bench.patienceMs)
    }
    return this.#witness
  }

  /** The witness gets one more event in time; undefined where it did, else what was seen. */
  async witnessed(): Promise<string | undefined> {
    if (this.facts.intervalMs === undefined) return undefined
    const witness = await this.witness()
    const before = witness.events.length
    const begun = performance.now()
    if (await witness.until(() => witness.events.length > before, this.eventMs)) return undefined
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
    this.bench.context.tally.add('sse_events_read', subscription.events.length)
  }

  close(): void {
    if (this.#witness !== undefined) {
      this.count(this.#witness)
      this.#witness.close()
    }
  }
}
