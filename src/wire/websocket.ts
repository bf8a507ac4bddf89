/** WebSocket frames (RFC 6455 5): any frame out, strictly checked frames of a server in. */
export interface Frame {
  fin: boolean
  /** RSV1 (4), RSV2 (2), RSV3 (1). */
  rsv: number
  opcode: number
  payload: Buffer
  /** Masking key of four bytes; without it the frame is unmasked. */
  mask?: Buffer
  /** Length bytes to write in place of the true ones; the mask bit is kept. */
  lengthField?: Buffer
}

export interface ReceivedFrame {
  fin: boolean
  rsv: number
  opcode: number
  payload: Buffer
}

/** What a server's bytes break, with the section of RFC 6455. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
  readonly rule: string
  readonly standard: string
  constructor(rule: string, message: string, section: string) {
    super(message)
    this.rule = rule
    this.standard = `RFC 6455 ${section}`
  }
}

function lengthBytes(length: number): Buffer {
  if (length < 126) return Buffer.from([length])
  if (length < 65_536) {
    const field = Buffer.alloc(3)
    field[0] = 126
    field.writeUInt16BE(length, 1)
    return field
  }
  const field = Buffer.alloc(9)
  field[0] = 127
  field.writeBigUInt64BE(BigInt(length), 1)
  return field
}

/** Bytes of a frame; nothing is checked. */
export function encodeFrame(frame: Frame): Buffer {
  const { fin, rsv, opcode, payload, mask } = frame
  const length = frame.lengthField ?? lengthBytes(payload.length)
  const start = 1 + length.length + (mask === undefined ? 0 : 4)
  const bytes = Buffer.allocUnsafe(start + payload.length)
  bytes[0] = (fin ? 0x80 : 0) | ((rsv & 7) << 4) | (opcode & 15)
  length.copy(bytes, 1)
  if (mask === undefined) {
    payload.copy(bytes, start)
    return bytes
  }
  bytes[1]! |= 0x80
  mask.copy(bytes, start - 4)
  for (let i = 0; i < payload.length; i++) bytes[start + i] = payload[i]! ^ mask[i & 3]!
  return bytes
}

const KNOWN = new Set([0, 1, 2, 8, 9, 10])
const LONGEST = 64 << 20

export class FrameReader {
  readonly #rsv1: boolean
  #parts: Buffer[] = []
  #held = 0
  #needed = 2
  #fragmented = false
  #closed = false

  /** @param rsv1 an extension that gives the first frame of a message the bit RSV1 was agreed (RFC 7692 6) */
  constructor({ rsv1 = false } = {}) {
    this.#rsv1 = rsv1
  }

  /** Whole frames within the bytes so far. @throws FrameError at the first breach */
  push(piece: Buffer): ReceivedFrame[] {
    this.#parts.push(piece)
    this.#held += piece.length
    if (this.#held < this.#needed) return []
    let data = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
    const frames: ReceivedFrame[] = []
    for (;;) {
      const read = this.#read(data)
      if (read === undefined) break
      frames.push(read.frame)
      data = data.subarray(read.length)
    }
    this.#parts = data.length === 0 ? [] : [data]
    this.#held = data.length
    return frames
  }

  #read(data: Buffer): { frame: ReceivedFrame; length: number } | undefined {
    this.#needed = 2
    if (data.length < 2) return undefined
    const [first, second] = [data[0]!, data[1]!]
    const frame = { fin: (first & 0x80) !== 0, rsv: (first >> 4) & 7, opcode: first & 15 }
    if (this.#closed) throw new FrameError('after-close', 'a frame follows the Close frame', '5.5.1')
    const meant = this.#rsv1 && (frame.opcode === 1 || frame.opcode === 2) ? 4 : 0
    if ((frame.rsv & ~meant) !== 0)
      throw new FrameError(
        'rsv',
        `reserved bits ${frame.rsv} on opcode ${frame.opcode}, which nothing gives a meaning`,
        '5.2'
      )
    if (!KNOWN.has(frame.opcode)) throw new FrameError('opcode', `the reserved opcode ${frame.opcode}`, '5.2')
    if ((second & 0x80) !== 0) throw new FrameError('masked', 'a masked frame from the server', '5.1')
    let length = second & 0x7f
    let head = 2
    if (frame.opcode >= 8) {
      if (!frame.fin) throw new FrameError('control-fragmented', 'a fragmented control frame', '5.4')
      if (length > 125) throw new FrameError('control-long', 'a control frame of more than 125 bytes', '5.5')
    }
    if (length === 126) {
      head = 4
      if (data.length < head) return this.#more(head)
      length = data.readUInt16BE(2)
      if (length < 126) throw new FrameError('length', `the length ${length} in 16 bits`, '5.2')
    } else if (length === 127) {
      head = 10
      if (data.length < head) return this.#more(head)
      const long = data.readBigUInt64BE(2)
      if (long < 65_536n || long > BigInt(LONGEST))
        throw new FrameError('length', `the length ${long} in 64 bits`, '5.2')
      length = Number(long)
    }
    if (data.length < head + length) return this.#more(head + length)
    this.#sequence(frame)
    const payload = data.subarray(head, head + length)
    // What a Close frame says is for the case to judge; that it is the last one is framing.
    if (frame.opcode === 8) this.#closed = true
    return { frame: { ...frame, payload }, length: head + length }
  }

  #more(needed: number): undefined {
    this.#needed = needed
    return undefined
  }

  #sequence({ opcode, fin }: { opcode: number; fin: boolean }): void {
    if (opcode >= 8) return
    if (opcode === 0 && !this.#fragmented)
      throw new FrameError('continuation', 'a continuation of nothing', '5.4')
    if (opcode !== 0 && this.#fragmented)
      throw new FrameError('interleaved', 'a message begins within another', '5.4')
    this.#fragmented = !fin
  }
}
