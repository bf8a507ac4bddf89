/** WebSocket frames made smaller: the rule that they break stays the same. */
import { expect, test } from '@jest/globals'
import { wsCases, type WsFrame, type WsFrameCase } from '../../../src/validate/catalogue/ws/index.ts'
import { framesClaim } from '../../../src/validate/replay/shrink/frames-claim.ts'
import { framesBytes, framesObstacle, shrinkFrames } from '../../../src/validate/replay/shrink/frames.ts'

const base = wsCases('frames').find(({ expect: { kind } }) => kind === 'fail')!
const specOf = (frames: WsFrameCase['frames'], more: Partial<WsFrameCase> = {}): WsFrameCase => {
  const { segment: _, offer: __, ...plain } = base
  return { ...plain, frames, ...more }
}
const claim = (...frames: WsFrameCase['frames']): string => framesClaim({ frames })
const text = (value: string, more: Partial<WsFrame> = {}): WsFrame => ({ op: 1, text: value, ...more })

test.each<[rule: string, broken: WsFrameCase['frames'], kept: WsFrameCase['frames']]>([
  ['unmasked', [text('a', { masked: false })], [text('a')]],
  ['rsv', [text('a', { rsv: 2 })], [text('a')]],
  ['opcode 3', [{ op: 3 }], [{ op: 2 }]],
  ['control-fragmented', [{ op: 9, fin: false }], [{ op: 9 }]],
  ['control-long', [{ op: 9, fill: 126 }], [{ op: 9, fill: 125 }]],
  ['continuation', [{ op: 0 }], [text('a', { fin: false }), { op: 0 }]],
  ['interleaved', [text('a', { fin: false }), text('b')], [text('a', { fin: false }), { op: 9 }, { op: 0 }]],
  [
    'utf8',
    [{ op: 1, hex: 'c3' }, text('a')],
    [
      { op: 1, hex: 'c3', fin: false },
      { op: 0, hex: 'a9' }
    ]
  ],
  ['close-length', [{ op: 8, hex: '03' }], [{ op: 8 }]],
  ['close-code 1005', [{ op: 8, hex: '03ed' }], [{ op: 8, hex: '03e8' }]],
  ['close-utf8', [{ op: 8, hex: '03e8ff' }], [{ op: 8, hex: '03e841' }]],
  ['after-close', [{ op: 8 }, text('a')], [text('a'), { op: 8 }]],
  ['unfinished', [text('a', { fin: false })], [text('a', { fin: false }), { op: 0 }]]
])('%s', (rule, broken, kept) => {
  expect(claim(...broken)).toBe(rule)
  expect(claim(...kept)).toBe('valid')
})

test('RSV1 is a rule of its own where compression is agreed', () => {
  const frames = [{ op: 1, rsv: 4, hex: '00' }]
  expect(framesClaim({ frames, offer: 'permessage-deflate' })).toBe('valid')
  expect(framesClaim({ frames })).toBe('rsv')
})

test('no case of the catalogue whose echo is demanded breaks a rule', () => {
  for (const spec of wsCases('frames')) {
    const says = framesClaim(spec)
    if (spec.expect.kind === 'echo' || spec.expect.kind === 'pong')
      expect([spec.id, says]).toEqual([spec.id, 'valid'])
  }
})

test('frames, repeats, payloads and segments go while the rule stays; what became valid is never tried', async () => {
  const spec = specOf(
    [
      text('before'),
      { times: 500, frames: [{ op: 9, fill: 20 }] },
      text('first part', { fin: false }),
      { op: 9, fill: 200 },
      { op: 0, text: 'last' }
    ],
    { segment: 7 }
  )
  const asked: WsFrameCase[] = []
  const shrunk = await shrinkFrames(spec, {
    holds: (one) => {
      asked.push(one)
      return Promise.resolve(true)
    },
    over: () => asked.length > 500
  })
  expect(shrunk.claim).toBe('control-long')
  for (const one of asked) expect(framesClaim(one)).toBe('control-long')
  expect(shrunk.spec.frames).toHaveLength(1)
  expect(shrunk.spec.segment).toBeUndefined()
  // A ping of 126 bytes is the smallest that is too long.
  expect(shrunk.bytesAfter).toBe(2 + 2 + 4 + 126)
  expect(shrunk.bytesAfter).toBe(framesBytes(shrunk.spec.frames))
  expect(shrunk.bytesBefore).toBeGreaterThan(10_000)
})

test('a number of frames shrinks to what the server needs', async () => {
  const spec = specOf([{ op: 3 }, { times: 1000, frames: [{ op: 9 }] }])
  const { spec: small } = await shrinkFrames(spec, {
    holds: ({ frames }) =>
      Promise.resolve(frames.some((item) => 'times' in item && item.times >= 300) && frames.length > 1),
    over: () => false
  })
  expect(small.frames).toContainEqual({ times: 300, frames: [{ op: 9 }] })
})

test('a case whose echo is part of it stays as it is', () => {
  const fail = { kind: 'fail' as const, codes: [] }
  expect(framesObstacle({ frames: [], expect: { kind: 'echo', messages: [] } })).toMatch(/another case/)
  expect(framesObstacle({ frames: [{ op: 3 }], expect: fail })).toBeUndefined()
  // Its fault is within the compressed bytes.
  expect(framesObstacle({ frames: [text('a')], expect: fail })).toMatch(/does not see/)
})
