/**
 * WebSocket cases (RFC 6455) as data.
 *
 * Frames are given by their fields; the runner masks them. `expect` says what the standard demands:
 * `echo` the messages come back, `pong` the ping is answered, `close` the closing handshake is completed,
 * `fail` the connection is failed (7.1.7: a Close frame, or the end of the TCP connection), `any` only that nobody
 * else suffers.
 */
export interface WsFrame {
  op: number
  /** Default true. */
  fin?: boolean
  /** Bits RSV1 (4), RSV2 (2), RSV3 (1). */
  rsv?: number
  text?: string
  hex?: string
  /** Payload of so many bytes `*`. */
  fill?: number
  /** Default true. */
  masked?: boolean
  /** Length field to write in place of the true one, hexadecimal, with its first byte (7 bits): `7e0002`. */
  length?: string
}

export type WsExpectation =
  | {
      kind: 'echo'
      messages: readonly { op: 1 | 2; text?: string; hex?: string; fill?: number }[]
      pong?: string
    }
  | { kind: 'pong'; hex?: string; fill?: number }
  | { kind: 'close'; code?: number }
  | {
      kind: 'fail'
      codes: readonly number[]
      /** Silence is no breach: the rule binds the sender only. */ silence?: boolean
    }
  | { kind: 'any' }

export interface WsFrameCase {
  id: string
  group: 'frames' | 'fragments' | 'control' | 'close' | 'utf8'
  title: string
  standard: string
  frames: readonly WsFrame[]
  expect: WsExpectation
  /** One byte per segment. */
  bytewise?: boolean
}

