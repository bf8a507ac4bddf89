/** What a server may send on an HTTP/2 connection (RFC 9113), checked frame by frame. */
import { HpackDecoder, HpackError, type Field } from '../../../wire/hpack.ts'
import {
  DEFAULT_FRAME,
  DEFAULT_WINDOW,
  FLAG,
  FRAME,
  frameName,
  MOST_WINDOW,
  readSettings,
  SETTING,
  unpadded,
  type Frame
} from '../../../wire/http2.ts'

/** A rule that the server's own bytes break. */
export interface Fault {
  title: string
  standard: string
  symptom: string
}

/** The answer on one stream of ours. */
export class Stream {
  readonly id: number
  readonly method: string
  /** Of the final response. */
  status: number | undefined
  fields: Field[] = []
  trailers: Field[] | undefined
  readonly parts: Buffer[] = []
  /** Flow-controlled bytes that came. */
  counted = 0
  /** Sum of our WINDOW_UPDATEs. */
  granted = 0
  ended = false
  /** Error code of the server's RST_STREAM. */
  reset: number | undefined
  /** We have reset it: what still comes is of no interest. */
  cancelled = false

  constructor(id: number, method: string) {
    this.id = id
    this.method = method
  }

  get body(): Buffer {
    return Buffer.concat(this.parts)
  }

  /** A whole response. */
  get answered(): boolean {
    return this.ended && this.status !== undefined
  }

  /** First value of a field. */
  field(name: string): string | undefined {
    return this.fields.find(([key]) => key === name)?.[1]
  }
}

const OF_CONNECTION = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade'
])
const NO_BODY = new Set([204, 304])

const fault = (symptom: string, title: string, section: string): Fault => ({
  symptom,
  title,
  standard: `RFC 9113 ${section}`
})

/** Settings of ours: what the server may use is the larger of those on their way, what it must keep the acknowledged. */
interface Ours {
  window: number
  frame: number
  table: number
}

export class Inbound {
  readonly streams = new Map<number, Stream>()
  /** What the server announced. */
  readonly peer = {
    settings: false,
    window: DEFAULT_WINDOW,
    frame: DEFAULT_FRAME,
    table: 4096,
    streams: Infinity
  }
  readonly pongs: string[] = []
  readonly pings: Buffer[] = []
  goaway: { last: number; code: number; debug: string } | undefined
  settingsAcks = 0
  /** The settings of an upgrade are acknowledged by the 101, and may be once more (RFC 7540 3.2.1). */
  spareAcks = 0
  /** SETTINGS of the server that wait for our acknowledgement. */
  unacknowledged = 0
  /** Connection-level bytes that came, and that we granted beyond the first window. */
  counted = 0
  granted = 0
  /** WINDOW_UPDATEs of the server by stream since they were last taken. */
  readonly updates: [stream: number, by: number][] = []
  /** Change of the server's initial window since it was last taken. */
  windowDelta = 0
  readonly #decoder = new HpackDecoder()
  #ours: Ours[] = [{ window: DEFAULT_WINDOW, frame: DEFAULT_FRAME, table: 4096 }]
  #block: { stream: number; endStream: boolean; parts: Buffer[]; push: boolean } | undefined

