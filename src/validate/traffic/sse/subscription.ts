/** One client of an event stream, and the ways in which it goes. */
import { createBrotliDecompress, createGunzip, createInflate, type Gunzip } from 'node:zlib'
import { ResponseParser, type HttpResponse, type ParseError } from '../../../wire/http1.ts'
import { SseParser, type SseEvent } from '../../../wire/sse.ts'
import type { Connection } from '../../../wire/tcp.ts'
import { Transcript } from '../../../wire/transcript.ts'
import type { SseWay } from '../../catalogue/sse/index.ts'
import type { Watch } from '../../contracts.ts'
import { wait, type Bench } from '../proof/bench.ts'
import { Notes } from './notes.ts'

const LONGEST_MS = 3_600_000
/** Events kept of a client that reads on and on. */
const KEPT_EVENTS = 4096
/** Characters of an event that are kept; published ones may be of megabytes. */
const KEPT_DATA = 4096
/** Bytes that are kept of each direction of one client among many. */
const CROWD_TRANSCRIPT = 4096
/** Between FIN and the end of the socket, as with a client that closes. */
const AFTER_FIN_MS = 30

export interface SubscribeOptions {
  path: string
  method?: 'GET' | 'HEAD'
  lastEventId?: string
  /** Value of Accept; null leaves the field out. Default text/event-stream. */
  accept?: string | null
  /** One among many: of its bytes only the first are kept. */
  crowd?: boolean
  /** Value of Accept-Encoding; the coding that the server chooses is undone. */
  coding?: string
}

export function subscribeRequest(
  bench: Bench,
  { path, method = 'GET', lastEventId, accept = 'text/event-stream', coding }: SubscribeOptions
): Buffer {
  const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
  const head = bench.get(path, [
    ...(accept === null ? [] : [['Accept', accept] as const]),
    ['Cache-Control', 'no-cache'],
    ...(coding === undefined ? [] : [['Accept-Encoding', coding] as const]),
    ...(lastEventId === undefined ? [] : [['Last-Event-ID', latin1(lastEventId)] as const])
  ])
  return method === 'GET' ? head : Buffer.from(head.toString('latin1').replace(/^GET/, method), 'latin1')
}

/** The begin of a text, in memory of its own. */
const cut = (text: string): string => Buffer.from(text.slice(0, KEPT_DATA), 'utf16le').toString('utf16le')

const DECODERS: Record<string, () => Pick<Gunzip, 'on' | 'write' | 'destroy'>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress
}

export class Subscription {
  readonly connection: Connection
  /** The newest events. */
  readonly events: SseEvent[] = []
  /** `performance.now()` at which each of them was whole. */
  readonly at: number[] = []
  /** Events so far, also those not kept. */
  count = 0
  readonly notes = new Notes()
  readonly openedAt = performance.now()
  /** From the request to the response head, ms. */
  headMs: number | undefined
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
  /** The body is not of its Content-Encoding, in words. */
  notCoded: string | undefined
  #gone = false
  readonly #http: ResponseParser
  readonly #sse: SseParser
  readonly #text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  #decoder: ReturnType<(typeof DECODERS)[string]> | undefined
  readonly #waiting = new Set<() => void>()

  private constructor(connection: Connection, method: string, watch: Watch) {
    this.connection = connection
    this.#sse = new SseParser(
      (event) => this.#event(event),
      (line, end) => this.notes.line(line, end)
    )
    const { transcript } = connection
    this.#http = new ResponseParser({
      onHead: (response) => {
        this.response = response
        this.headMs = performance.now() - this.openedAt
        watch.answer(response, transcript.sentBytes(), 'head')
      },
      onResponse: (response) => {
        this.response ??= response
        this.complete = true
      },
      onBody: (piece) => this.#body(piece),
      onError: (error) => {
        this.error ??= error
        if (error.rule !== 'truncated')
          watch.broken(error, transcript.sentBytes(), transcript.receivedBytes(), true)
      }
    })
    this.#http.expect(method)
    void connection.waitFor((_, state) => this.#pump(state !== 'open'), LONGEST_MS)
  }

  /** Opens a connection and sends the request. @throws ConnectFailed */
  static async open(bench: Bench, options: SubscribeOptions): Promise<Subscription> {
    const connection = await bench.connect(options.crowd ? new Transcript(CROWD_TRANSCRIPT) : undefined)
    bench.context.tally.add('sse_sent')
    const subscription = new Subscription(connection, options.method ?? 'GET', bench.context.watch)
    await bench.write(connection, subscribeRequest(bench, options))
    return subscription
  }

  /** A client that never reads a response. */
  static over(connection: Connection, watch: Watch): Subscription {
    const subscription = new Subscription(connection, 'GET', watch)
    subscription.#gone = true
    return subscription
  }

  #event(event: SseEvent): void {
    this.count += 1
    this.notes.event(event)
    this.events.push(event.data.length > KEPT_DATA ? { ...event, data: cut(event.data) } : event)
    this.at.push(performance.now())
    if (this.events.length < 2 * KEPT_EVENTS) return
    this.events.splice(0, KEPT_EVENTS)
    this.at.splice(0, KEPT_EVENTS)
  }

  #body(piece: Buffer): void {
    this.bytes += piece.length
    const coding = this.response?.header('content-encoding')?.toLowerCase() ?? 'identity'
    const make = DECODERS[coding]
    if (make === undefined) return this.#content(piece)
    if (this.#decoder === undefined) {
      this.#decoder = make()
      this.#decoder.on('data', (content: Buffer) => {
        this.#content(content)
        this.#wake()
      })
      this.#decoder.on('error', (error: Error) => (this.notCoded ??= `${coding}: ${error.message}`))
    }
    this.#decoder.write(Buffer.from(piece))
  }

  #content(piece: Buffer): void {
    try {
      this.#text.decode(piece, { stream: true })
    } catch {
      this.notUtf8 ??= `invalid UTF-8 within the ${piece.length} bytes up to byte ${this.bytes} of the body`
    }
    this.#sse.push(piece)
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  #pump(closed: boolean): true | undefined {
    if (this.#gone) return true
    const { received } = this.connection
    if (received.length > 0) {
      this.#http.push(received)
      this.connection.consume(received.length)
    }
    if (closed) this.#http.finish(true)
    this.#wake()
    return closed ? true : undefined
  }

  /** Bytes of a line whose end has not come. */
  get pending(): number {
    return this.#sse.pending
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
    this.#decoder?.destroy()
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
    this.#decoder?.destroy()
    this.connection.destroy()
  }
}
