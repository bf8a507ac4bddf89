/** HTTP/2 frames made smaller: the rule that they break stays the same, and a right server is never accused. */
import { expect, test } from '@jest/globals'
import {
  H2C_FRAME_CASES,
  type H2cBlock,
  type H2cFrame,
  type H2cFrameCase
} from '../../../src/validate/catalogue/h2c/index.ts'
import { h2cBytes, h2cClaim } from '../../../src/validate/replay/shrink/h2c-claim.ts'
import { h2cObstacle, shrinkH2c } from '../../../src/validate/replay/shrink/h2c-frames.ts'
import { FLAG } from '../../../src/wire/http2.ts'

const BOTH = FLAG.END_STREAM | FLAG.END_HEADERS
type More = Partial<H2cFrame>
const frame = (type: H2cFrame['type'], stream: number, more: More = {}): H2cFrame => ({
  type,
  stream,
  flags: 0,
  ...more
})
const get = (more: Partial<H2cBlock> = {}, stream = 1): H2cFrame =>
  frame('HEADERS', stream, { flags: BOTH, block: { of: 'get', ...more } })
const open = (more: Partial<H2cBlock> = {}, stream = 1): H2cFrame =>
  frame('HEADERS', stream, { flags: FLAG.END_HEADERS, block: { of: 'post', ...more } })
const data = (hex: string, more: More = {}): H2cFrame =>
  frame('DATA', 1, { flags: FLAG.END_STREAM, hex, ...more })
const sized = (length: string, stream = 1): H2cFrame => open({ add: [['content-length', length]] }, stream)
const trailers = (name: string, flags = BOTH): H2cFrame =>
  frame('HEADERS', 1, { flags, block: { of: 'none', add: [[name, 'v']] } })
const settings = (hex: string, more: More = {}): H2cFrame => frame('SETTINGS', 0, { hex, ...more })
const update = (hex: string, stream = 0): H2cFrame => frame('WINDOW_UPDATE', stream, { hex })
const field = (name: string, value: string): H2cFrame => get({ add: [[name, value]] })
const part = (from: number, to: number, more: More = {}): H2cFrame =>
  frame('HEADERS', 1, { flags: FLAG.END_STREAM, block: { of: 'get', slice: [from, to] }, ...more })
const rest = (stream = 1): H2cFrame =>
  frame('CONTINUATION', stream, { flags: FLAG.END_HEADERS, block: { of: 'get', slice: [3] } })

const base = H2C_FRAME_CASES.find(({ id }) => id === 'ctl-get')!
const specOf = (frames: H2cFrame[], more: Partial<H2cFrameCase> = {}): H2cFrameCase => ({
  ...base,
  frames,
  ...more
})
const caseOf = (id: string): H2cFrameCase => H2C_FRAME_CASES.find((one) => one.id === id)!
const claim = (frames: H2cFrame[], more: Partial<H2cFrameCase> = {}): string => h2cClaim(specOf(frames, more))