  /** Settings that we send now; the values not named stay. */
  offer(values: Readonly<Record<number, number>>): void {
    const last = this.#ours.at(-1)!
    this.#ours.push({
      window: values[SETTING.INITIAL_WINDOW_SIZE] ?? last.window,
      frame: values[SETTING.MAX_FRAME_SIZE] ?? last.frame,
      table: values[SETTING.HEADER_TABLE_SIZE] ?? last.table
    })
    this.#limitTable()
  }

  #limitTable(): void {
    this.#decoder.limit(Math.max(...this.#ours.map(({ table }) => table)))
  }

  /** Longest frame that we may be sent. */
  get mostFrame(): number {
    return Math.max(...this.#ours.map(({ frame }) => frame))
  }

  get #mostWindow(): number {
    return Math.max(...this.#ours.map(({ window }) => window))
  }

  /** Initial window of ours that the server has acknowledged. */
  get window(): number {
    return this.#ours[0]!.window
  }

  open(id: number, method: string): Stream {
    const stream = this.streams.get(id) ?? new Stream(id, method)
    this.streams.set(id, stream)
    return stream
  }

  /** Takes a frame in; the fault that it is, if it is one. */
  take(frame: Frame): Fault | undefined {
    const { type, stream, payload } = frame
    const name = frameName(type)
    if (!this.peer.settings && (type !== FRAME.SETTINGS || frame.flags & FLAG.ACK))
      return fault('no settings first', `the first frame of the server is ${name} and not SETTINGS`, '3.4')
    if (payload.length > this.mostFrame)
      return fault('frame size', `${name} of ${payload.length} bytes, ${this.mostFrame} are allowed`, '4.2')
    if (this.#block !== undefined && (type !== FRAME.CONTINUATION || stream !== this.#block.stream))
      return fault('interleaved block', `${name} stands within a header block`, '6.10')
    switch (type) {
      case FRAME.DATA:
        return this.#data(frame)
      case FRAME.HEADERS:
      case FRAME.CONTINUATION:
        return this.#headers(frame)
      case FRAME.RST_STREAM:
        return this.#reset(frame)
      case FRAME.SETTINGS:
        return this.#settings(frame)
      case FRAME.PUSH_PROMISE:
        return fault('push', 'PUSH_PROMISE came although push is disabled', '8.4')
      case FRAME.PING:
        if (payload.length !== 8 || stream !== 0)
          return fault('ping', 'a PING of the server is malformed', '6.7')
        if (frame.flags & FLAG.ACK) this.pongs.push(payload.toString('hex'))
        else this.pings.push(payload)
        return undefined
      case FRAME.GOAWAY:
        if (payload.length < 8 || stream !== 0)
          return fault('goaway', 'a GOAWAY of the server is malformed', '6.8')
        this.goaway = {
          last: payload.readUInt32BE(0) & 0x7fff_ffff,
          code: payload.readUInt32BE(4),
          debug: payload.toString('latin1', 8, 108)
        }
        return undefined
      case FRAME.WINDOW_UPDATE:
        return this.#windowUpdate(frame)
      default:
        return undefined
    }
  }

  #settings({ flags, stream, payload }: Frame): Fault | undefined {
    if (stream !== 0) return fault('settings', 'SETTINGS of the server stands on a stream', '6.5')
    if (flags & FLAG.ACK) {
      if (payload.length > 0) return fault('settings', 'an acknowledgement of SETTINGS has a payload', '6.5')
      if (this.#ours.length < 2 && this.spareAcks-- <= 0)
        return fault('settings', 'SETTINGS is acknowledged more often than it was sent', '6.5.3')
      this.settingsAcks += 1
      if (this.#ours.length > 1) this.#ours.shift()
      this.#limitTable()
      return undefined
    }
    if (payload.length % 6 !== 0) return fault('settings', 'SETTINGS of the server has a bad length', '6.5')
    this.peer.settings = true
    this.unacknowledged += 1
    for (const [id, value] of readSettings(payload)) {
      if (id === SETTING.INITIAL_WINDOW_SIZE) {
        if (value > MOST_WINDOW) return fault('settings', `the server sets a window of ${value}`, '6.5.2')
        this.windowDelta += value - this.peer.window
        this.peer.window = value
      } else if (id === SETTING.MAX_FRAME_SIZE) {
        if (value < DEFAULT_FRAME || value > 0xff_ffff)
          return fault('settings', `the server sets a frame size of ${value}`, '6.5.2')
        this.peer.frame = value
      } else if (id === SETTING.MAX_CONCURRENT_STREAMS) this.peer.streams = value
      else if (id === SETTING.HEADER_TABLE_SIZE) this.peer.table = value
      else if (id === SETTING.ENABLE_PUSH && value !== 0)
        return fault('settings', `a server sets ENABLE_PUSH to ${value}`, '6.5.2')
    }
    return undefined
  }

  /** A frame of a stream: the stream, a fault, or undefined where the frame is of no interest. */
  #of({ type, stream: id }: Frame): Stream | Fault | undefined {
    const stream = this.streams.get(id)
    const name = frameName(type)
    if (stream === undefined)
      return fault('unopened stream', `${name} on stream ${id}, which is not open`, '5.1')
    if (stream.cancelled) return undefined
    if (stream.reset !== undefined)
      return fault('after reset', `${name} on stream ${id} after the server's own RST_STREAM`, '5.4.2')
    if (stream.ended) return fault('after end', `${name} on stream ${id} after END_STREAM`, '5.1')
    return stream
  }

  #data(frame: Frame): Fault | undefined {
    const { flags, payload } = frame
    const stream = this.#of(frame)
    if (stream !== undefined && !(stream instanceof Stream)) return stream
    this.counted += payload.length
    if (payload.length > 0 && this.counted > DEFAULT_WINDOW + this.granted)
      return fault('connection window', 'the server sends more than the connection window allows', '6.9.1')
    if (stream === undefined) return undefined
    if (stream.status === undefined)
      return fault('data first', `DATA on stream ${stream.id} before the head of the response`, '8.1')
    stream.counted += payload.length
    const room = this.#mostWindow + stream.granted
    if (payload.length > 0 && stream.counted > room) {
      const text = `the server sends ${stream.counted} bytes on a stream whose window allows ${room}`
      return fault('stream window', text, '6.9.1')
    }
    const content = unpadded(frame)
    if (content === undefined)
      return fault('padding', 'DATA of the server is padded beyond its length', '6.1')
    stream.parts.push(content)
    return flags & FLAG.END_STREAM ? this.#end(stream) : undefined
  }

  #headers(frame: Frame): Fault | undefined {
    const { type, flags, stream, payload } = frame
    if (type === FRAME.CONTINUATION) {
      if (this.#block === undefined) return fault('continuation', 'CONTINUATION without HEADERS', '6.10')
      this.#block.parts.push(payload)
    } else {
      const content = unpadded(frame)
      if (content === undefined)
        return fault('padding', 'HEADERS of the server is padded beyond its length', '6.2')
      this.#block = { stream, endStream: (flags & FLAG.END_STREAM) !== 0, parts: [content], push: false }
    }
    if (!(flags & FLAG.END_HEADERS)) return undefined
    const block = this.#block
    this.#block = undefined
    let fields: Field[]
    try {
      fields = this.#decoder.decode(Buffer.concat(block.parts))
    } catch (error) {
      if (!(error instanceof HpackError)) throw error
      const { rule, standard } = error
      return { title: `a header block of the server: ${error.message}`, symptom: `hpack ${rule}`, standard }
    }
    const of = this.#of({ ...frame, type: FRAME.HEADERS })
    if (!(of instanceof Stream)) return of
    return this.#message(of, fields, block.endStream)
  }

  #message(stream: Stream, fields: Field[], endStream: boolean): Fault | undefined {
    const bad = fields.find(([name]) => name === '' || name !== name.toLowerCase() || OF_CONNECTION.has(name))
    if (bad !== undefined)
      return fault(
        'response field',
        `a response holds the field "${bad[0]}"`,
        OF_CONNECTION.has(bad[0]) ? '8.2.2' : '8.2.1'
      )
    const torn = fields.find(([, value]) => /[\0\r\n]/.test(value))
    if (torn !== undefined)
      return fault('response value', `the field "${torn[0]}" of a response holds CR, LF or NUL`, '8.2.1')
    const pseudo = fields.filter(([name]) => name.startsWith(':'))
    if (stream.status !== undefined) {
      if (pseudo.length > 0) return fault('trailers', 'trailers of the server hold a pseudo-field', '8.1')
      if (!endStream) return fault('trailers', 'a second head on a stream does not end it', '8.1')
      stream.trailers = fields
      return this.#end(stream)
    }
    const status = fields[0]?.[0] === ':status' ? fields[0][1] : undefined
    if (pseudo.length !== 1 || status === undefined || !/^[1-5]\d\d$/.test(status))
      return fault('status', 'a response has not one :status at its begin', '8.3.2')
    if (status.startsWith('1')) {
      if (endStream) return fault('interim', `status ${status} ends a stream`, '8.1')
      return undefined
    }
    stream.status = Number(status)
    stream.fields = fields
    return endStream ? this.#end(stream) : undefined
  }

  #end(stream: Stream): Fault | undefined {
    stream.ended = true
    const length = stream.field('content-length')
    const bytes = stream.parts.reduce((sum, part) => sum + part.length, 0)
    if (length === undefined || stream.method === 'HEAD' || NO_BODY.has(stream.status!)) return undefined
    if (Number(length) === bytes) return undefined
    const text = `a response of ${bytes} bytes has the content-length ${length}`
    return fault('content-length', text, '8.1.1')
  }

  #reset({ stream: id, payload }: Frame): Fault | undefined {
    if (payload.length !== 4) return fault('rst', 'RST_STREAM of the server has a bad length', '6.4')
    const stream = this.streams.get(id)
    if (stream === undefined)
      return fault('unopened stream', `RST_STREAM on stream ${id}, which is not open`, '6.4')
    stream.reset ??= payload.readUInt32BE(0)
    return undefined
  }

  #windowUpdate({ stream, payload }: Frame): Fault | undefined {
    if (payload.length !== 4) return fault('window', 'WINDOW_UPDATE of the server has a bad length', '6.9')
    const by = payload.readUInt32BE(0) & MOST_WINDOW
    if (by === 0) return fault('window', 'the server sends WINDOW_UPDATE of 0', '6.9')
    this.updates.push([stream, by])
    return undefined
  }
}
