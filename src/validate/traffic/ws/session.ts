/** An open WebSocket of ours: frames out as the case wants them, frames in as they came. */
import type { RandomStream } from '../../../kit/random.ts'
import type { Connection } from '../../../wire/tcp.ts'
import { Deflate } from '../../../wire/websocket-deflate.ts'
import { encodeFrame, FrameReader, type ReceivedFrame } from '../../../wire/websocket.ts'
import type { WsFrame, WsItem } from '../../catalogue/ws/index.ts'
import type { Bench } from '../proof/bench.ts'
import { agreementIn, handshakeBytes, readHandshake, wrongWith, type Handshake } from './handshake.ts'

const FILL = 0x2a

export function payloadOf(frame: Pick<WsFrame, 'text' | 'hex' | 'fill'>): Buffer {
  return Buffer.concat([
    Buffer.from(frame.hex ?? '', 'hex'),
    Buffer.from(frame.text ?? '', 'utf8'),
    Buffer.alloc(frame.fill ?? 0, FILL)
  ])
}

export interface Close {
  code: number | undefined
  reason: Buffer
  /** Length of the payload. */
  bytes: number
}

export interface Message {
  op: number
  payload: Buffer
}

export interface OpenOptions {
  /** Sec-WebSocket-Extensions of the handshake. */
  offer?: string
}

export class Session {
  readonly bench: Bench
  readonly connection: Connection
  /** Compression as it was agreed. */
  readonly deflate: Deflate | undefined
  /** Whole messages received and not taken, in order: fragments joined, inflated. */
  readonly messages: Message[] = []
  /** How many messages ever came. */
  arrived = 0
  /** The first breach of framing by the server, in words. */
  broken: string | undefined
  /** What could not be inflated is the breach. */
  brokenBy: 'framing' | 'deflate' = 'framing'
  readonly #controls: ReceivedFrame[] = []
  #open: { op: number; compressed: boolean; parts: Buffer[] } | undefined
  readonly #reader: FrameReader
  readonly #random: RandomStream

  constructor(bench: Bench, connection: Connection, random: RandomStream, deflate?: Deflate) {
    this.bench = bench
    this.connection = connection
    this.deflate = deflate
    this.#reader = new FrameReader({ rsv1: deflate !== undefined })
    this.#random = random
  }

  /** Connects and upgrades. The counters of the handshake are kept here. @throws ConnectFailed */
  static async open(
    bench: Bench,
    path: string,
    random: RandomStream,
    { offer = '' }: OpenOptions = {}
  ): Promise<Session | Exclude<Handshake, { kind: 'upgraded' }>> {
    const connection = await bench.connect()
    const key = random.bytes(16).toString('base64')
    const { tally } = bench.context
    tally.add('ws_sent')
    const fields: Record<string, string> = offer === '' ? {} : { 'Sec-WebSocket-Extensions': offer }
    await bench.write(connection, handshakeBytes(bench, path, key, { fields }))
    const answer = await readHandshake(bench, connection)
    if (answer.kind === 'upgraded') {
      const wrong = wrongWith(answer.response, key, { extensions: offer, protocols: '' })
      if (wrong === undefined) {
        tally.add('ws_upgraded')
        const agreed = agreementIn(answer.response, offer)
        const deflate = typeof agreed === 'object' ? new Deflate(agreed) : undefined
        return new Session(bench, connection, random, deflate)
      }
      connection.destroy()
      tally.add('ws_handshake_fail')
      tally.add('ws_handshake_fail_other')
      return { kind: 'failed', how: 'other', what: wrong }
    }
    connection.destroy()
    if (answer.kind === 'refused' && answer.response.status === 404) tally.add('ws_endpoint_absent')
    else {
      tally.add('ws_handshake_fail')
      tally.add(`ws_handshake_fail_${answer.kind === 'refused' ? 'status' : answer.how}`)
    }
    return answer
  }

