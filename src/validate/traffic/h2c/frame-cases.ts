/** The frame cases of the catalogue as trials. */
import { FLAG, PREFACE, readSettings, SETTING, settingsFrame } from '../../../wire/http2.ts'
import type { RandomStream } from '../../../kit/random.ts'
import { H2C_FRAME_CASES, type H2cFrame, type H2cFrameCase } from '../../catalogue/h2c/index.ts'
import { wait } from '../proof/bench.ts'
import { inapplicable, inconclusive, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import { askedIn, frameBytes, methodOf, type Making } from './frames.ts'
import { plain, posted, type Ground } from './ground.ts'
import { judge } from './judge.ts'
import { OUR_SETTINGS, Session } from './session.ts'

/** A body has no better twin than itself: what is wrong with every one is told there. */
const PLAINEST = 'ctl-data'
/** Longest frame that is sent to go beyond a limit. */
const MOST_OVERLONG = 4 << 20
/** Between the bytes of a case that is sent bytewise, ms. */
const DRIP_MS = 2
/** Tells that the frames before were read. */
const PROBE = Buffer.from('was read')

export function frameTrials(ground: Ground, random: RandomStream): Trial[] {
  return H2C_FRAME_CASES.map((spec) => frameTrial(ground, spec, random))
}

/** One case of frames, of the catalogue or made of one. */
export function frameTrial(ground: Ground, spec: H2cFrameCase, random: RandomStream): Trial {
  return {
    id: spec.id,
    group: spec.group,
    twin: () =>
      spec.needs === 'body' && ground.post !== undefined && spec.id !== PLAINEST
        ? posted(ground, Buffer.from(random.hex(12)))
        : plain(ground),
    shoot: async () => {
      if (spec.needs === 'body' && ground.post === undefined) return { verdict: inapplicable(ground.noBody) }
      const refused = await beside(ground, spec)
      return refused === undefined ? shoot(ground, spec) : { verdict: refused }
    }
  }
}

/** The well-formed case beside it: what a server does not take in its right form tells nothing in its wrong form. */
async function beside(ground: Ground, { twin }: H2cFrameCase): Promise<Verdict | undefined> {
  const spec = H2C_FRAME_CASES.find(({ id }) => id === twin)
  if (spec === undefined || (spec.needs === 'body' && ground.post === undefined)) return undefined
  let verdict: Verdict | undefined
  for (let attempt = 0; attempt < 2; attempt++) {
    ;({ verdict } = await shoot(ground, spec))
    if (verdict.kind === 'kept') return undefined
  }
  const told = verdict!.kind === 'broken' ? verdict!.breach.title : 'nothing was learned'
  return verdict!.kind === 'broken' ? inapplicable(`its twin ${spec.id} is not served: ${told}`) : verdict
}

async function shoot(ground: Ground, spec: H2cFrameCase): Promise<Shot> {
  const { bench } = ground
  const asEcho = spec.expect === 'field' && ground.post?.echo === true
  const ours = spec.window === undefined ? {} : { [SETTING.INITIAL_WINDOW_SIZE]: spec.window }
  const alone = spec.bytewise || spec.bare || spec.expect === 'preface'
  const session = alone
    ? new Session(bench, await bench.connect())
    : await Session.open(bench, { settings: ours, refill: spec.window === undefined })
  if (typeof session === 'string') return { verdict: inconclusive(session) }
  const { transcript } = session.connection
  try {
    const making: Making = { ground, asEcho, most: session.inbound.peer.frame }
    const overlong = spec.frames.some((frame) => frame.overlong === true)
    if (overlong && making.most >= MOST_OVERLONG)
      return { verdict: inapplicable(`the server takes frames of ${making.most} bytes`), transcript }
    const asked =
      spec.expect === 'answered'
        ? askedIn(Buffer.concat(spec.frames.map((frame) => frameBytes(making, frame))))
        : undefined
    for (const { stream, block } of spec.frames)
      if (stream > 0) session.expect(stream, methodOf(block, asEcho), asked?.get(stream))
    for (const { type, flags, hex } of spec.frames) {
      if (type === 'SETTINGS' && (flags & FLAG.ACK) === 0)
        session.inbound.offer(Object.fromEntries(readSettings(Buffer.from(hex ?? '', 'hex'))))
    }
    const unsent = await send(session, spec, making, alone ? opening(session, spec) : Buffer.alloc(0))
    // A frame that is too long may be refused by its head, and a valid message by a close within it; what did not
    // leave proves nothing else.
    if (unsent !== undefined && !overlong && spec.expect !== 'answered')
      return { verdict: inconclusive(unsent), transcript }
    return { verdict: await judge(ground, spec, session, endsStream(spec)), transcript }
  } finally {
    session.destroy()
  }
}

/** Sends the frames; what kept one from leaving, if anything did. */
async function send(
  session: Session,
  spec: H2cFrameCase,
  making: Making,
  first: Buffer
): Promise<string | undefined> {
  let held = [first]
  const flush = async (): Promise<boolean> => {
    const bytes = Buffer.concat(held.splice(0))
    return spec.bytewise ? dripped(session, bytes) : session.write(bytes)
  }
  for (const frame of spec.frames) {
    if (frame.after !== undefined && (!(await flush()) || !(await reached(session, frame))))
      return session.open ? 'the frames before were not answered' : 'closed before all frames were sent'
    held = [...held, frameBytes(making, frame)]
  }
  return (await flush()) ? undefined : 'closed before all frames were sent'
}

/** What a frame waits for. */
async function reached(session: Session, { after }: H2cFrame): Promise<boolean> {
  const stream = session.inbound.streams.get(1)
  if (after === 'answer') return session.until(() => stream !== undefined && session.settled(stream))
  session.ping(PROBE)
  return session.until(() => session.inbound.pongs.includes(PROBE.toString('hex')))
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
