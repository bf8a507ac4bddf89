/** Frames of HTTP/2 (RFC 9113 4 and 6): any frame out, whole frames in. */

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
export const FRAME_HEAD = 9

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9
} as const
export type FrameName = keyof typeof FRAME
const NAMES = Object.keys(FRAME)

export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const

export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6
} as const

/** Error codes by number (7). */
const ERRORS = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED'
] as const
export type ErrorName = (typeof ERRORS)[number]

export const errorCode = (name: ErrorName): number => ERRORS.indexOf(name)
export const errorName = (code: number): string => ERRORS[code] ?? `0x${code.toString(16)}`
export const frameName = (type: number): string => NAMES[type] ?? `frame type 0x${type.toString(16)}`

/** Largest window (6.9.1). */
export const MOST_WINDOW = 2 ** 31 - 1
export const DEFAULT_WINDOW = 65_535
export const DEFAULT_FRAME = 16_384

export interface Frame {
  type: number
  flags: number
  stream: number
  payload: Buffer
}

const EMPTY = Buffer.alloc(0)

/** Bytes of a frame; nothing is checked. @param length in place of the true one */
export function encodeFrame(
  frame: Partial<Frame> & { type: number; reserved?: boolean },
  length?: number
): Buffer {
  const { type, flags = 0, stream = 0, payload = EMPTY, reserved = false } = frame
  const head = Buffer.alloc(FRAME_HEAD)
  head.writeUIntBE(length ?? payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE((stream | (reserved ? 0x8000_0000 : 0)) >>> 0, 5)
  return Buffer.concat([head, payload])
}

export function settingsFrame(values: Readonly<Record<number, number>> = {}): Buffer {
  const entries = Object.entries(values)
  const payload = Buffer.alloc(entries.length * 6)
  for (const [i, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(Number(id), i * 6)
    payload.writeUInt32BE(value, i * 6 + 2)
  }
  return encodeFrame({ type: FRAME.SETTINGS, payload })
}

export const settingsAck = (): Buffer => encodeFrame({ type: FRAME.SETTINGS, flags: FLAG.ACK })

export function windowUpdate(stream: number, by: number): Buffer {
  return encodeFrame({ type: FRAME.WINDOW_UPDATE, stream, payload: uint32(by) })
}

export function rstStream(stream: number, code: number): Buffer {
  return encodeFrame({ type: FRAME.RST_STREAM, stream, payload: uint32(code) })
}

export function pingFrame(payload: Buffer, ack = false): Buffer {
  return encodeFrame({ type: FRAME.PING, flags: ack ? FLAG.ACK : 0, payload })
}

export function goawayFrame(lastStream: number, code: number, debug = EMPTY): Buffer {
  return encodeFrame({
    type: FRAME.GOAWAY,
    payload: Buffer.concat([uint32(lastStream), uint32(code), debug])
  })
}

/** A header block in one HEADERS frame and as many CONTINUATION frames as it needs. */
export function headerFrames(
  stream: number,
  block: Buffer,
  options: { endStream: boolean; most?: number }
): Buffer {
  const { endStream, most = DEFAULT_FRAME } = options
  const parts: Buffer[] = []
  for (let at = 0; at === 0 || at < block.length; at += most) {
    const last = at + most >= block.length
    parts.push(
      encodeFrame({
        type: at === 0 ? FRAME.HEADERS : FRAME.CONTINUATION,
        flags: (at === 0 && endStream ? FLAG.END_STREAM : 0) | (last ? FLAG.END_HEADERS : 0),
        stream,
        payload: block.subarray(at, at + most)
      })
    )
  }
  return Buffer.concat(parts)
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Pairs of a SETTINGS payload in order; a rest that is no pair is left out. */
export function readSettings(payload: Buffer): [id: number, value: number][] {
  const pairs: [number, number][] = []
  for (let at = 0; at + 6 <= payload.length; at += 6)
    pairs.push([payload.readUInt16BE(at), payload.readUInt32BE(at + 2)])
  return pairs
}

/** Payload of DATA or HEADERS without padding and priority; undefined where they are longer than the frame. */
export function unpadded({ type, flags, payload }: Frame): Buffer | undefined {
  let from = 0
  let pad = 0
  if (flags & FLAG.PADDED) {
    if (payload.length < 1) return undefined
    pad = payload[0]!
    from = 1
  }
  if (type === FRAME.HEADERS && flags & FLAG.PRIORITY) from += 5
  if (from + pad > payload.length) return undefined
  return payload.subarray(from, payload.length - pad)
}

/** Cuts a stream of bytes into frames. Nothing but the framing is judged. */
export class FrameReader {
  #bytes: Buffer = EMPTY

  /** Whole frames that the bytes complete. */
  push(bytes: Buffer): Frame[] {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
    const frames: Frame[] = []
    let at = 0
    while (this.#bytes.length - at >= FRAME_HEAD) {
      const length = this.#bytes.readUIntBE(at, 3)
      const end = at + FRAME_HEAD + length
      if (this.#bytes.length < end) break
      frames.push({
        type: this.#bytes[at + 3]!,
        flags: this.#bytes[at + 4]!,
        stream: this.#bytes.readUInt32BE(at + 5) & 0x7fff_ffff,
        payload: this.#bytes.subarray(at + FRAME_HEAD, end)
      })
      at = end
    }
    this.#bytes = this.#bytes.subarray(at)
    return frames
  }

  /** The begin of a frame that is not whole; the length that it announces. */
  get pending(): { bytes: number; length: number } {
    return {
      bytes: this.#bytes.length,
      length: this.#bytes.length >= 3 ? this.#bytes.readUIntBE(0, 3) : 0
    }
  }

  /** Bytes not yet cut into frames. */
  get rest(): Buffer {
    return this.#bytes
  }
}
