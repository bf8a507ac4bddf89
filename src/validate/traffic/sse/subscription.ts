/** One client of an event stream, and the ways in which it goes. */
import { ResponseParser, type HttpResponse, type ParseError } from '../../../wire/http1.ts'
import { SseParser, type SseEvent } from '../../../wire/sse.ts'
import type { Connection } from '../../../wire/tcp.ts'
import type { SseWay } from '../../catalogue/sse/index.ts'
import { wait, type Bench } from '../proof/bench.ts'

const LONGEST_MS = 3_600_000
/** Events kept of a client that reads on and on. */
const KEPT_EVENTS = 4096
/** Between FIN and the end of the socket, as with a client that closes. */
const AFTER_FIN_MS = 30

export interface SubscribeOptions {
  path: string
  method?: 'GET' | 'HEAD'
  lastEventId?: string
}

export function subscribeRequest(
  bench: Bench,
  { path, method = 'GET', lastEventId }: SubscribeOptions
): Buffer {
  const head = bench.get(path, [
    ['Accept', 'text/event-stream'],
    ['Cache-Control', 'no-cache'],
    ...(lastEventId === undefined ? [] : [['Last-Event-ID', lastEventId] as const])
  ])
  return method === 'GET' ? head : Buffer.from(head.toString('latin1').replace(/^GET/, method), 'latin1')
}

export class Subscription {
  readonly connection: Connection
  /** The newest events. */
  readonly events: SseEvent[] = []
  /** `performance.now()` at which each of them was whole. */
  readonly at: number[] = []
  /** Events so far, also those not kept. */
  count = 0
  /** Head of the response. */
  response: HttpResponse | undefined
  /** The first breach of HTTP framing. */
  error: ParseError | undefined
  /** The body ended by its own framing. */
  complete = false
  /** Bytes of the body so far. */
  bytes = 0
  /** Invalid UTF-8 in the body, in words. */
  notUtf8: string | undefined
  #gone = false
  readonly #http: ResponseParser
  readonly #sse: SseParser
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  readonly #waiting = new Set<() => void>()

  private constructor(connection: Connection, method: string) {
    this.connection = connection
    this.#sse = new SseParser((event) => this.#event(event))
    this.#http = new ResponseParser({
      onHead: (response) => (this.response = response),
      onResponse: (response) => {
        this.response ??= response
        this.complete = true
      },
      onBody: (piece) => this.#body(piece),
      onError: (error) => (this.error ??= error)
    })
    this.#http.expect(method)
    void connection.waitFor((_, state) => this.#pump(state !== 'open'), LONGEST_MS)
  }

  /** Opens a connection and sends the request. @throws ConnectFailed */
  static async open(bench: Bench, options: SubscribeOptions): Promise<Subscription> {
    const connection = await bench.connect()
    bench.context.tally.add('sse_sent')
    const subscription = new Subscription(connection, options.method ?? 'GET')
    await bench.write(connection, subscribeRequest(bench, options))
    return subscription
  }

  /** A client that never read a response. */
  static over(connection: Connection): Subscription {
    const subscription = new Subscription(connection, 'GET')
    subscription.#gone = true
    return subscription
  }

  #event(event: SseEvent): void {
    this.count += 1
    this.events.push(event)
    this.at.push(performance.now())
    if (this.events.length < 2 * KEPT_EVENTS) return
    this.events.splice(0, KEPT_EVENTS)
    this.at.splice(0, KEPT_EVENTS)
  }

  #body(piece: Buffer): void {
    this.bytes += piece.length
    try {
      this.#decoder.decode(piece, { stream: true })
    } catch {
      this.notUtf8 ??= `invalid UTF-8 within the ${piece.length} bytes up to byte ${this.bytes} of the body`
    }
    this.#sse.push(piece)
  }

  #pump(closed: boolean): true | undefined {
    if (this.#gone) return true
    const { received } = this.connection
    if (received.length > 0) {
      this.#http.push(received)
      this.connection.consume(received.length)
    }
    if (closed) this.#http.finish(true)
    for (const wake of [...this.#waiting]) wake()
    return closed ? true : undefined
  }

  /** Nothing more can be read: it ended, or its framing broke. */
  get closed(): boolean {
    return this.complete || this.error !== undefined || this.connection.state !== 'open'
  }

  /** The stream runs: 200 and the right media type. */
  get established(): boolean {
    return (
      this.response?.status === 200 &&
      /^text\/event-stream\s*(;|$)/i.test(this.response.header('content-type') ?? '')
    )
  }

  /** True as soon as the test holds; false after the time limit or at the end of the stream. */
  until(test: () => boolean, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const look = (): void => {
        const held = test()
        if (!held && !this.closed) return
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve(held)
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(look)
        resolve(test())
      }, timeoutMs)
      this.#waiting.add(look)
      look()
    })
  }

  head(timeoutMs: number): Promise<boolean> {
    return this.until(() => this.response !== undefined, timeoutMs)
  }

  /** Goes in the given way. `stop` only stops reading: the connection stays open until `close`. */
  async kill(way: SseWay): Promise<void> {
    this.#gone = true
    if (way === 'rst') this.connection.reset()
    else if (way === 'stop') this.connection.pause()
    else {
      this.connection.end()
      await wait(AFTER_FIN_MS)
      this.connection.destroy()
    }
  }

  /** Ends it, whatever it was doing. */
  close(): void {
    this.#gone = true
    this.connection.destroy()
  }
}
