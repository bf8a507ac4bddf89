import { expect, test } from '@jest/globals'
import { HpackDecoder, HpackEncoder, huffmanDecode, huffmanEncode, type Field } from '../../src/wire/hpack.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex.replace(/\s/g, ''), 'hex')

/** RFC 7541 C.4 and C.3: three requests on one connection. */
const requests: Field[][] = [
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com']
  ],
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
    ['cache-control', 'no-cache']
  ],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value']
  ]
]
const huffman = [
  '828684418cf1e3c2e5f23a6ba0ab90f4ff',
  '828684be5886a8eb10649cbf',
  '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf'
]
const plain = [
  '828684410f7777772e6578616d706c652e636f6d',
  '828684be58086e6f2d6361636865',
  '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565'
]

test.each([
  ['Huffman', true, huffman],
  ['plain', false, plain]
] as const)('the requests of RFC 7541 appendix C, %s', (_, coded, blocks) => {
  const encoder = new HpackEncoder({ huffman: coded, indexing: true })
  const decoder = new HpackDecoder()
  for (const [i, fields] of requests.entries()) {
    expect(encoder.encode(fields).toString('hex')).toBe(blocks[i])
    expect(decoder.decode(bytes(blocks[i]!))).toEqual(fields)
  }
})

test('responses with eviction (C.6): a table of 256 bytes', () => {
  const decoder = new HpackDecoder()
  decoder.decode(bytes('3fe101'))
  const first = decoder.decode(
    bytes(
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3'
    )
  )
  expect(first).toEqual([
    [':status', '302'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com']
  ])
  expect(decoder.decode(bytes('4883640effc1c0bf'))[0]).toEqual([':status', '307'])
})

test('every byte survives the Huffman code', () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  expect(huffmanDecode(huffmanEncode(all))).toEqual(all)
})

test('blocks without table stand alone', () => {
  const encoder = new HpackEncoder()
  expect(encoder.encode(requests[1]!)).toEqual(encoder.encode(requests[1]!))
})

const broken: [what: string, block: string, rule: string][] = [
  ['index 0', '80', 'index-0'],
  ['an index beyond the tables', 'be', 'index-beyond'],
  ['a name beyond the tables', '7f0000', 'index-beyond'],
  ['an integer without end', 'ffffffffffffffffffffff7f', 'integer'],
  ['a block cut within a string', '000a6162', 'truncated'],
  ['a block cut within an integer', '3f', 'truncated'],
  ['a size update behind a field', '8220', 'late-size-update'],
  ['a size above the limit', '3fe2ff03', 'size-beyond'],
  ['EOS in a string', '0003782d6184ffffffff', 'huffman-eos'],
  ['padding of a whole byte', '0003782d61821fff', 'huffman-padding'],
  ['padding of zeros', '0003782d618118', 'huffman-padding']
]
test.each(broken)('%s is refused', (_, block, rule) => {
  expect(() => new HpackDecoder().decode(bytes(block))).toThrow(expect.objectContaining({ rule }))
})

test('a reduction below the size in use must be answered at the begin of the next block', () => {
  const filled = (): HpackDecoder => {
    const decoder = new HpackDecoder()
    decoder.decode(bytes('400a637573746f6d2d6b65790c637573746f6d2d76616c7565'))
    decoder.limit(0)
    return decoder
  }
  expect(() => filled().decode(bytes('be'))).toThrow(expect.objectContaining({ rule: 'no-size-update' }))
  expect(filled().decode(bytes('2082'))).toEqual([[':method', 'GET']])
  const empty = new HpackDecoder()
  empty.limit(0)
  expect(empty.decode(bytes('82'))).toEqual([[':method', 'GET']])
})
