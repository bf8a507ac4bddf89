/** An open WebSocket of ours: frames out as the case wants them, frames in as they came. */
import type { RandomStream } from '../../../kit/random.ts'
import type { Connection } from '../../../wire/tcp.ts'
import { encodeFrame, FrameReader, type ReceivedFrame } from '../../../wire/websocket.ts'
import type { WsFrame } from '../../catalogue/ws/index.ts'
import type { Bench } from '../proof/bench.ts'
import { handshakeBytes, readHandshake, wrongWith, type Handshake } from './handshake.ts'

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

export class Session {
  readonly bench: Bench
  readonly connection: Connection
  /** Data and control frames as they came. */
  readonly frames: ReceivedFrame[] = []
  /** The first breach of framing by the server, in words. */
  broken: string | undefined
  readonly #reader = new FrameReader()
  readonly #random: RandomStream

  constructor(bench: Bench, connection: Connection, random: RandomStream) {
    this.bench = bench
    this.connection = connection
    this.#random = random
  }

  /** Connects and upgrades. The counters of the handshake are kept here. @throws ConnectFailed */
  static async open(
    bench: Bench,
    path: string,
    random: RandomStream
  ): Promise<Session | Exclude<Handshake, { kind: 'upgraded' }>> {
    const connection = await bench.connect()
    const key = random.bytes(16).toString('base64')
    const { tally } = bench.context
    tally.add('ws_sent')
    await bench.write(connection, handshakeBytes(bench, path, key))
    const answer = await readHandshake(bench, connection)
    if (answer.kind === 'upgraded') {
      const wrong = wrongWith(answer.response, key, { extensions: '', protocols: '' })
      if (wrong === undefined) {
        tally.add('ws_upgraded')
        return new Session(bench, connection, random)
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
      ...(frame.masked === false ? {} : { mask: this.#random.bytes(4) }),
      ...(frame.length === undefined ? {} : { lengthField: Buffer.from(frame.length, 'hex') })
    })
  }

  /** False where the peer had closed. */
  send(...frames: readonly WsFrame[]): Promise<boolean> {
    return this.bench.write(this.connection, Buffer.concat(frames.map((frame) => this.encode(frame))))
  }

  /** One message, whole or in fragments of so many bytes. False where the peer had closed. */
  async sendMessage(op: 1 | 2, payload: Buffer, fragment = payload.length): Promise<boolean> {
    const parts: Buffer[] = []
    for (let at = 0; at === 0 || at < payload.length; at += fragment) {
      const piece = payload.subarray(at, at + fragment)
      const mask = this.#random.bytes(4)
      parts.push(
        encodeFrame({
          fin: at + fragment >= payload.length,
          rsv: 0,
          opcode: at === 0 ? op : 0,
          payload: piece,
          mask
        })
      )
    }
    return this.bench.write(this.connection, parts.length === 1 ? parts[0]! : Buffer.concat(parts))
  }

  #pump(): void {
    const { received } = this.connection
    if (received.length === 0 || this.broken !== undefined) return
    try {
      this.frames.push(...this.#reader.push(received))
      this.connection.consume(received.length)
    } catch (error) {
      this.broken = error instanceof Error ? error.message : String(error)
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
    const frame = this.frames.find(({ opcode }) => opcode === 8)
    if (frame === undefined) return undefined
    return {
      code: frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : undefined,
      reason: frame.payload.subarray(2),
      bytes: frame.payload.length
    }
  }

  /** Whole messages received, in order (fragments joined). */
  get messages(): { op: number; payload: Buffer }[] {
    const whole: { op: number; payload: Buffer }[] = []
    let op = 0
    let parts: Buffer[] = []
    for (const frame of this.frames) {
      if (frame.opcode >= 8) continue
      if (frame.opcode !== 0) [op, parts] = [frame.opcode, []]
      parts.push(frame.payload)
      if (frame.fin) whole.push({ op, payload: parts.length === 1 ? parts[0]! : Buffer.concat(parts) })
    }
    return whole
  }

  /** Takes the whole messages that came so far out of the list. */
  take(): { op: number; payload: Buffer }[] {
    const end = this.frames.findLastIndex(({ opcode, fin }) => opcode < 8 && fin)
    if (end < 0) return []
    const whole = this.messages
    const controls = this.frames.filter(({ opcode }, i) => i <= end && opcode >= 8)
    this.frames.splice(0, end + 1, ...controls)
    return whole
  }

  pongs(): Buffer[] {
    return this.frames.filter(({ opcode }) => opcode === 10).map(({ payload }) => payload)
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