  /** Bytes of a frame, masked unless the case says otherwise. */
  encode(frame: WsFrame): Buffer {
    return encodeFrame({
      fin: frame.fin ?? true,
      rsv: frame.rsv ?? 0,
      opcode: frame.op,
      payload: payloadOf(frame),
      ...(frame.masked === false
        ? {}
        : { mask: frame.mask === undefined ? this.#random.bytes(4) : Buffer.from(frame.mask, 'hex') }),
      ...(frame.length === undefined ? {} : { lengthField: Buffer.from(frame.length, 'hex') })
    })
  }

  /** Bytes of frames and of their repeats. */
  encodeAll(items: readonly WsItem[]): Buffer {
    return Buffer.concat(
      items.flatMap((item) =>
        'times' in item
          ? Array.from({ length: item.times }, () => item.frames.map((frame) => this.encode(frame))).flat()
          : [this.encode(item)]
      )
    )
  }

  /** False where the peer had closed. */
  send(...frames: readonly WsFrame[]): Promise<boolean> {
    return this.bench.write(this.connection, Buffer.concat(frames.map((frame) => this.encode(frame))))
  }

  /** Bytes of one message, whole or in fragments of so many bytes. @param rsv of its first frame */
  encodeMessage(op: 1 | 2, payload: Buffer, fragment = payload.length, rsv = 0): Buffer {
    const parts: Buffer[] = []
    for (let at = 0; at === 0 || at < payload.length; at += fragment) {
      const piece = payload.subarray(at, at + fragment)
      const mask = this.#random.bytes(4)
      parts.push(
        encodeFrame({
          fin: at + fragment >= payload.length,
          rsv: at === 0 ? rsv : 0,
          opcode: at === 0 ? op : 0,
          payload: piece,
          mask
        })
      )
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  /** False where the peer had closed. */
  sendMessage(op: 1 | 2, payload: Buffer, fragment = payload.length): Promise<boolean> {
    return this.bench.write(this.connection, this.encodeMessage(op, payload, fragment))
  }

  #pump(): void {
    const { received } = this.connection
    if (received.length === 0 || this.broken !== undefined) return
    try {
      const frames = this.#reader.push(received)
      this.connection.consume(received.length)
      for (const frame of frames) this.#take(frame)
    } catch (error) {
      this.broken = error instanceof Error ? error.message : String(error)
    }
  }

  #take(frame: ReceivedFrame): void {
    if (frame.opcode >= 8) return void this.#controls.push(frame)
    if (frame.opcode !== 0) this.#open = { op: frame.opcode, compressed: (frame.rsv & 4) !== 0, parts: [] }
    const { op, compressed, parts } = this.#open!
    parts.push(frame.payload)
    if (!frame.fin) return
    const payload = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    this.#open = undefined
    try {
      this.messages.push({ op, payload: compressed ? this.deflate!.inflate(payload) : payload })
      this.arrived += 1
    } catch (error) {
      this.brokenBy = 'deflate'
      throw error
    }
  }

  /** True as soon as the test holds; false after the time limit, the end of the connection or a breach of framing. */
  async until(test: () => boolean, timeoutMs = this.bench.patienceMs): Promise<boolean> {
    const held = await this.connection.waitFor(() => {
      this.#pump()
      return test() ? true : this.broken === undefined ? undefined : false
    }, timeoutMs)
    if (held === undefined) this.#pump()
    return held ?? test()
  }

  /** The Close frame that came, if one did. */
  get close(): Close | undefined {
    const frame = this.#controls.find(({ opcode }) => opcode === 8)
    if (frame === undefined) return undefined
    return {
      code: frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : undefined,
      reason: frame.payload.subarray(2),
      bytes: frame.payload.length
    }
  }

  /** The server has said goodbye, or the connection has ended. */
  get over(): boolean {
    return this.close !== undefined || this.connection.state !== 'open'
  }

  /** Takes the whole messages that came so far out of the list. */
  take(): Message[] {
    return this.messages.splice(0)
  }

  pongs(): Buffer[] {
    return this.#controls.filter(({ opcode }) => opcode === 10).map(({ payload }) => payload)
  }

  destroy(): void {
    this.connection.destroy()
  }
}

/** Says how a handshake went wrong. */
export function told(failed: Exclude<Handshake, { kind: 'upgraded' }>): string {
  return failed.kind === 'refused'
    ? `handshake: status ${failed.response.status}`
    : `handshake: ${failed.what}`
}
