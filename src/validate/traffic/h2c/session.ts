/** An HTTP/2 connection of ours: requests and frames out, checked answers in, windows kept on both sides. */
import { HpackEncoder, type Field } from '../../../wire/hpack.ts'
import {
  DEFAULT_WINDOW,
  encodeFrame,
  FLAG,
  FRAME,
  FrameReader,
  goawayFrame,
  headerFrames,
  pingFrame,
  PREFACE,
  rstStream,
  SETTING,
  settingsAck,
  settingsFrame,
  windowUpdate
} from '../../../wire/http2.ts'
import type { Connection } from '../../../wire/tcp.ts'
import { showHttp2 } from '../../oracles/passive/show.ts'
import type { Bench } from '../proof/bench.ts'
import { Inbound, type Fault, type Stream } from './inbound.ts'

/** Push is none of our business. */
export const OUR_SETTINGS = { [SETTING.ENABLE_PUSH]: 0 }
/** Longest DATA frame of ours, so that bodies interleave. */
const PIECE = 4096

export interface SessionOptions {
  /** Added to `OUR_SETTINGS`. */
  settings?: Readonly<Record<number, number>>
  /** Windows are opened again as data comes; default true. */
  refill?: boolean
  /** Fields in Huffman code and in the dynamic table. */
  compress?: boolean
  /** How long the server's SETTINGS are waited for; default the patience of the bench, ms. */
  greetMs?: number
}

interface Outgoing {
  body: Buffer
  at: number
}

export class Session {
  readonly bench: Bench
  readonly connection: Connection
  readonly inbound = new Inbound()
  /** The first rule that the server's bytes broke. */
  fault: Fault | undefined
  /** The server answers in HTTP/1: the first line. */
  http1: string | undefined
  refill: boolean
  readonly #reader = new FrameReader()
  readonly #encoder: HpackEncoder
  #next = 1
  #window = DEFAULT_WINDOW
  readonly #windows = new Map<number, number>()
  readonly #outgoing = new Map<number, Outgoing>()
  /** Requests that have no answer yet. */
  readonly #asked = new Map<Stream, readonly Field[]>()

  constructor(bench: Bench, connection: Connection, options: SessionOptions = {}) {
    this.bench = bench
    this.connection = connection
    this.refill = options.refill ?? true
    const compress = options.compress ?? false
    this.#encoder = new HpackEncoder({ huffman: compress, indexing: compress })
  }

  /**
   * Opens a connection with prior knowledge: preface and SETTINGS, then the server's SETTINGS, acknowledged.
   * @returns what was seen where no SETTINGS came
   * @throws ConnectFailed
   */
  static async open(bench: Bench, options: SessionOptions = {}): Promise<Session | string> {
    const session = new Session(bench, await bench.connect(), options)
    bench.context.tally.add('h2c_prior_sent')
    await session.begin(options)
    const seen = await session.greeted(options.greetMs)
    if (seen === undefined) return session
    session.destroy()
    return seen
  }

  /** Sends preface and SETTINGS. */
  begin(options: SessionOptions = {}): Promise<boolean> {
    const settings = { ...OUR_SETTINGS, ...options.settings }
    this.inbound.offer(settings)
    return this.write(Buffer.concat([PREFACE, settingsFrame(settings)]))
  }

  /** Waits for the server's SETTINGS. Undefined when they came, else what was seen. */
  async greeted(timeoutMs?: number): Promise<string | undefined> {
    await this.until(() => this.inbound.peer.settings, timeoutMs)
    if (this.inbound.peer.settings) {
      this.bench.context.tally.add('h2c_prior_established')
      return undefined
    }
    if (this.http1 !== undefined) return `the preface is answered with "${this.http1}"`
    if (this.fault !== undefined) return this.fault.title
    return `no SETTINGS after the preface (${this.ending})`
  }

  /** The state of the connection, in words. */
  get ending(): string {
    const { state } = this.connection
    if (this.inbound.goaway !== undefined) return `GOAWAY ${this.inbound.goaway.code}, ${state}`
    return state === 'open' ? `nothing within ${Math.round(this.bench.patienceMs)} ms` : `closed: ${state}`
  }