export const WS_FRAME_CASES: readonly WsFrameCase[] = [
  // Well-formed: the server must take them.
  {
    id: 'ctl-text',
    group: 'frames',
    title: 'a text message',
    standard: 'RFC 6455 5.6',
    frames: [{ op: 1, text: 'hi' }],
    expect: { kind: 'echo', messages: [{ op: 1, text: 'hi' }] }
  },
  {
    id: 'ctl-bin',
    group: 'frames',
    title: 'a binary message',
    standard: 'RFC 6455 5.6',
    frames: [{ op: 2, hex: 'ff00fe02' }],
    expect: { kind: 'echo', messages: [{ op: 2, hex: 'ff00fe02' }] }
  },
  {
    id: 'ctl-empty',
    group: 'frames',
    title: 'an empty text message',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 1 }],
    expect: { kind: 'echo', messages: [{ op: 1, text: '' }] }
  },
  {
    id: 'ctl-125',
    group: 'frames',
    title: 'a message of 125 bytes',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 2, fill: 125 }],
    expect: { kind: 'echo', messages: [{ op: 2, fill: 125 }] }
  },
  {
    id: 'ctl-126',
    group: 'frames',
    title: 'a message of 126 bytes (16-bit length)',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 1, fill: 126 }],
    expect: { kind: 'echo', messages: [{ op: 1, fill: 126 }] }
  },
  {
    id: 'ctl-65535',
    group: 'frames',
    title: 'a message of 65535 bytes (longest 16-bit length)',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 2, fill: 65535 }],
    expect: { kind: 'echo', messages: [{ op: 2, fill: 65535 }] }
  },
  {
    id: 'ctl-65536',
    group: 'frames',
    title: 'a message of 65536 bytes (64-bit length)',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 2, fill: 65536 }],
    expect: { kind: 'echo', messages: [{ op: 2, fill: 65536 }] }
  },
  {
    id: 'ctl-bytewise',
    group: 'frames',
    title: 'a message sent in segments of one byte',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 1, text: 'byte by byte' }],
    bytewise: true,
    expect: { kind: 'echo', messages: [{ op: 1, text: 'byte by byte' }] }
  },
  {
    id: 'ctl-two',
    group: 'frames',
    title: 'two messages in one segment',
    standard: 'RFC 6455 5.6',
    frames: [
      { op: 1, text: 'one' },
      { op: 2, text: 'two' }
    ],
    expect: {
      kind: 'echo',
      messages: [
        { op: 1, text: 'one' },
        { op: 2, text: 'two' }
      ]
    }
  },
  {
    id: 'ctl-frag',
    group: 'fragments',
    title: 'a text message in two fragments',
    standard: 'RFC 6455 5.4',
    frames: [
      { op: 1, fin: false, text: 'a' },
      { op: 0, text: 'b' }
    ],
    expect: { kind: 'echo', messages: [{ op: 1, text: 'ab' }] }
  },
  {
    id: 'ctl-frag-ping',
    group: 'fragments',
    title: 'a ping between the fragments of a message',
    standard: 'RFC 6455 5.4',
    frames: [
      { op: 1, fin: false, text: 'a' },
      { op: 9, text: 'p' },
      { op: 0, text: 'b' }
    ],
    expect: { kind: 'echo', messages: [{ op: 1, text: 'ab' }], pong: '70' }
  },
  {
    id: 'ctl-frag-pong',
    group: 'fragments',
    title: 'an unasked pong between the fragments of a message',
    standard: 'RFC 6455 5.4',
    frames: [
      { op: 2, fin: false, text: 'a' },
      { op: 10, text: 'p' },
      { op: 0, text: 'b' }
    ],
    expect: { kind: 'echo', messages: [{ op: 2, text: 'ab' }] }
  },
  {
    id: 'ctl-zero-frags',
    group: 'fragments',
    title: 'a message of three empty fragments',
    standard: 'RFC 6455 5.4',
    frames: [{ op: 1, fin: false }, { op: 0, fin: false }, { op: 0 }],
    expect: { kind: 'echo', messages: [{ op: 1, text: '' }] }
  },
  {
    id: 'ctl-ping',
    group: 'control',
    title: 'a ping with a payload',
    standard: 'RFC 6455 5.5.2',
    frames: [{ op: 9, text: 'x' }],
    expect: { kind: 'pong', hex: '78' }
  },
  {
    id: 'ctl-ping0',
    group: 'control',
    title: 'an empty ping',
    standard: 'RFC 6455 5.5.2',
    frames: [{ op: 9 }],
    expect: { kind: 'pong', hex: '' }
  },
  {
    id: 'ctl-ping125',
    group: 'control',
    title: 'a ping of 125 bytes',
    standard: 'RFC 6455 5.5',
    frames: [{ op: 9, fill: 125 }],
    expect: { kind: 'pong', fill: 125 }
  },
  {
    id: 'ctl-pong',
    group: 'control',
    title: 'an unasked pong, then a message',
    standard: 'RFC 6455 5.5.3',
    frames: [
      { op: 10, text: 'x' },
      { op: 1, text: 'b' }
    ],
    expect: { kind: 'echo', messages: [{ op: 1, text: 'b' }] }
  },
  {
    id: 'ctl-close1000',
    group: 'close',
    title: 'a Close with code 1000',
    standard: 'RFC 6455 5.5.1',
    frames: [{ op: 8, hex: '03e8' }],
    expect: { kind: 'close', code: 1000 }
  },
  {
    id: 'ctl-close-empty',
    group: 'close',
    title: 'a Close without a code',
    standard: 'RFC 6455 5.5.1',
    frames: [{ op: 8 }],
    expect: { kind: 'close' }
  },
  {
    id: 'ctl-close-reason',
    group: 'close',
    title: 'a Close with code and reason',
    standard: 'RFC 6455 5.5.1',
    frames: [{ op: 8, hex: '03e9676f6e65' }],
    expect: { kind: 'close', code: 1001 }
  },
  {
    id: 'ctl-close3000',
    group: 'close',
    title: 'a Close with code 3000',
    standard: 'RFC 6455 7.4.2',
    frames: [{ op: 8, hex: '0bb8' }],
    expect: { kind: 'close', code: 3000 }
  },
  {
    id: 'ctl-close4999',
    group: 'close',
    title: 'a Close with code 4999',
    standard: 'RFC 6455 7.4.2',
    frames: [{ op: 8, hex: '1387' }],
    expect: { kind: 'close', code: 4999 }
  },
  {
    id: 'after-close',
    group: 'close',
    title: 'a message behind the Close',
    standard: 'RFC 6455 5.5.1',
    frames: [
      { op: 8, hex: '03e8' },
      { op: 1, text: 'late' }
    ],
    expect: { kind: 'close', code: 1000 }
  },
  {
    id: 'ctl-utf8',
    group: 'utf8',
    title: 'text with code points of two, three and four bytes',
    standard: 'RFC 6455 8.1',
    frames: [{ op: 1, hex: 'cebae282acf09f9982f48fbfbf' }],
    expect: { kind: 'echo', messages: [{ op: 1, hex: 'cebae282acf09f9982f48fbfbf' }] }
  },
  {
    id: 'ctl-utf8-edges',
    group: 'utf8',
    title: 'text with U+0000, U+D7FF, U+E000 and U+FFFD',
    standard: 'RFC 6455 8.1',
    frames: [{ op: 1, hex: '00ed9fbfee8080efbfbd' }],
    expect: { kind: 'echo', messages: [{ op: 1, hex: '00ed9fbfee8080efbfbd' }] }
  },
  {
    id: 'ctl-utf8-split',
    group: 'utf8',
    title: 'a code point cut between two fragments',
    standard: 'RFC 6455 5.6',
    frames: [
      { op: 1, fin: false, hex: 'ce' },
      { op: 0, hex: 'ba' }
    ],
    expect: { kind: 'echo', messages: [{ op: 1, hex: 'ceba' }] }
  },
  {
    id: 'ctl-utf8-split4',
    group: 'utf8',
    title: 'a code point of four bytes in four fragments',
    standard: 'RFC 6455 5.6',
    frames: [
      { op: 1, fin: false, hex: 'f0' },
      { op: 0, fin: false, hex: '9f' },
      { op: 0, fin: false, hex: '99' },
      { op: 0, hex: '82' }
    ],
    expect: { kind: 'echo', messages: [{ op: 1, hex: 'f09f9982' }] }
  },
  {
    id: 'ctl-utf8-bytewise',
    group: 'utf8',
    title: 'multi-byte text in segments of one byte',
    standard: 'RFC 6455 8.1',
    frames: [{ op: 1, hex: 'e282acf09f9982' }],
    bytewise: true,
    expect: { kind: 'echo', messages: [{ op: 1, hex: 'e282acf09f9982' }] }
  },

  // Malformed: the server must fail the connection.
  {
    id: 'unmasked',
    group: 'frames',
    title: 'a client frame without a mask',
    standard: 'RFC 6455 5.1',
    frames: [{ op: 1, text: 'hi', masked: false }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'unmasked-ping',
    group: 'frames',
    title: 'a client ping without a mask',
    standard: 'RFC 6455 5.1',
    frames: [{ op: 9, text: 'hi', masked: false }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'rsv1',
    group: 'frames',
    title: 'RSV1 set without an extension',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 1, rsv: 4, text: 'hi' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'rsv2',
    group: 'frames',
    title: 'RSV2 set without an extension',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 1, rsv: 2, text: 'hi' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'rsv3',
    group: 'frames',
    title: 'RSV3 set without an extension',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 1, rsv: 1, text: 'hi' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'rsv1-ping',
    group: 'control',
    title: 'RSV1 set on a ping',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 9, rsv: 4, text: 'hi' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'op3',
    group: 'frames',
    title: 'the reserved opcode 3',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 3, text: 'x' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'op7',
    group: 'frames',
    title: 'the reserved opcode 7, empty',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 7 }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'opB',
    group: 'frames',
    title: 'the reserved control opcode 11',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 11 }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'opF',
    group: 'frames',
    title: 'the reserved control opcode 15',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 15, text: 'x' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'len64-msb',
    group: 'frames',
    title: 'a 64-bit length with its highest bit set',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 2, text: 'xx', length: '7fffffffffffffffff' }],
    expect: { kind: 'fail', codes: [1002, 1009] }
  },
  {
    id: 'len-huge',
    group: 'frames',
    title: 'a frame that announces 549 GB and sends none of them',
    standard: 'RFC 6455 10.4',
    frames: [{ op: 2, length: '7f0000007fffffffff' }],
    expect: { kind: 'fail', codes: [1009, 1002], silence: true }
  },
  {
    id: 'ping126',
    group: 'control',
    title: 'a ping of 126 bytes',
    standard: 'RFC 6455 5.5',
    frames: [{ op: 9, fill: 126 }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'ping-frag',
    group: 'control',
    title: 'a ping in two fragments',
    standard: 'RFC 6455 5.5',
    frames: [
      { op: 9, fin: false, text: 'x' },
      { op: 0, text: 'y' }
    ],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'close-frag',
    group: 'close',
    title: 'a Close without FIN',
    standard: 'RFC 6455 5.5',
    frames: [{ op: 8, fin: false, hex: '03e8' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'close126',
    group: 'close',
    title: 'a Close of 126 bytes',
    standard: 'RFC 6455 5.5',
    frames: [{ op: 8, hex: '03e8', fill: 124 }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'cont-alone',
    group: 'fragments',
    title: 'a continuation with nothing to continue',
    standard: 'RFC 6455 5.4',
    frames: [{ op: 0, text: 'x' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'cont-after',
    group: 'fragments',
    title: 'a continuation behind a whole message',
    standard: 'RFC 6455 5.4',
    frames: [
      { op: 1, fin: false, text: 'a' },
      { op: 0, text: 'b' },
      { op: 0, text: 'c' }
    ],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'text-in-frag',
    group: 'fragments',
    title: 'a new message inside a fragmented one',
    standard: 'RFC 6455 5.4',
    frames: [
      { op: 1, fin: false, text: 'a' },
      { op: 1, text: 'b' }
    ],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'utf8-bad',
    group: 'utf8',
    title: 'text of the bytes FF FE',
    standard: 'RFC 6455 8.1',
    frames: [{ op: 1, hex: 'fffe' }],
    expect: { kind: 'fail', codes: [1007] }
  },
  {
    id: 'utf8-surrogate',
    group: 'utf8',
    title: 'text with a UTF-16 surrogate',
    standard: 'RFC 6455 8.1',
    frames: [{ op: 1, hex: 'eda080' }],
    expect: { kind: 'fail', codes: [1007] }
  },
  {
    id: 'utf8-overlong',
    group: 'utf8',
    title: 'text with an overlong slash',
    standard: 'RFC 6455 8.1',
    frames: [{ op: 1, hex: 'c0af' }],
    expect: { kind: 'fail', codes: [1007] }
  },
  {
    id: 'utf8-above',
    group: 'utf8',
    title: 'text with a code point above U+10FFFF',
    standard: 'RFC 6455 8.1',
    frames: [{ op: 1, hex: 'f4908080' }],
    expect: { kind: 'fail', codes: [1007] }
  },
  {
    id: 'utf8-cut',
    group: 'utf8',
    title: 'text that ends inside a code point',
    standard: 'RFC 6455 8.1',
    frames: [{ op: 1, hex: 'ce' }],
    expect: { kind: 'fail', codes: [1007] }
  },
  {
    id: 'utf8-bad-frag',
    group: 'utf8',
    title: 'a broken byte in the second fragment',
    standard: 'RFC 6455 8.1',
    frames: [
      { op: 1, fin: false, text: 'a' },
      { op: 0, hex: 'ff' }
    ],
    expect: { kind: 'fail', codes: [1007] }
  },
  {
    id: 'close-1byte',
    group: 'close',
    title: 'a Close with half a code',
    standard: 'RFC 6455 5.5.1',
    frames: [{ op: 8, hex: '03' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'close-utf8bad',
    group: 'close',
    title: 'a Close whose reason is not UTF-8',
    standard: 'RFC 6455 5.5.1',
    frames: [{ op: 8, hex: '03e8ff' }],
    expect: { kind: 'fail', codes: [1007, 1002] }
  },
  {
    id: 'close-0',
    group: 'close',
    title: 'a Close with code 0',
    standard: 'RFC 6455 7.4.2',
    frames: [{ op: 8, hex: '0000' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'close-999',
    group: 'close',
    title: 'a Close with code 999',
    standard: 'RFC 6455 7.4.2',
    frames: [{ op: 8, hex: '03e7' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'close-1004',
    group: 'close',
    title: 'a Close with the reserved code 1004',
    standard: 'RFC 6455 7.4.1',
    frames: [{ op: 8, hex: '03ec' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'close-1005',
    group: 'close',
    title: 'a Close with code 1005, which must not be sent',
    standard: 'RFC 6455 7.4.1',
    frames: [{ op: 8, hex: '03ed' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'close-1006',
    group: 'close',
    title: 'a Close with code 1006, which must not be sent',
    standard: 'RFC 6455 7.4.1',
    frames: [{ op: 8, hex: '03ee' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'close-1015',
    group: 'close',
    title: 'a Close with code 1015, which must not be sent',
    standard: 'RFC 6455 7.4.1',
    frames: [{ op: 8, hex: '03f7' }],
    expect: { kind: 'fail', codes: [1002] }
  },
  {
    id: 'close-2999',
    group: 'close',
    title: 'a Close with the unassigned code 2999',
    standard: 'RFC 6455 7.4.2',
    frames: [{ op: 8, hex: '0bb7' }],
    expect: { kind: 'any' }
  },
  {
    id: 'close-65535',
    group: 'close',
    title: 'a Close with code 65535',
    standard: 'RFC 6455 7.4.2',
    frames: [{ op: 8, hex: 'ffff' }],
    expect: { kind: 'any' }
  },
  {
    id: 'len16-nonmin',
    group: 'frames',
    title: 'a length of 2 written in 16 bits',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 1, text: 'hi', length: '7e0002' }],
    expect: { kind: 'any' }
  },
  {
    id: 'len64-nonmin',
    group: 'frames',
    title: 'a length of 2 written in 64 bits',
    standard: 'RFC 6455 5.2',
    frames: [{ op: 1, text: 'hi', length: '7f0000000000000002' }],
    expect: { kind: 'any' }
  }
]

/** Fields of a handshake, changed from the well-formed one. */
export interface WsHandshakeCase {
  id: string
  title: string
  standard: string
  method?: string
  version?: '1.0'
  /** Fields replaced or added; null leaves one out; a list sends one line each; `{N blanks}` stands for so many. */
  fields: Readonly<Record<string, string | null | readonly string[]>>
  body?: string
  /** A frame (text `early`) in the same segment. */
  early?: boolean
  /**
   * `101` must be accepted, `refused` must not switch, `version` must be refused with Sec-WebSocket-Version, `any`.
   */
  expect: '101' | 'refused' | 'version' | 'any'
  severity?: 'LOW' | 'MED'
}

export const WS_HANDSHAKE_CASES: readonly WsHandshakeCase[] = [
  {
    id: 'hs-ctl',
    title: 'a handshake in its plainest form',
    standard: 'RFC 6455 4.2.2',
    fields: {},
    expect: '101'
  },
  {
    id: 'hs-case',
    title: 'a handshake with other letter case and a list in Connection',
    standard: 'RFC 6455 4.2.1',
    fields: { Upgrade: 'WebSocket', Connection: 'keep-alive, Upgrade' },
    expect: '101'
  },
  {
    id: 'hs-ext-bogus',
    title: 'a handshake that offers an unknown extension',
    standard: 'RFC 6455 9.1',
    fields: { 'Sec-WebSocket-Extensions': 'x-unknown-ext; a=1' },
    expect: '101'
  },
  {
    id: 'hs-protocol',
    title: 'a handshake that offers an unknown subprotocol',
    standard: 'RFC 6455 4.2.2',
    fields: { 'Sec-WebSocket-Protocol': 'x-unknown-protocol' },
    expect: 'any'
  },
  {
    id: 'hs-early',
    title: 'a frame in the same segment as the handshake',
    standard: 'RFC 6455 5.1',
    fields: {},
    early: true,
    expect: '101'
  },
  {
    id: 'hs-post',
    title: 'a handshake with POST',
    standard: 'RFC 6455 4.2.1',
    method: 'POST',
    fields: { 'Content-Length': '0' },
    expect: 'refused'
  },
  {
    id: 'hs-http10',
    title: 'a handshake in HTTP/1.0',
    standard: 'RFC 6455 4.2.1',
    version: '1.0',
    fields: {},
    expect: 'refused'
  },
  {
    id: 'hs-nohost',
    title: 'a handshake without Host',
    standard: 'RFC 6455 4.2.1',
    fields: { Host: null },
    expect: 'refused'
  },
  {
    id: 'hs-nokey',
    title: 'a handshake without Sec-WebSocket-Key',
    standard: 'RFC 6455 4.2.1',
    fields: { 'Sec-WebSocket-Key': null },
    expect: 'refused'
  },
  {
    id: 'hs-shortkey',
    title: 'a key of 15 bytes',
    standard: 'RFC 6455 4.2.1',
    fields: { 'Sec-WebSocket-Key': 'AAECAwQFBgcICQoLDA0O' },
    expect: 'refused'
  },
  {
    id: 'hs-longkey',
    title: 'a key of 17 bytes',
    standard: 'RFC 6455 4.2.1',
    fields: { 'Sec-WebSocket-Key': 'AAECAwQFBgcICQoLDA0ODxA=' },
    expect: 'refused'
  },
  {
    id: 'hs-badkey',
    title: 'a key that is not base64',
    standard: 'RFC 6455 4.2.1',
    fields: { 'Sec-WebSocket-Key': '!!not/base64!!' },
    expect: 'refused'
  },
  {
    id: 'hs-dupkey',
    title: 'two keys',
    standard: 'RFC 6455 11.3.1',
    fields: { 'Sec-WebSocket-Key': ['dGhlIHNhbXBsZSBub25jZQ==', 'AAECAwQFBgcICQoLDA0ODw=='] },
    expect: 'refused',
    severity: 'LOW'
  },
  {
    id: 'hs-nover',
    title: 'a handshake without Sec-WebSocket-Version',
    standard: 'RFC 6455 4.2.1',
    fields: { 'Sec-WebSocket-Version': null },
    expect: 'refused'
  },
  {
    id: 'hs-ver12',
    title: 'version 12',
    standard: 'RFC 6455 4.4',
    fields: { 'Sec-WebSocket-Version': '12' },
    expect: 'version'
  },
  {
    id: 'hs-ver-text',
    title: 'a version that is not a number',
    standard: 'RFC 6455 4.4',
    fields: { 'Sec-WebSocket-Version': 'thirteen' },
    expect: 'refused'
  },
  {
    id: 'hs-noconn',
    title: 'a handshake without Connection',
    standard: 'RFC 6455 4.2.1',
    fields: { Connection: null },
    expect: 'refused'
  },
  {
    id: 'hs-conn-ka',
    title: 'a handshake with Connection: keep-alive',
    standard: 'RFC 6455 4.2.1',
    fields: { Connection: 'keep-alive' },
    expect: 'refused'
  },
  {
    id: 'hs-noupg',
    title: 'a handshake without Upgrade',
    standard: 'RFC 6455 4.2.1',
    fields: { Upgrade: null },
    expect: 'refused'
  },
  {
    id: 'hs-upg-foo',
    title: 'an upgrade to another protocol',
    standard: 'RFC 6455 4.2.1',
    fields: { Upgrade: 'foo' },
    expect: 'refused'
  },
  {
    id: 'hs-body',
    title: 'a handshake with a body',
    standard: 'RFC 6455 4.1',
    fields: { 'Content-Length': '5' },
    body: 'hello',
    expect: 'any'
  },
  {
    id: 'hs-ext-malformed',
    title: 'a malformed list of extensions',
    standard: 'RFC 6455 9.1',
    fields: { 'Sec-WebSocket-Extensions': ';;=,,permessage-deflate;;' },
    expect: 'any'
  },
  {
    id: 'hs-ext-proto',
    title: 'extensions named like members of every object',
    standard: 'RFC 6455 9.1',
    fields: { 'Sec-WebSocket-Extensions': 'constructor, __proto__; toString=1' },
    expect: 'any'
  },
  {
    id: 'hs-protocol-blank',
    title: 'a subprotocol list of 4 KiB of blanks',
    standard: 'RFC 6455 11.3.4',
    fields: { 'Sec-WebSocket-Protocol': 'a{4096 blanks}b' },
    expect: 'any'
  }
]

/** Where a client goes, and how. */
export const WS_KILL_STAGES = [
  { id: 'after-101', title: 'right after the 101' },
  { id: 'in-header', title: 'in the middle of a frame header' },
  { id: 'in-payload', title: 'in the middle of a payload' },
  { id: 'in-message', title: 'between the fragments of a message' }
] as const
export type WsKillStage = (typeof WS_KILL_STAGES)[number]['id']

export const WS_KILL_WAYS = [
  { id: 'rst', title: 'RST' },
  { id: 'fin', title: 'FIN' },
  { id: 'silence', title: 'silence' }
] as const
export type WsKillWay = (typeof WS_KILL_WAYS)[number]['id']

/** Streams of numbered messages that must come back equal and in order. */
export const WS_ECHO_CASES = [
  { id: 'echo-64k', title: '64 KiB binary messages', bytes: 65_536, messages: 32, inFlight: 16, op: 2, slow: false },
  { id: 'echo-64k-slow', title: '64 KiB binary messages to a slow reader', bytes: 65_536, messages: 48, inFlight: 48, op: 2, slow: true },
  { id: 'echo-64k-text', title: '64 KiB text messages', bytes: 65_536, messages: 8, inFlight: 4, op: 1, slow: false },
  { id: 'echo-1m', title: '1 MiB binary messages', bytes: 1_048_576, messages: 4, inFlight: 3, op: 2, slow: false },
  { id: 'echo-1m-text', title: '1 MiB text messages', bytes: 1_048_576, messages: 2, inFlight: 2, op: 1, slow: false },
  { id: 'echo-1m-fragments', title: '1 MiB messages in fragments of 16 KiB', bytes: 1_048_576, messages: 2, inFlight: 2, op: 2, slow: false, fragment: 16_384 },
  { id: 'echo-small', title: 'many small messages in flight', bytes: 40, messages: 500, inFlight: 200, op: 2, slow: false }
] as const

export const WS_NUMBERS = { pings: 1000, fragments: 1000, crowd: 50, crowdMessages: 4, clients: 4, batch: 10 } as const
