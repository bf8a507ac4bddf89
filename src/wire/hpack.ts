/** Header compression of HTTP/2 (RFC 7541): an encoder with control of every choice, and a strict decoder. */
import { EOS, HUFFMAN_CODES, STATIC_TABLE } from './hpack-tables.ts'

/** Name and value, latin1. */
export type Field = readonly [string, string]

/** What a block breaks, with the section of RFC 7541. Any of these is a connection error COMPRESSION_ERROR. */
export class HpackError extends Error {
  override readonly name = 'HpackError'
  readonly rule: string
  readonly standard: string
  constructor(rule: string, message: string, section: string) {
    super(message)
    this.rule = rule
    this.standard = `RFC 7541 ${section}`
  }
}

const DEFAULT_TABLE = 4096
/** Overhead of an entry (4.1). */
const OVERHEAD = 32
/** Longest integer that a real block can hold. */
const MOST = 2 ** 31 - 1

const sizeOf = ([name, value]: Field): number => name.length + value.length + OVERHEAD

/** An integer with a prefix of so many bits (5.1); `pattern` fills the bits before. */
export function encodeInteger(value: number, prefix: number, pattern = 0): Buffer {
  const most = (1 << prefix) - 1
  if (value < most) return Buffer.from([pattern | value])
  const bytes = [pattern | most]
  let rest = value - most
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** Huffman code of the bytes, padded with the begin of EOS (5.2). */
export function huffmanEncode(text: Buffer): Buffer {
  const out: number[] = []
  let held = 0
  let bits = 0
  for (const byte of text) {
    const code = HUFFMAN_CODES[byte]!
    for (let left = code.length; left > 0;) {
      const take = Math.min(left, 8 - bits)
      left -= take
      held = (held << take) | ((code.bits >>> left) & ((1 << take) - 1))
      bits += take
      if (bits === 8) {
        out.push(held)
        held = bits = 0
      }
    }
  }
  if (bits > 0) out.push((held << (8 - bits)) | (0xff >> bits))
  return Buffer.from(out)
}

interface Node {
  zero?: Node
  one?: Node
  symbol?: number
}

const TREE: Node = {}
for (const [symbol, { bits, length }] of HUFFMAN_CODES.entries()) {
  let node = TREE
  for (let i = length - 1; i >= 0; i--) {
    const side = (bits >>> i) & 1 ? 'one' : 'zero'
    node = node[side] ??= {}
  }
  node.symbol = symbol
}

/** @throws HpackError for EOS, padding of more than 7 bits, or padding that is not the begin of EOS */
export function huffmanDecode(bytes: Buffer): Buffer {
  const out: number[] = []
  let node = TREE
  let depth = 0
  let ones = true
  for (const byte of bytes) {
    for (let i = 7; i >= 0; i--) {
      const bit = (byte >> i) & 1
      node = (bit ? node.one : node.zero)!
      depth += 1
      ones &&= bit === 1
      if (node.symbol === undefined) continue
      if (node.symbol === EOS) throw new HpackError('huffman-eos', 'a Huffman string holds EOS', '5.2')
      out.push(node.symbol)
      node = TREE
      depth = 0
      ones = true
    }
  }
  if (depth > 7)
    throw new HpackError('huffman-padding', `a Huffman string is padded with ${depth} bits`, '5.2')
  if (!ones) throw new HpackError('huffman-padding', 'the padding of a Huffman string is not all ones', '5.2')
  return Buffer.from(out)
}

function encodeString(text: string, huffman: boolean): Buffer {
  const plain = Buffer.from(text, 'latin1')
  const bytes = huffman ? huffmanEncode(plain) : plain
  return Buffer.concat([encodeInteger(bytes.length, 7, huffman ? 0x80 : 0), bytes])
}

/** The dynamic table (2.3.2), newest entry first. */
class DynamicTable {
  readonly entries: Field[] = []
  size = 0
  max = DEFAULT_TABLE

  resize(max: number): void {
    this.max = max
    this.#evict(0)
  }

  add(field: Field): void {
    const size = sizeOf(field)
    this.#evict(size)
    if (size > this.max) return
    this.entries.unshift(field)
    this.size += size
  }

  #evict(more: number): void {
    while (this.entries.length > 0 && this.size + more > this.max) this.size -= sizeOf(this.entries.pop()!)
  }

  /** Field at an index of the common address space (2.3.3). */
  at(index: number): Field | undefined {
    return index <= STATIC_TABLE.length
      ? STATIC_TABLE[index - 1]
      : this.entries[index - STATIC_TABLE.length - 1]
  }
}

export interface EncoderOptions {
  /** Strings in Huffman code. */
  huffman?: boolean
  /** Fields go into the dynamic table; without it each block stands alone. */
  indexing?: boolean
}

