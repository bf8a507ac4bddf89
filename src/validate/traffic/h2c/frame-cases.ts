/** The frame cases of the catalogue as bytes and as trials. */
import type { RandomStream } from '../../../kit/random.ts'
import { HpackEncoder, type Field } from '../../../wire/hpack.ts'
import { encodeFrame, FLAG, FRAME, PREFACE, readSettings, settingsFrame } from '../../../wire/http2.ts'
import { H2C_FRAME_CASES, type H2cBlock, type H2cFrame, type H2cFrameCase } from '../../catalogue/h2c/index.ts'
import { wait } from '../proof/bench.ts'
import { inapplicable, inconclusive, type Shot, type Trial } from '../proof/trial.ts'
import { getFields, plain, posted, postFields, type Ground } from './ground.ts'
import { judge } from './judge.ts'
import { OUR_SETTINGS, Session } from './session.ts'

/** Longest frame that is sent to go beyond a limit. */
const MOST_OVERLONG = 4 << 20
/** Between the bytes of a case that is sent bytewise, ms. */
const DRIP_MS = 2

/** Fields of a block. A lenient GET is a POST to the echo, which tells what the handler saw. */
function fieldsOf(ground: Ground, block: H2cBlock, asEcho: boolean): Field[] {
  const { drop = [], first = [], add = [], twice = [], late = [] } = block
  if (block.of === 'none') return [...first, ...add]
  const base = block.of === 'post' || asEcho ? postFields(ground) : getFields(ground)
  const again = (names: readonly string[]): Field[] => base.filter(([name]) => names.includes(name))
  const kept = base.filter(([name]) => !drop.includes(name))
  const pseudo = kept.filter(([name]) => name.startsWith(':'))
  const plain = kept.filter(([name]) => !name.startsWith(':'))
  return [...first, ...pseudo, ...again(twice), ...plain, ...add, ...again(late)]
}

function blockBytes(ground: Ground, block: H2cBlock, asEcho: boolean): Buffer {
  const bytes = Buffer.concat([
    Buffer.from(block.head ?? '', 'hex'),
    new HpackEncoder().encode(fieldsOf(ground, block, asEcho)),
    Buffer.from(block.hex ?? '', 'hex')
  ])
  const [from = 0, to] = block.slice ?? []
  return bytes.subarray(from, to)
}

/** Bytes of a frame of a case. @param most the server's SETTINGS_MAX_FRAME_SIZE */
export function frameBytes(ground: Ground, frame: H2cFrame, most: number, asEcho = false): Buffer {
  const parts = [
    Buffer.from(frame.before ?? '', 'hex'),
    frame.block === undefined ? Buffer.alloc(0) : blockBytes(ground, frame.block, asEcho),
    Buffer.from(frame.hex ?? '', 'hex')
  ]
  let payload = Buffer.concat(parts)
  if (frame.overlong === true)
    payload = Buffer.concat([payload, Buffer.alloc(Math.max(0, most + 1 - payload.length), 0x61)])
  return encodeFrame({
    type: typeof frame.type === 'number' ? frame.type : FRAME[frame.type],
    flags: frame.flags,
    stream: frame.stream,
    payload,
    ...(frame.reserved === undefined ? {} : { reserved: frame.reserved })
  })
}

export function frameTrials(ground: Ground, random: RandomStream): Trial[] {
  return H2C_FRAME_CASES.map((spec) => ({
    id: spec.id,
    group: spec.group,
    twin: () =>
      spec.needs === 'body' && ground.post !== undefined
        ? posted(ground, Buffer.from(random.hex(12)))
        : plain(ground),
    shoot: () => shoot(ground, spec)
  }))
}

async function shoot(ground: Ground, spec: H2cFrameCase): Promise<Shot> {
  const { bench } = ground
  if (spec.needs === 'body' && ground.post === undefined) return { verdict: inapplicable(ground.noBody) }
  const asEcho = spec.lenient && ground.post?.echo === true
  const alone = spec.bytewise || spec.bare || spec.expect === 'preface'
  const session = alone ? new Session(bench, await bench.connect()) : await Session.open(bench)
  if (typeof session === 'string') return { verdict: inconclusive(session) }
  const { transcript } = session.connection
  try {
    const most = session.inbound.peer.frame
    const longest = spec.frames.some(({ overlong }) => overlong === true) ? most + 1 : 0
    if (longest > MOST_OVERLONG)
      return { verdict: inapplicable(`the server takes frames of ${most} bytes`), transcript }
    for (const { stream, block } of spec.frames)
      if (stream > 0) session.expect(stream, block?.of === 'post' || asEcho ? 'POST' : 'GET')
    for (const { type, flags, hex } of spec.frames) {
      if (type === 'SETTINGS' && (flags & FLAG.ACK) === 0)
        session.inbound.offer(Object.fromEntries(readSettings(Buffer.from(hex ?? '', 'hex'))))
    }
    const frames = Buffer.concat(spec.frames.map((frame) => frameBytes(ground, frame, most, asEcho)))
    const bytes = alone ? Buffer.concat([opening(session, spec), frames]) : frames
    const before = session.connection.bytesAccepted
    const sent = spec.bytewise ? await dripped(session, bytes) : await session.write(bytes)
    if (!sent && session.connection.bytesAccepted === before && session.open)
      return { verdict: inconclusive('the frames were not taken by this machine'), transcript }
    return { verdict: await judge(ground, spec, session, endsStream(spec)), transcript }
  } finally {
    session.destroy()
  }
}

/** A byte at a time; the pause keeps the kernel from joining them. */
async function dripped(session: Session, bytes: Buffer): Promise<boolean> {
  for (const byte of bytes) {
    if (!(await session.write(Buffer.from([byte])))) return false
    await wait(DRIP_MS)
  }
  return true
}

/** Preface, and SETTINGS where the case has them. */
function opening(session: Session, spec: H2cFrameCase): Buffer {
  if (spec.bare) return PREFACE
  const preface = Buffer.from(PREFACE)
  if (spec.expect === 'preface') preface.write('XX', preface.indexOf('SM'), 'latin1')
  session.inbound.offer(OUR_SETTINGS)
  return Buffer.concat([preface, settingsFrame(OUR_SETTINGS)])
}

/** The frames themselves end the request on stream 1. */
function endsStream(spec: H2cFrameCase): boolean {
  return spec.frames.some(
    ({ type, flags, stream }) =>
      (type === 'HEADERS' || type === 'DATA') && stream === 1 && (flags & FLAG.END_STREAM) !== 0
  )
}
