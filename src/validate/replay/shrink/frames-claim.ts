/** What a strict reader says of the frames that a client sends (RFC 6455 5 to 8): the first rule that they break. */
import { isUtf8 } from 'node:buffer'
import type { WsFrame, WsFrameCase, WsItem } from '../../catalogue/ws/index.ts'
import { payloadOf } from '../../traffic/ws/session.ts'

const CLOSE = 8
const CONTROL = 8
/** Repeats change nothing of what is said after so many. */
const REPEATS_READ = 3

const flat = (items: readonly WsItem[]): WsFrame[] =>
  items.flatMap((item) =>
    'times' in item
      ? Array.from({ length: Math.min(item.times, REPEATS_READ) }, () => item.frames).flat()
      : [item]
  )

/** `valid`, `unfinished` (a message has begun and not ended), or the rule. */
export function framesClaim({ frames, offer }: Pick<WsFrameCase, 'frames' | 'offer'>): string {
  let message: { op: number; parts: Buffer[]; compressed: boolean } | undefined
  let closed = false
  for (const frame of flat(frames)) {
    if (closed) return 'after-close'
    const payload = payloadOf(frame)
    const fault = headerFault(frame, payload, offer !== undefined)
    if (fault !== undefined) return fault
    if (frame.op >= CONTROL) {
      const wrong = frame.op === CLOSE ? closeFault(payload) : undefined
      if (wrong !== undefined) return wrong
      closed = frame.op === CLOSE
      continue
    }
    if (frame.op === 0 && message === undefined) return 'continuation'
    if (frame.op !== 0 && message !== undefined) return 'interleaved'
    if (frame.op === 0 && (frame.rsv ?? 0) !== 0) return 'rsv'
    message ??= { op: frame.op, parts: [], compressed: (frame.rsv ?? 0) === 4 }
    message.parts.push(payload)
    if (frame.fin === false) continue
    if (message.op === 1 && !message.compressed && !isUtf8(Buffer.concat(message.parts))) return 'utf8'
    message = undefined
  }
  return message === undefined || closed ? 'valid' : 'unfinished'
}

function headerFault(frame: WsFrame, payload: Buffer, compression: boolean): string | undefined {
  const { op, rsv = 0, fin = true, masked = true, length } = frame
  if (!masked) return 'unmasked'
  // Which length stands in place of the true one is the case itself.
  if (length !== undefined) return `length ${length}`
  if (![0, 1, 2, 8, 9, 10].includes(op)) return `opcode ${op}`
  if (rsv !== 0 && !(compression && rsv === 4 && op < CONTROL)) return 'rsv'
  if (op < CONTROL) return undefined
  if (!fin) return 'control-fragmented'
  return payload.length > 125 ? 'control-long' : undefined
}

function closeFault(payload: Buffer): string | undefined {
  if (payload.length === 0) return undefined
  if (payload.length === 1) return 'close-length'
  const code = payload.readUInt16BE(0)
  if (!(
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
    (code >= 3000 && code <= 4999)
  ))
    return `close-code ${code}`
  return isUtf8(payload.subarray(2)) ? undefined : 'close-utf8'
}