export class HpackEncoder {
  readonly #table = new DynamicTable()
  readonly #options: EncoderOptions
  #resized: number | undefined

  constructor(options: EncoderOptions = {}) {
    this.#options = options
  }

  /** The size is told at the begin of the next block (4.2). */
  resize(max: number): void {
    this.#table.resize(max)
    this.#resized = max
  }

  encode(fields: readonly Field[]): Buffer {
    const { huffman = false, indexing = false } = this.#options
    const parts: Buffer[] = []
    if (this.#resized !== undefined) parts.push(encodeInteger(this.#resized, 5, 0x20))
    this.#resized = undefined
    for (const field of fields) {
      const [name, value] = field
      const exact = this.#find((entry) => entry[0] === name && entry[1] === value)
      if (exact > 0) {
        parts.push(encodeInteger(exact, 7, 0x80))
        continue
      }
      const named = this.#find((entry) => entry[0] === name)
      parts.push(indexing ? encodeInteger(named, 6, 0x40) : encodeInteger(named, 4))
      if (named === 0) parts.push(encodeString(name, huffman))
      parts.push(encodeString(value, huffman))
      if (indexing) this.#table.add(field)
    }
    return Buffer.concat(parts)
  }

  #find(test: (entry: Field) => boolean): number {
    const fixed = STATIC_TABLE.findIndex(test)
    if (fixed >= 0) return fixed + 1
    const own = this.#table.entries.findIndex(test)
    return own < 0 ? 0 : own + STATIC_TABLE.length + 1
  }
}

export class HpackDecoder {
  readonly #table = new DynamicTable()
  /** Largest size that we allow by SETTINGS_HEADER_TABLE_SIZE. */
  #limit = DEFAULT_TABLE
  /** A reduction below the size in use must be answered at the begin of the next block (RFC 9113 4.3.1). */
  #reduced = false

  /** The peer has acknowledged this limit of ours. */
  limit(max: number): void {
    this.#limit = max
    if (max < this.#table.size) this.#reduced = true
  }

  /** @throws HpackError */
  decode(block: Buffer): Field[] {
    const reader = new Reader(block)
    const fields: Field[] = []
    if (this.#reduced && (block[0] ?? 0) >> 5 !== 1) {
      throw new HpackError(
        'no-size-update',
        'the table size was reduced and the next block does not begin with a size update',
        '4.2'
      )
    }
    this.#reduced = false
    while (!reader.done) {
      const first = reader.peek()
      if (first & 0x80) fields.push(this.#indexed(reader.integer(7)))
      else if (first & 0x40) {
        const field = this.#literal(reader, 6)
        this.#table.add(field)
        fields.push(field)
      } else if (first & 0x20) this.#resize(reader.integer(5), fields.length)
      else fields.push(this.#literal(reader, 4))
    }
    return fields
  }

  #indexed(index: number): Field {
    if (index === 0) throw new HpackError('index-0', 'index 0 is used', '6.1')
    const field = this.#table.at(index)
    if (field === undefined)
      throw new HpackError('index-beyond', `index ${index} is beyond the tables`, '2.3.3')
    return field
  }

  #literal(reader: Reader, prefix: number): Field {
    const index = reader.integer(prefix)
    const name = index === 0 ? reader.string() : this.#indexed(index)[0]
    return [name, reader.string()]
  }

  #resize(size: number, fieldsBefore: number): void {
    if (fieldsBefore > 0)
      throw new HpackError('late-size-update', 'a table size update stands behind a field', '4.2')
    if (size > this.#limit)
      throw new HpackError('size-beyond', `a table size of ${size} is above the limit ${this.#limit}`, '6.3')
    this.#table.resize(size)
  }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  peek(): number {
    return this.#bytes[this.#at]!
  }

  #next(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new HpackError('truncated', 'the block ends within a field', '3.1')
    return byte
  }

  integer(prefix: number): number {
    const most = (1 << prefix) - 1
    let value = this.#next() & most
    if (value < most) return value
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#next()
      value += (byte & 0x7f) * scale
      if (value > MOST || scale > MOST) throw new HpackError('integer', 'an integer is too long', '5.1')
      if (!(byte & 0x80)) return value
    }
  }

  string(): string {
    if (this.done) throw new HpackError('truncated', 'the block ends within a field', '3.1')
    const huffman = (this.peek() & 0x80) !== 0
    const length = this.integer(7)
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    if (bytes.length < length)
      throw new HpackError('truncated', 'a string is cut by the end of its block', '5.2')
    this.#at += length
    return (huffman ? huffmanDecode(bytes) : bytes).toString('latin1')
  }
}
