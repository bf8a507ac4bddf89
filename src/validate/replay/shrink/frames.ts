/** Makes a list of WebSocket frames smaller: frames, repeats, payloads, segments. */
import type { WsFrame, WsFrameCase, WsItem } from '../../catalogue/ws/index.ts'
import { payloadOf } from '../../traffic/ws/session.ts'
import { framesClaim } from './frames-claim.ts'
import { fewer, shorter, Shrinking, type FramesSearch, type FramesShrunk } from './search.ts'

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

export async function shrinkFrames(
  first: WsFrameCase,
  search: FramesSearch<WsFrameCase>
): Promise<FramesShrunk<WsFrameCase>> {
  const bytes = ({ frames }: WsFrameCase): number => framesBytes(frames)
  const small = new Shrinking<WsFrameCase>(first, { claim: framesClaim, bytes }, search)
  const put = (at: number, ...items: WsItem[]): Promise<boolean> =>
    small.take({ ...small.best, frames: small.best.frames.toSpliced(at, 1, ...items) })
  const { segment, pauseMs: _, ...whole } = first
  if (segment !== undefined) await small.take(whole)
  return small.run(async () => {
    for (let at = small.best.frames.length - 1; at >= 0; at--) await put(at)
    for (let at = 0; at < small.best.frames.length; at++) {
      const item = small.best.frames[at]!
      if ('times' in item) await fewer(item.times, (times) => put(at, { ...item, times }))
      else await shorterPayload(item, (frame) => put(at, frame))
    }
  })
}

async function shorterPayload(frame: WsFrame, take: (frame: WsFrame) => Promise<boolean>): Promise<void> {
  const bytes = payloadOf(frame)
  const { text: _, hex: __, fill: ___, ...header } = frame
  await shorter(bytes.length, (length) => take({ ...header, hex: bytes.toString('hex', 0, length) }))
}