  get open(): boolean {
    return this.connection.state === 'open'
  }

  /** False where the peer had closed. */
  write(...bytes: readonly Buffer[]): Promise<boolean> {
    return this.bench.write(this.connection, Buffer.concat(bytes))
  }

  /**
   * A stream of ours that the frames of a case open.
   * @param asked fields of a well-formed request, so that the passive rules see its answer
   */
  expect(id: number, method: string, asked?: readonly Field[]): Stream {
    this.#next = Math.max(this.#next, id + (id % 2 === 1 ? 2 : 1))
    this.#windows.set(id, this.inbound.peer.window)
    const stream = this.inbound.open(id, method)
    if (asked !== undefined) this.#asked.set(stream, asked)
    return stream
  }

  /** The next stream of ours, opened by frames that are made elsewhere. */
  expectNext(method: string, asked?: readonly Field[]): Stream {
    return this.expect(this.#next, method, asked)
  }

  /** Opens a stream. With a body it is sent as the windows allow, in pieces, beside those of other streams. */
  request(fields: readonly Field[], options: { body?: Buffer; endStream?: boolean } = {}): Stream {
    const { body } = options
    const endStream = options.endStream ?? body === undefined
    const stream = this.expectNext(fields.find(([name]) => name === ':method')?.[1] ?? 'GET', fields)
    const block = this.#encoder.encode(fields)
    this.bench.context.tally.add('h2c_streams')
    void this.write(headerFrames(stream.id, block, { endStream, most: this.inbound.peer.frame }))
    if (body !== undefined) {
      this.#outgoing.set(stream.id, { body, at: 0 })
      this.#drain()
    }
    return stream
  }

  /** More of a stream left open by `endStream: false`. */
  finish(stream: Stream, body: Buffer): void {
    this.#outgoing.set(stream.id, { body, at: 0 })
    this.#drain()
  }

  cancel(stream: Stream, code = 8): void {
    stream.cancelled = true
    this.#outgoing.delete(stream.id)
    void this.write(rstStream(stream.id, code))
  }

  /** A SETTINGS frame for each of the values, in one segment. */
  settings(...frames: readonly Readonly<Record<number, number>>[]): void {
    for (const values of frames) this.inbound.offer(values)
    void this.write(...frames.map((values) => settingsFrame(values)))
  }

  ping(payload: Buffer): void {
    void this.write(pingFrame(payload))
  }

  goaway(): void {
    void this.write(goawayFrame(0, 0))
  }

  /** Opens a window of the server. @param id 0 for the connection */
  grant(id: number, by: number): void {
    if (id === 0) this.inbound.granted += by
    else {
      const stream = this.inbound.streams.get(id)
      if (stream !== undefined) stream.granted += by
    }
    void this.write(windowUpdate(id, by))
  }

  /** One frame of each body in turn, as long as the windows are open. */
  #drain(): void {
    const frames: Buffer[] = []
    for (let moved = true; moved;) {
      moved = false
      for (const [id, out] of this.#outgoing) {
        const window = Math.min(this.#window, this.#windows.get(id) ?? 0)
        const length = Math.min(PIECE, out.body.length - out.at, Math.max(0, window))
        if (length === 0 && out.body.length > out.at) continue
        const end = out.at + length === out.body.length
        const payload = out.body.subarray(out.at, out.at + length)
        frames.push(encodeFrame({ type: FRAME.DATA, flags: end ? FLAG.END_STREAM : 0, stream: id, payload }))
        out.at += length
        this.#window -= length
        this.#windows.set(id, (this.#windows.get(id) ?? 0) - length)
        if (end) this.#outgoing.delete(id)
        moved = true
      }
    }
    if (frames.length > 0) void this.write(...frames)
  }

  #pump(): void {
    const { received } = this.connection
    if (received.length === 0 || this.fault !== undefined || this.http1 !== undefined) return
    const { inbound } = this
    const before = inbound.counted
    const streams = new Map<Stream, number>()
    const frames = this.#reader.push(received)
    this.connection.consume(received.length)
    for (const frame of frames) {
      const stream = inbound.streams.get(frame.stream)
      if (stream !== undefined && frame.type === FRAME.DATA && !streams.has(stream))
        streams.set(stream, stream.counted)
      this.fault = inbound.take(frame)
      if (this.fault !== undefined) return
      if (stream?.answered === true) this.#show(stream)
    }
    const { pending, rest } = this.#reader
    if (pending.length > inbound.mostFrame) {
      if (rest.toString('latin1', 0, 5) === 'HTTP/') this.http1 = rest.toString('latin1').split('\r\n', 1)[0]!
      else {
        const title = `a frame of ${pending.length} bytes comes, ${inbound.mostFrame} are allowed`
        this.fault = { title, symptom: 'frame size', standard: 'RFC 9113 4.2' }
      }
      return
    }
    this.#reply(before, streams)
  }