test.each<[rule: string, broken: H2cFrame[], kept: H2cFrame[]]>([
  ['frame size of DATA', [open(), data('', { overlong: true })], [open(), data('00'.repeat(16_384))]],
  ['HEADERS inside a header block', [part(0, 3), get({}, 3)], [part(0, 3), rest(), get({}, 3)]],
  ['frame type 0xbe inside a header block', [part(0, 3), frame(190, 0)], [frame(190, 0), get()]],
  ['CONTINUATION without HEADERS', [rest()], [part(0, 3), rest()]],
  ['CONTINUATION on another stream', [part(0, 3), rest(3)], [part(0, 3), rest()]],
  ['unfinished', [part(0, 3)], [part(0, 3), rest()]],
  ['unfinished', [open()], [open(), data('')]],
  ['push promise', [frame('PUSH_PROMISE', 1, { hex: '00000002' })], [get()]],
  ['PRIORITY on stream 0', [frame('PRIORITY', 0, { hex: '000000000f' })], [get()]],
  [
    'length of PRIORITY',
    [frame('PRIORITY', 1, { hex: '00' })],
    [frame('PRIORITY', 1, { hex: '000000000f' })]
  ],
  ['even stream', [get({}, 2)], [get({}, 3)]],
  ['stream id not above the last', [get({}, 5), get({}, 3)], [get({}, 3), get({}, 5)]],
  ['DATA on an idle stream', [data('61')], [open(), data('61')]],
  ['RST_STREAM on a closed stream', [get({}, 3), frame('RST_STREAM', 1, { hex: '00000008' })], [get({}, 3)]],
  ['DATA after END_STREAM', [get(), data('61')], [get()]],
  ['HEADERS after END_STREAM', [get(), get()], [get(), get({}, 3)]],
  [
    'closed by our reset',
    [open(), frame('RST_STREAM', 1, { hex: '00000008' }), update('00000001', 1)],
    [open(), update('00000001', 1), data('')]
  ],
  ['length of RST_STREAM', [open(), frame('RST_STREAM', 1, { hex: '000008' })], [get()]],
  ['length of GOAWAY', [frame('GOAWAY', 0, { hex: '00' })], [frame('GOAWAY', 0, { hex: '00'.repeat(9) })]],
  [
    'PING on a stream',
    [frame('PING', 1, { hex: '00'.repeat(8) })],
    [frame('PING', 0, { hex: '00'.repeat(8) })]
  ],
  ['length of SETTINGS', [settings('000300')], [settings('')]],
  [
    'length of SETTINGS ACK',
    [settings('000400010000', { flags: FLAG.ACK })],
    [settings('', { flags: FLAG.ACK })]
  ],
  ['ENABLE_PUSH', [settings('000200000002')], [settings('000200000001')]],
  ['MAX_FRAME_SIZE', [settings('000501000000')], [settings('000500ffffff')]],
  ['window above the most', [settings('000480000000')], [settings('00047fffffff')]],
  ['WINDOW_UPDATE of 0 for the connection', [update('80000000')], [update('00000001')]],
  [
    'WINDOW_UPDATE of 0 for a stream',
    [open(), update('00000000', 1)],
    [open(), update('00000001', 1), data('')]
  ],
  ['window overflow of the connection', [update('7fff0001')], [update('7fff0000')]],
  ['window overflow of a stream', [get(), update('7fff0001', 1)], [get(), update('7fff0000', 1)]],
  [
    'window overflow by SETTINGS',
    [get(), update('7fff0000', 1), settings('000400010000')],
    [get(), update('7fff0000', 1), settings('00040000ffff')]
  ],
  [
    'padding',
    [open(), data('0361', { flags: FLAG.END_STREAM | FLAG.PADDED })],
    [open(), data('0361000000', { flags: FLAG.END_STREAM | FLAG.PADDED })]
  ],
  ['length of HEADERS', [frame('HEADERS', 1, { flags: BOTH | FLAG.PRIORITY })], [get()]],
  ['hpack index-0', [get({ hex: '80' })], [get({ hex: '0003782d610162' })]],
  // A table is that of the connection.
  ['hpack index-beyond', [get({ hex: 'be' })], [get({ hex: '4003782d610162' }), get({ hex: 'be' }, 3)]],
  ['name in upper case', [field('X-A', 'v')], [field('x-a', 'v')]],
  ['name characters', [field('x a', 'v')], [field('x!a', 'v')]],
  ['value holds NUL', [field('x', 'a\0')], [field('x', 'a\x01')]],
  ['value holds CR', [field('x', 'a\r')], [field('x', '')]],
  ['value holds LF', [get({ drop: [':path'], first: [[':path', '/\n']] })], [field('x', 'a')]],
  ['white space around a value', [field('x', 'a\t')], [field('x', 'a\ta')]],
  ['connection field te', [field('te', 'gzip')], [field('te', 'trailers')]],
  ['pseudo-field :path missing', [get({ drop: [':path'] })], [get()]],
  ['pseudo-field :path twice', [get({ twice: [':path'] })], [get()]],
  [
    'pseudo-field :path late',
    [get({ drop: [':path'], add: [['x', '1']], late: [':path'] })],
    [get({ drop: [':path'], late: [':path'] })]
  ],
  ['pseudo-field :path empty', [get({ drop: [':path'], first: [[':path', '']] })], [get()]],
  ['pseudo-field :status unknown', [get({ first: [[':status', '200']] })], [get()]],
  [
    'syntax of :path',
    [get({ drop: [':path'], first: [[':path', '/a b']] })],
    [get({ drop: [':path'], first: [[':path', '/a?b']] })]
  ],
  ['host other than :authority', [field('host', 'other')], [field('host', '{authority}')]],
  ['trailers without END_STREAM', [open(), trailers('x', FLAG.END_HEADERS)], [open(), trailers('x')]],
  ['pseudo-field in trailers', [open(), trailers(':method')], [open(), trailers('x')]],
  ['content-length is no number', [sized('3x'), data('616263')], [open(), data('')]],
  [
    'content-length twice',
    [
      open({
        add: [
          ['content-length', '3'],
          ['content-length', '4']
        ]
      }),
      data('616263')
    ],
    [open(), data('')]
  ],
  ['body shorter than content-length', [sized('4'), data('616263')], [sized('3'), data('616263')]],
  ['body longer than content-length', [sized('2'), data('616263')], [sized('3'), data('616263')]]
])('%s', (rule, broken, kept) => {
  expect(claim(broken)).toBe(rule)
  expect(claim(kept)).toBe('valid')
})

