/**
 * What a strict server says of the frames of a client (RFC 9113, RFC 7541): the first rule that they break. They are read
 * as bytes, so that a case that was cut anywhere is read as what is sent.
 */
import { HpackDecoder, HpackError, type Field } from '../../../wire/hpack.ts'
import {
  DEFAULT_FRAME,
  DEFAULT_WINDOW,
  FLAG,
  FRAME,
  frameName,
  FrameReader,
  MOST_WINDOW,
  readSettings,
  SETTING,
  unpadded,
  type Frame
} from '../../../wire/http2.ts'
import type { H2cFrameCase } from '../../catalogue/h2c/index.ts'
import { frameBytes, type Making } from '../../traffic/h2c/frames.ts'
import { headFault, lengthOf, trailersFault } from './h2c-message.ts'

/** Which server it is does not change what is said. */
const MAKING: Making = {
  ground: { authority: 'localhost', get: { path: '/', status: 200, body: undefined } },
  most: DEFAULT_FRAME
}
const MOST_FRAME = 2 ** 24 - 1

export interface ClientFrames {
  /** `valid`, `unfinished` (a header block or a request that must be answered has begun and not ended), or the rule. */
  claim: string
  /** What the DATA frames of each stream hold up to there. */
  bodies: ReadonlyMap<number, Buffer>
}

/** The frames of a case, without what opens the connection. */
export const h2cBytes = ({ frames }: Pick<H2cFrameCase, 'frames'>): Buffer =>
  Buffer.concat(frames.map((frame) => frameBytes(MAKING, frame)))

/**
 * Reads the frames as a server that has its default settings, whose SETTINGS are acknowledged, and that never pushes
 * (RFC 9113 3.4, 5.1, 6 and 8; RFC 7541). What it must pass over, such as frames of unknown types (5.5), is valid. The
 * windows that it opens are not known here, so that a body is never too long for them.
 */
export function readClient(spec: H2cFrameCase): ClientFrames {
  const reader = new ClientReader(spec.window ?? DEFAULT_WINDOW)
  const claim = spec.expect === 'preface' ? 'preface' : claimOf(reader, spec)
  const bodies = [...reader.streams].map(([id, { body }]) => [id, Buffer.concat(body)] as const)
  return { claim, bodies: new Map(bodies) }
}

/** The rule alone; see `readClient`. */
export const h2cClaim = (spec: H2cFrameCase): string => readClient(spec).claim

function claimOf(reader: ClientReader, spec: H2cFrameCase): string {
  const frames = new FrameReader().push(h2cBytes(spec))
  const [first] = frames
  if (spec.bare && (first?.type !== FRAME.SETTINGS || first.flags & FLAG.ACK)) return 'no settings first'
  for (const frame of frames) {
    const fault = reader.take(frame)
    if (fault !== undefined) return fault
  }
  const open = spec.answers.some((id) => reader.streams.get(id)?.ended === false)
  return open || reader.inBlock ? 'unfinished' : 'valid'
}

/** A stream that a request of the client has opened. */
interface ClientStream {
  ended: boolean
  reset: boolean
  /** What the server may send. */
  window: number
  declared: number | undefined
  body: Buffer[]
}

/** A header block that has begun. */
interface HeaderBlock {
  stream: number
  endStream: boolean
  parts: Buffer[]
}

/** Frames that name the connection, and that name a stream (6). */
const OF_CONNECTION: readonly number[] = [FRAME.SETTINGS, FRAME.PING, FRAME.GOAWAY]
const OF_STREAM: readonly number[] = [FRAME.DATA, FRAME.HEADERS, FRAME.PRIORITY, FRAME.RST_STREAM]
/** Lengths that do not vary (6.3, 6.4, 6.7, 6.9). */
const LENGTHS: Readonly<Record<number, number>> = {
  [FRAME.PRIORITY]: 5,
  [FRAME.RST_STREAM]: 4,
  [FRAME.PING]: 8,
  [FRAME.WINDOW_UPDATE]: 4
}
const GOAWAY_LENGTH = 8

class ClientReader {
  readonly streams = new Map<number, ClientStream>()
  readonly #decoder = new HpackDecoder()
  #initial: number
  #window = DEFAULT_WINDOW
  /** Highest stream that was opened. */
  #last = 0
  #block: HeaderBlock | undefined

  /** @param initial SETTINGS_INITIAL_WINDOW_SIZE of the client */
  constructor(initial: number) {
    this.#initial = initial
  }

  get inBlock(): boolean {
    return this.#block !== undefined
  }