  /** A whole answer, for the passive rules. */
  #show(stream: Stream): void {
    const asked = this.#asked.get(stream)
    if (asked === undefined || !this.#asked.delete(stream)) return
    const { method, status = 0, fields, body } = stream
    showHttp2(this.bench.context.watch, { method, status, fields, body }, asked)
  }

  /** What a living client owes: acknowledgements, pongs, windows. */
  #reply(before: number, streams: ReadonlyMap<Stream, number>): void {
    const { inbound } = this
    const out: Buffer[] = []
    for (; inbound.unacknowledged > 0; inbound.unacknowledged--) out.push(settingsAck())
    for (const payload of inbound.pings.splice(0)) out.push(pingFrame(payload, true))
    const taken = inbound.counted - before
    // The connection window is never what a case is about.
    if (taken > 0) {
      inbound.granted += taken
      out.push(windowUpdate(0, taken))
    }
    if (this.refill) {
      for (const [stream, counted] of streams) {
        const by = stream.counted - counted
        if (by === 0 || stream.ended || stream.reset !== undefined || stream.cancelled) continue
        stream.granted += by
        out.push(windowUpdate(stream.id, by))
      }
    }
    for (const [id, by] of inbound.updates.splice(0)) {
      if (id === 0) this.#window += by
      else this.#windows.set(id, (this.#windows.get(id) ?? 0) + by)
    }
    if (inbound.windowDelta !== 0) {
      for (const [id, window] of this.#windows) this.#windows.set(id, window + inbound.windowDelta)
      inbound.windowDelta = 0
    }
    for (const id of this.#outgoing.keys())
      if (inbound.streams.get(id)?.reset !== undefined) this.#outgoing.delete(id)
    if (out.length > 0) void this.write(...out)
    this.#drain()
  }

  /** Nothing more can be learned from this connection. */
  get over(): boolean {
    return this.fault !== undefined || this.http1 !== undefined || !this.open
  }

  /** True as soon as the test holds; false after the time limit or the end of the connection. */
  async until(test: () => boolean, timeoutMs = this.bench.patienceMs): Promise<boolean> {
    const held = await this.connection.waitFor(() => {
      this.#pump()
      if (test()) return true
      return this.fault === undefined && this.http1 === undefined ? undefined : false
    }, timeoutMs)
    if (held === undefined) this.#pump()
    return held ?? test()
  }

  /** Answered whole, reset, or never to be answered on this connection. */
  settled(stream: Stream): boolean {
    const { goaway } = this.inbound
    return (
      stream.ended ||
      stream.reset !== undefined ||
      this.over ||
      (goaway !== undefined && goaway.last < stream.id)
    )
  }

  /** Waits until each stream is settled. */
  settle(streams: readonly Stream[], timeoutMs?: number): Promise<boolean> {
    return this.until(() => streams.every((stream) => this.settled(stream)), timeoutMs)
  }

  destroy(): void {
    this.connection.destroy()
  }
}