test('what opens the connection is part of what is read', () => {
  expect(claim([get()], { bare: true })).toBe('no settings first')
  expect(claim([settings(''), get()], { bare: true })).toBe('valid')
  expect(claim([get()], { expect: 'preface' })).toBe('preface')
  const grown = [get(), update('7fffffff', 1)]
  expect(claim(grown, { window: 0 })).toBe('valid')
  expect(claim(grown)).toBe('window overflow of a stream')
  expect(claim([settings('000400000000'), ...grown])).toBe('valid')
  // Only what must be answered has to end.
  expect(claim([open(), get({}, 3)], { answers: [3] })).toBe('valid')
})

/** What the standard forbids a client, and lets a server take. */
const FORBIDDEN_TO_CLIENTS: Readonly<Record<string, string>> = {
  'prio-len': 'RFC 9113 6.3: a PRIORITY frame has five bytes',
  'prio-sid0': 'RFC 9113 6.3: a PRIORITY frame names a stream',
  'rst-then-data': 'RFC 9113 5.1: nothing but PRIORITY is sent on a closed stream',
  'closed-data': 'RFC 9113 5.1: a request has one end',
  'path-sp': 'RFC 9113 8.3.1: the path is that of a URI',
  'host-diff-auth': 'RFC 9113 8.3.1: a client sends no Host other than :authority'
}

test.each(H2C_FRAME_CASES.map((spec) => [spec.id, spec] as const))('the catalogue: %s', (id, spec) => {
  const right = spec.expect === 'answered' || spec.expect === 'any'
  const says = h2cClaim(spec)
  if (right && FORBIDDEN_TO_CLIENTS[id] === undefined) expect(says).toBe('valid')
  else expect(['valid', 'unfinished']).not.toContain(says)
  expect(h2cObstacle(spec)).toBeUndefined()
})

interface Asked {
  small: H2cFrameCase
  before: number
  after: number
  asked: H2cFrameCase[]
}

/** @param wrong whether the server does wrong */
async function shrink(
  spec: H2cFrameCase,
  wrong: (spec: H2cFrameCase) => boolean = () => true
): Promise<Asked> {
  const asked: H2cFrameCase[] = []
  const shrunk = await shrinkH2c(spec, {
    holds: (one) => {
      asked.push(one)
      return Promise.resolve(wrong(one))
    },
    over: () => asked.length > 500
  })
  for (const one of asked) expect(h2cClaim(one)).toBe(shrunk.claim)
  expect(shrunk.bytesAfter).toBe(h2cBytes(shrunk.spec).length)
  return { small: shrunk.spec, before: shrunk.bytesBefore, after: shrunk.bytesAfter, asked }
}

test('streams, frames, repeats, payloads, fields and segments go while the rule stays', async () => {
  const spec = specOf(
    [
      get({
        add: [
          ['x-a', '{a:1000}'],
          ['x-b', 'plain']
        ]
      }),
      frame(190, 0, { hex: '0102', times: 300 }),
      open({ add: [['content-length', '4']], hex: '0003782d610162' }, 3),
      frame('DATA', 3, { hex: '616263646566', after: 'pong', flags: FLAG.END_STREAM })
    ],
    { expect: 'malformed', answers: [1, 3], bytewise: true }
  )
  const { small, before, after } = await shrink(spec)
  expect(small.frames).toEqual([
    sized('4', 3),
    frame('DATA', 3, { hex: '6162636465', flags: FLAG.END_STREAM })
  ])
  expect([small.answers, small.bytewise]).toEqual([[3], false])
  expect(before - after).toBeGreaterThan(1500)
})

