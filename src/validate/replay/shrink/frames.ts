/** Makes a list of WebSocket frames smaller: frames, repeats, payloads, segments. */
import type { WsFrame, WsFrameCase, WsItem } from '../../catalogue/ws/index.ts'
import { payloadOf } from '../../traffic/ws/session.ts'
import { framesClaim } from './frames-claim.ts'

export interface FramesSearch {
  holds(spec: WsFrameCase): Promise<boolean>
  over(): boolean
  onSmaller?(bytes: number): void
}

export interface FramesShrunk {
  spec: WsFrameCase
  bytesBefore: number
  bytesAfter: number
  claim: string
}

/** Bytes of the frames: header, mask, payload. */
export function framesBytes(items: readonly WsItem[]): number {
  return items.reduce((sum, item) => {
    if ('times' in item) return sum + item.times * framesBytes(item.frames)
    const size = payloadOf(item).length
    return sum + 2 + (size > 65_535 ? 8 : size > 125 ? 2 : 0) + (item.masked === false ? 0 : 4) + size
  }, 0)
}

/** Why frames of a case cannot be made smaller; undefined where they can. */
export function framesObstacle(spec: Pick<WsFrameCase, 'expect' | 'frames' | 'offer'>): string | undefined {
  const { kind } = spec.expect
  if (kind === 'echo' || kind === 'pong')
    return 'what must come back is part of the case, so that less of it would be another case'
  // What the reader does not see could go unnoticed.
  if (kind === 'fail' && framesClaim(spec) === 'valid')
    return 'the strict reader of frames does not see what is wrong with these'
  return undefined
}

export async function shrinkFrames(first: WsFrameCase, search: FramesSearch): Promise<FramesShrunk> {
  const claim = framesClaim(first)
  let best = first
  const seen = new Set<string>([JSON.stringify(first)])
  const take = async (spec: WsFrameCase): Promise<boolean> => {
    const key = JSON.stringify(spec)
    if (seen.has(key) || search.over() || spec.frames.length === 0 || framesClaim(spec) !== claim)
      return false
    seen.add(key)
    if (!(await search.holds(spec))) return false
    best = spec
    search.onSmaller?.(framesBytes(spec.frames))
    return true
  }
  const put = (at: number, ...items: WsItem[]): WsFrameCase => ({
    ...best,
    frames: [...best.frames.slice(0, at), ...items, ...best.frames.slice(at + 1)]
  })
  const { segment: _, pauseMs: __, ...whole } = first
  if (first.segment !== undefined) await take(whole)
  for (let size = -1; size !== framesBytes(best.frames) && !search.over();) {
    size = framesBytes(best.frames)
    for (let at = best.frames.length - 1; at >= 0; at--) await take(put(at))
    for (let at = 0; at < best.frames.length; at++) {
      const item = best.frames[at]!
      if ('times' in item) await fewer(item, (times) => take(put(at, { ...item, times })))
      else await shorter(item, (frame) => take(put(at, frame)))
    }
  }
  return { spec: best, bytesBefore: framesBytes(first.frames), bytesAfter: framesBytes(best.frames), claim }
}

async function fewer(item: { times: number }, take: (times: number) => Promise<boolean>): Promise<void> {
  let low = 0
  let high = item.times
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (await take(middle)) high = middle
    else low = middle
  }
}

/** The payload cut by halves, from behind. */
async function shorter(frame: WsFrame, take: (frame: WsFrame) => Promise<boolean>): Promise<void> {
  let bytes = payloadOf(frame)
  const { text: _, hex: __, fill: ___, ...header } = frame
  for (let cut = bytes.length; cut >= 1;) {
    const part = bytes.subarray(0, bytes.length - cut)
    if (cut <= bytes.length && (await take({ ...header, hex: part.toString('hex') }))) bytes = part
    else cut >>= 1
  }
}
