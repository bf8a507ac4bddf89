/** The frames of the catalogue as bytes. */
import { HpackDecoder, HpackEncoder, HpackError, type Field } from '../../../wire/hpack.ts'
import { encodeFrame, FLAG, FRAME, FrameReader, uint32, unpadded } from '../../../wire/http2.ts'
import type { H2cBlock, H2cFrame, H2cUnitFrame } from '../../catalogue/h2c/index.ts'
import { getFields, postFields, type Requests } from './ground.ts'

export interface Making {
  ground: Requests
  /** A GET is sent as a POST to the echo, which tells what the handler saw. */
  asEcho?: boolean
  /** The server's SETTINGS_MAX_FRAME_SIZE. */
  most: number
  /** Number of the unit of a flood. */
  n?: number
}

/** The request that a block is made of. */
function baseOf({ ground, asEcho }: Making, { of }: H2cBlock): Field[] {
  if (of === 'none') return []
  return of === 'post' || asEcho === true ? postFields(ground) : getFields(ground)
}

/** Placeholders are those of `blockSchema`. */
function filled(text: string, { ground, n = 0 }: Making, path: string): string {
  if (!text.includes('{')) return text
  return text
    .replaceAll('{authority}', ground.authority)
    .replaceAll('{path}', path)
    .replaceAll('{n}', String(n))
    .replace(/\{a:(\d+)\}/g, (_, count: string) => 'a'.repeat(Number(count)))
}

/** Fields of a block in the order sent. */
export function fieldsOf(making: Making, block: H2cBlock): Field[] {
  const { drop = [], first = [], add = [], twice = [], late = [] } = block
  const base = baseOf(making, block)
  const path = base.find(([name]) => name === ':path')?.[1] ?? making.ground.get.path
  const fill = (list: readonly Field[]): Field[] =>
    list.map(([name, value]) => [filled(name, making, path), filled(value, making, path)])
  const again = (names: readonly string[]): Field[] => base.filter(([name]) => names.includes(name))
  const kept = base.filter(([name]) => !drop.includes(name))
  const pseudo = kept.filter(([name]) => name.startsWith(':'))
  const plain = kept.filter(([name]) => !name.startsWith(':'))
  return [...fill(first), ...pseudo, ...again(twice), ...plain, ...fill(add), ...again(late)]
}

function blockBytes(making: Making, block: H2cBlock): Buffer {
  const bytes = Buffer.concat([
    Buffer.from(block.head ?? '', 'hex'),
    new HpackEncoder().encode(fieldsOf(making, block)),
    Buffer.from((block.hex ?? '').repeat(block.times ?? 1), 'hex')
  ])
  const [from = 0, to] = block.slice ?? []
  return bytes.subarray(from, to)
}

/** `{i}` counts the repetitions in four digits from 1000 on, for values that must not be the same. */
export function repeated(hex: string, times: number): string {
  if (!hex.includes('{i}')) return hex.repeat(times)
  return Array.from({ length: times }, (_, i) => hex.replaceAll('{i}', (0x1000 + i).toString(16))).join('')
}

/** @param stream the stream of the frame, in place of `new` */
export function frameBytes(making: Making, frame: H2cFrame | H2cUnitFrame, stream = frame.stream): Buffer {
  const id = stream === 'new' ? 1 : stream
  const own = uint32(id).toString('hex')
  const parts = [
    Buffer.from(frame.before ?? '', 'hex'),
    frame.block === undefined ? Buffer.alloc(0) : blockBytes(making, frame.block),
    Buffer.from(repeated((frame.hex ?? '').replaceAll('{stream}', own), frame.times ?? 1), 'hex')
  ]
  let payload = Buffer.concat(parts)
  if (frame.overlong === true)
    payload = Buffer.concat([payload, Buffer.alloc(Math.max(0, making.most + 1 - payload.length), 0x61)])
  return encodeFrame({
    type: typeof frame.type === 'number' ? frame.type : FRAME[frame.type],
    flags: frame.flags,
    stream: id,
    payload,
    ...(frame.reserved === undefined ? {} : { reserved: frame.reserved })
  })
}

/** The method that a stream begins with. */
export const methodOf = (block: H2cBlock | undefined, asEcho = false): 'GET' | 'POST' =>
  block?.of === 'post' || asEcho ? 'POST' : 'GET'

/** What frames ask on each stream: the fields of its first block. A block that is none, and all behind it, is left out. */
export function askedIn(bytes: Buffer): Map<number, Field[]> {
  const asked = new Map<number, Field[]>()
  const decoder = new HpackDecoder()
  let block: Buffer[] = []
  try {
    for (const frame of new FrameReader().push(bytes)) {
      if (frame.type === FRAME.HEADERS) block = [unpadded(frame) ?? Buffer.alloc(0)]
      else if (frame.type === FRAME.CONTINUATION) block.push(frame.payload)
      else continue
      if (!(frame.flags & FLAG.END_HEADERS)) continue
      const fields = decoder.decode(Buffer.concat(block))
      if (!asked.has(frame.stream)) asked.set(frame.stream, fields)
    }
  } catch (error) {
    if (!(error instanceof HpackError)) throw error
  }
  return asked
}
