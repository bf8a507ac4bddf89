/** permessage-deflate: the examples of RFC 7692, what was agreed, and windows that are kept. */
import { deflateRawSync, constants } from 'node:zlib'
import { expect, test } from '@jest/globals'
import {
  agreementOf,
  Deflate,
  parseExtensions,
  stored,
  type Agreement
} from '../../src/wire/websocket-deflate.ts'
import { encodeFrame, FrameReader } from '../../src/wire/websocket.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const plain: Agreement = { serverContext: true, clientContext: true, serverBits: 15, clientBits: 15 }

test('the examples of 7.2.3 inflate, in any order on one connection', () => {
  const deflate = new Deflate({ ...plain, serverContext: false })
  const examples = [
    'f2 48 cd c9 c9 07 00',
    '00 05 00 fa ff 48 65 6c 6c 6f 00',
    'f3 48 cd c9 c9 07 00 00',
    'f2 48 05 00 00 00 ff ff ca c9 c9 07 00'
  ]
  for (const example of examples) expect(deflate.inflate(hex(example)).toString()).toBe('Hello')
  expect(deflate.inflate(hex('00'))).toHaveLength(0)
})

test('a message may refer to the one before, where that was agreed', () => {
  const with_ = new Deflate(plain)
  expect(with_.inflate(hex('f2 48 cd c9 c9 07 00')).toString()).toBe('Hello')
  expect(with_.inflate(hex('f2 00 11 00 00')).toString()).toBe('Hello')
  const without = new Deflate({ ...plain, serverContext: false })
  expect(without.inflate(hex('f2 48 cd c9 c9 07 00')).toString()).toBe('Hello')
  expect(() => without.inflate(hex('f2 00 11 00 00'))).toThrow(/distance/)
})

test('what we compress is as short as the example, with the context and without', () => {
  const deflate = new Deflate(plain)
  const hello = Buffer.from('Hello')
  expect(deflate.compress(hello)).toEqual(hex('f2 48 cd c9 c9 07 00'))
  expect(deflate.compress(hello)).toEqual(hex('f2 00 11 00 00'))
  expect(deflate.compress(hello, false)).toEqual(hex('f2 48 cd c9 c9 07 00'))
  const alone = new Deflate({ ...plain, clientContext: false })
  alone.compress(hello)
  expect(alone.compress(hello)).toEqual(hex('f2 48 cd c9 c9 07 00'))
})

test('a block without compression is the example of 7.2.3.3', () => {
  expect(stored(Buffer.from('Hello'))).toEqual(hex('00 05 00 fa ff 48 65 6c 6c 6f 00'))
})

test('a reference beyond the window that was agreed does not inflate', () => {
  const unit = Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 7919 + (i >> 3) * 31) & 0xff))
  const message = Buffer.concat([unit, unit])
  const far = deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  const near = deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH, windowBits: 9 }).subarray(0, -4)
  const narrow = new Deflate({ ...plain, serverContext: false, serverBits: 9 })
  expect(narrow.inflate(near)).toEqual(message)
  expect(() => narrow.inflate(far)).toThrow(/distance/)
})

test.each([
  ['permessage-deflate', '', undefined],
  ['permessage-deflate', 'permessage-deflate', plain],
  [
    'permessage-deflate; server_max_window_bits=10; server_no_context_takeover',
    'permessage-deflate; server_no_context_takeover; server_max_window_bits=9',
    { ...plain, serverContext: false, serverBits: 9 }
  ],
  [
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate; client_max_window_bits="11"; client_no_context_takeover',
    { ...plain, clientContext: false, clientBits: 11 }
  ],
  [
    'permessage-deflate; client_no_context_takeover',
    'permessage-deflate',
    { ...plain, clientContext: false }
  ],
  ['permessage-deflate; server_max_window_bits=99, permessage-deflate', 'permessage-deflate', plain]
])('the offer "%s" and the answer "%s"', (offer, answer, agreed) => {
  expect(agreementOf(offer, answer)).toEqual(agreed)
})

test.each([
  ['permessage-deflate', 'permessage-deflate; x=1', 'not defined'],
  ['permessage-deflate', 'permessage-deflate; server_max_window_bits=7', 'has the value'],
  ['permessage-deflate', 'permessage-deflate; server_max_window_bits=08', 'has the value'],
  ['permessage-deflate', 'permessage-deflate; client_max_window_bits=15', 'was not offered'],
  [
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate; client_max_window_bits',
    'has no value'
  ],
  ['permessage-deflate; server_max_window_bits=10', 'permessage-deflate', 'is not in the answer'],
  [
    'permessage-deflate; server_max_window_bits=10',
    'permessage-deflate; server_max_window_bits=11',
    'more than'
  ],
  ['permessage-deflate; server_no_context_takeover', 'permessage-deflate', 'is not in the answer'],
  ['permessage-deflate; server_max_window_bits=99', 'permessage-deflate', 'none of the offers was valid'],
  ['permessage-deflate', 'permessage-deflate, permessage-deflate', 'twice'],
  [
    'permessage-deflate',
    'permessage-deflate; client_no_context_takeover; client_no_context_takeover',
    'stands twice'
  ]
])('to the offer "%s" the answer "%s" is wrong', (offer, answer, words) => {
  expect(agreementOf(offer, answer)).toContain(words)
})

test('extensions are read as a list, empty parts left out', () => {
  expect(parseExtensions(' a ; b = "c" ;; d,, e')).toEqual([
    {
      name: 'a',
      params: [
        ['b', 'c'],
        ['d', undefined]
      ]
    },
    { name: 'e', params: [] }
  ])
})

test('RSV1 has a meaning on the first frame of a message, and only where it was agreed', () => {
  const frame = (opcode: number, rsv: number, fin = true): Buffer =>
    encodeFrame({ fin, rsv, opcode, payload: Buffer.from('x') })
  const read = (rsv1: boolean, ...frames: Buffer[]) => new FrameReader({ rsv1 }).push(Buffer.concat(frames))
  expect(read(true, frame(1, 4))).toHaveLength(1)
  expect(() => read(false, frame(1, 4))).toThrow(/reserved bits/)
  expect(() => read(true, frame(1, 6))).toThrow(/reserved bits/)
  expect(() => read(true, frame(9, 4))).toThrow(/reserved bits/)
  expect(() => read(true, frame(1, 4, false), frame(0, 4))).toThrow(/reserved bits/)
})