test('what the server needs stays: as many bytes, repeats and letters as that', async () => {
  const spec = specOf([
    frame(190, 0, { hex: '01020304', times: 100 }),
    get({ add: [['x-a', '{a:1000}']], hex: '0003782d610162', times: 50 })
  ])
  const bytes = (one: H2cFrameCase, at: number): number =>
    h2cBytes({ frames: one.frames.slice(at, at + 1) }).length
  const { small } = await shrink(
    spec,
    (one) => one.frames.length === 2 && bytes(one, 0) >= 9 + 40 && bytes(one, 1) >= 800
  )
  expect(small.frames[0]).toMatchObject({ times: 10 })
  expect(bytes(small, 1)).toBe(800)
})

test('a fault never becomes another one, and none at all', async () => {
  const { small, asked } = await shrink(
    specOf([frame('PING', 0, { hex: '00'.repeat(9) }), settings('000480000000')], { expect: 'connection' })
  )
  expect(asked.length).toBeGreaterThan(0)
  // A PING of no bytes breaks the same rule.
  expect(small.frames).toEqual([frame('PING', 0)])
  // Of no frames at all nothing is said.
  const last = specOf([frame(190, 0)], { expect: 'any', answers: [] })
  expect((await shrink(last)).asked).toEqual([])
})

test('of a request that must be answered the body stays, whatever it is cut into', async () => {
  const { small } = await shrink(caseOf('ctl-data-empty'))
  expect(small.frames.filter(({ type }) => type === 'DATA').map(({ hex }) => hex)).toEqual([
    '616263',
    undefined
  ])
  const padded = caseOf('ctl-data-padded')
  expect((await shrink(padded)).small.frames).toEqual(padded.frames)
})

test('streams go with their answers, and one stays', async () => {
  const { small, asked } = await shrink(caseOf('ctl-dynamic'))
  expect(small.answers).toEqual([1])
  for (const { answers } of asked) expect(answers.length).toBeGreaterThan(0)
  // Where the request that must be answered is another one, its stream is the one that stays.
  expect((await shrink(caseOf('ctl-rst'))).small.frames.map(({ stream }) => stream)).toEqual([3])
})

test('the PING that must be acknowledged stays', async () => {
  const ping = caseOf('ctl-ping')
  const { small } = await shrink({
    ...ping,
    frames: [frame(190, 0), ...ping.frames, frame('PING', 0, { hex: '00'.repeat(8) })]
  })
  expect(small.frames).toEqual(ping.frames)
})

test('windows stay as they are where the case sets them: without one a server rightly sends nothing', async () => {
  const frames = [settings('000400000000'), get(), update('0000ffff', 1), update('00000001')]
  for (const { asked } of [
    await shrink(specOf(frames)),
    await shrink(specOf(frames.slice(1), { window: 0 }))
  ])
    expect(asked).toEqual([])
  const { small } = await shrink(specOf([settings('000200000000'), get(), update('00000001')]))
  expect(small.frames).toEqual([get()])
})

test('the field that the judge looks for stays, and the request on the stream that it looks at', async () => {
  const value = get({ add: [['x-val', 'a\nbcdef']] })
  const more = get({
    add: [
      ['x-val', 'a\nbcdef'],
      ['x-b', '1']
    ]
  })
  expect((await shrink(specOf([more, get({}, 3)], { expect: 'field' }))).small.frames).toEqual([value])
  const path = caseOf('path-lf')
  expect((await shrink(path)).asked).toEqual([])
  const two = specOf([get(), get({}, 2)], { expect: 'connection' })
  expect((await shrink(two)).small.frames).toEqual(two.frames)
})

test('what the strict reader does not see cannot be made smaller', () => {
  for (const expected of ['connection', 'preface', 'stream', 'held', 'malformed', 'field'] as const) {
    const blind = h2cObstacle(specOf([get()], { expect: expected }))
    if (expected === 'preface') expect(blind).toBeUndefined()
    else expect(blind).toMatch(/the strict reader of HTTP\/2 frames does not see what is wrong/)
  }
  expect(h2cObstacle(specOf([open()], { expect: 'stream' }))).toMatch(/does not see/)
  expect(h2cObstacle(specOf([get()]))).toBeUndefined()
})