  /** The rule that the frame breaks, if it breaks one. */
  take(frame: Frame): string | undefined {
    const { type, stream: id, payload } = frame
    const name = frameName(type)
    if (payload.length > DEFAULT_FRAME) return `frame size of ${name}`
    if (type === FRAME.CONTINUATION) return this.#continuation(frame)
    if (this.#block !== undefined) return `${name} inside a header block`
    if (type === FRAME.PUSH_PROMISE) return 'push promise'
    if (id === 0 && OF_STREAM.includes(type)) return `${name} on stream 0`
    if (id !== 0 && OF_CONNECTION.includes(type)) return `${name} on a stream`
    if (payload.length !== (LENGTHS[type] ?? payload.length)) return `length of ${name}`
    switch (type) {
      case FRAME.DATA:
        return this.#lost(frame) ?? this.#data(frame)
      case FRAME.HEADERS:
        return this.#headers(frame)
      case FRAME.RST_STREAM:
        return this.#lost(frame) ?? this.#reset(id)
      case FRAME.SETTINGS:
        return this.#settings(frame)
      case FRAME.GOAWAY:
        return payload.length < GOAWAY_LENGTH ? 'length of GOAWAY' : undefined
      case FRAME.WINDOW_UPDATE:
        return (id === 0 ? undefined : this.#lost(frame)) ?? this.#windowUpdate(frame)
      default:
        return undefined
    }
  }

  /** Frames on a stream that is idle or closed (5.1). */
  #lost({ type, stream: id }: Frame): string | undefined {
    const stream = this.streams.get(id)
    if (stream !== undefined) return stream.reset ? 'closed by our reset' : undefined
    // A stream below one that is used is closed without having been open (5.1.1); those of a server are never used.
    const closed = id % 2 === 1 && id < this.#last
    return `${frameName(type)} on ${closed ? 'a closed' : 'an idle'} stream`
  }

  #data(frame: Frame): string | undefined {
    const stream = this.streams.get(frame.stream)!
    if (stream.ended) return 'DATA after END_STREAM'
    const content = unpadded(frame)
    if (content === undefined) return 'padding'
    stream.body.push(content)
    const { declared = Infinity, body } = stream
    if (sizeOf(body) > declared) return 'body longer than content-length'
    return frame.flags & FLAG.END_STREAM ? ends(stream) : undefined
  }

  #reset(id: number): undefined {
    this.streams.get(id)!.reset = true
  }

  #headers(frame: Frame): string | undefined {
    const { flags, stream: id } = frame
    const stream = this.streams.get(id)
    if (stream?.reset === true) return 'closed by our reset'
    if (stream?.ended === true) return 'HEADERS after END_STREAM'
    if (id % 2 === 0) return 'even stream'
    if (stream === undefined && id < this.#last) return 'stream id not above the last'
    const content = unpadded(frame)
    if (content === undefined) return flags & FLAG.PADDED ? 'padding' : 'length of HEADERS'
    this.#last = Math.max(this.#last, id)
    this.#block = { stream: id, endStream: (flags & FLAG.END_STREAM) !== 0, parts: [content] }
    return flags & FLAG.END_HEADERS ? this.#blockEnds(this.#block) : undefined
  }

  #continuation({ flags, stream, payload }: Frame): string | undefined {
    if (this.#block === undefined) return 'CONTINUATION without HEADERS'
    if (stream !== this.#block.stream) return 'CONTINUATION on another stream'
    this.#block.parts.push(payload)
    return flags & FLAG.END_HEADERS ? this.#blockEnds(this.#block) : undefined
  }

  #blockEnds({ stream: id, endStream, parts }: HeaderBlock): string | undefined {
    this.#block = undefined
    let fields: Field[]
    try {
      fields = this.#decoder.decode(Buffer.concat(parts))
    } catch (error) {
      if (error instanceof HpackError) return `hpack ${error.rule}`
      throw error
    }
    const known = this.streams.get(id)
    const fault =
      known === undefined
        ? headFault(fields)
        : endStream
          ? trailersFault(fields)
          : 'trailers without END_STREAM'
    if (fault !== undefined) return fault
    const declared = lengthOf(fields)
    const stream = known ?? { ended: false, reset: false, window: this.#initial, declared, body: [] }
    this.streams.set(id, stream)
    return endStream ? ends(stream) : undefined
  }

  #settings({ flags, payload }: Frame): string | undefined {
    if (flags & FLAG.ACK) return payload.length === 0 ? undefined : 'length of SETTINGS ACK'
    if (payload.length % 6 !== 0) return 'length of SETTINGS'
    for (const [id, value] of readSettings(payload)) {
      if (id === SETTING.ENABLE_PUSH && value > 1) return 'ENABLE_PUSH'
      if (id === SETTING.MAX_FRAME_SIZE && (value < DEFAULT_FRAME || value > MOST_FRAME))
        return 'MAX_FRAME_SIZE'
      if (id !== SETTING.INITIAL_WINDOW_SIZE) continue
      if (value > MOST_WINDOW) return 'window above the most'
      // It changes the windows of all streams (6.9.2).
      for (const stream of this.streams.values()) stream.window += value - this.#initial
      this.#initial = value
      if (this.#overflows()) return 'window overflow by SETTINGS'
    }
    return undefined
  }

  #windowUpdate({ stream: id, payload }: Frame): string | undefined {
    const by = payload.readUInt32BE(0) & MOST_WINDOW
    // One is an error of the connection, the other of its stream.
    const of = id === 0 ? 'the connection' : 'a stream'
    if (by === 0) return `WINDOW_UPDATE of 0 for ${of}`
    if (id === 0) this.#window += by
    else this.streams.get(id)!.window += by
    return this.#overflows() ? `window overflow of ${of}` : undefined
  }

  #overflows(): boolean {
    const open = [...this.streams.values()].filter(({ reset }) => !reset)
    return [this.#window, ...open.map(({ window }) => window)].some((window) => window > MOST_WINDOW)
  }
}

const sizeOf = (parts: readonly Buffer[]): number => parts.reduce((sum, { length }) => sum + length, 0)

function ends(stream: ClientStream): string | undefined {
  stream.ended = true
  const { declared = 0, body } = stream
  return sizeOf(body) < declared ? 'body shorter than content-length' : undefined
}
