/** The cases of frames and of text as trials. */
import type { RandomStream } from '../../../kit/random.ts'
import { WriteFailed } from '../../../wire/tcp.ts'
import { wsCases, type WsFrameCase, type WsItem, type WsSequencesCase } from '../../catalogue/ws/index.ts'
import { wait } from '../proof/bench.ts'
import { inLanes } from '../proof/lanes.ts'
import { inapplicable, inconclusive, KEPT, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import { judge, judgeFailed } from './judge.ts'
import { growth, pour, residentOf, type Poured } from './pour.ts'
import { deflateTwin, opens, twin, type Route } from './route.ts'
import { Session, told } from './session.ts'
import { tellerOf, type Tell } from './tell.ts'

/** The plainest handshake, message and ping. Where the twin of all others is broken, these are judged on less. */
export const PLAIN: ReadonlySet<string> = new Set(['hs-ctl', 'ctl-text', 'ctl-ping'])
/** The plainest compressed message, which stands on the plain twin. */
const PLAIN_DEFLATE = 'pmd-ctl'

/** Up to so many bytes are sent byte by byte; of more, the header is. */
const BYTEWISE = 300
const HEADER = 14
/** Repeats up to this number are encoded one by one, each with a mask of its own. */
const SINGLY = 2000
/** Frames of a block of more. */
const BLOCK = 5000
const STALLED_MS = 1000
/** How long a process is looked at after it was fed, ms. */
const LOOK_MS = 400
const SEQUENCE_LANES = 8
/** Broken sequences that are enough. */
const ENOUGH = 3
const SHOWN = 48
const CLOSE = 8

/** A flood of frames, which must have the machine for itself. */
export const isFlood = (spec: WsFrameCase): boolean => spec.forMs !== undefined

/** @param flood those that must be alone, or all others */
export function frameTrials(route: Route, random: RandomStream, flood: boolean): Trial[] {
  return wsCases('frames')
    .filter((spec) => isFlood(spec) === flood)
    .map((spec) => frameTrial(route, spec, random))
}

/** One case of frames, of the catalogue or made of one. */
export function frameTrial(route: Route, spec: WsFrameCase, random: RandomStream): Trial {
  return {
    id: spec.id,
    group: spec.group,
    twin: () => {
      if (route.unfit !== undefined && PLAIN.has(spec.id)) return opens(route, random)
      const compressed = spec.offer !== undefined && spec.id !== PLAIN_DEFLATE
      return compressed && route.noDeflate === undefined ? deflateTwin(route, random) : twin(route, random)
    },
    shoot: () => shootFrames(route, spec, random)
  }
}

/** In one segment, then byte by byte: segments have no meaning, so that the verdict must be the same (O9). */
async function shootFrames(route: Route, spec: WsFrameCase, random: RandomStream): Promise<Shot> {
  if (spec.expect.kind === 'echo' && route.noEcho !== undefined)
    return { verdict: inapplicable(route.noEcho) }
  if (spec.offer !== undefined && route.noDeflate !== undefined)
    return { verdict: inapplicable(route.noDeflate) }
  if (isFlood(spec)) return shootFlood(route, spec, random)
  const whole = await shootOnce(route, spec, random, false)
  return whole.verdict.kind === 'kept' && mayBeCut(spec) ? shootOnce(route, spec, random, true) : whole
}

function mayBeCut({ segment, then, frames, expect }: WsFrameCase): boolean {
  const waits = expect.kind === 'any' || (expect.kind === 'fail' && expect.silence === true)
  // Cut behind a Close, the rest meets a socket that is closed already, and the reset may take the server's Close along.
  const behindClose = frames.slice(0, -1).some((item) => 'op' in item && item.op === CLOSE)
  const plain = segment === undefined && then === undefined && !waits && !behindClose
  return plain && !frames.some((item) => 'times' in item)
}

async function shootOnce(
  route: Route,
  spec: WsFrameCase,
  random: RandomStream,
  bytewise: boolean
): Promise<Shot> {
  const { bench, path } = route
  const session = await Session.open(bench, path, random, openWith(spec))
  if (!(session instanceof Session)) return { verdict: inconclusive(told(session)) }
  const { connection } = session
  const { transcript } = connection
  const tell = tellerOf(spec)
  try {
    if (spec.offer !== undefined && session.deflate === undefined)
      return { verdict: inapplicable(`the offer "${spec.offer}" was declined`) }
    const bytes = session.encodeAll(spec.frames)
    const segments = bytewise ? bytesOf(bytes) : cut(bytes, spec.segment ?? bytes.length)
    const before = connection.bytesAccepted
    let sent: boolean
    if (spec.pauseMs === undefined) sent = await bench.write(connection, ...segments)
    else {
      const halfway = wait((segments.length * spec.pauseMs) / 2).then(() => twin(route, random))
      const [left, others] = await Promise.all([slowly(session, segments, spec.pauseMs), halfway])
      if (others !== undefined) return { verdict: hung(tell, spec.title, others), transcript }
      sent = left
    }
    if (!sent && connection.bytesAccepted === before)
      return { verdict: inconclusive('the connection was closed before the frames were sent'), transcript }
    if (spec.then === 'fin') connection.end()
    if (spec.then === 'rst') connection.reset()
    const what = bytewise ? `${spec.title}, sent byte by byte,` : spec.title
    return { verdict: await judge(spec, what, session, tell), transcript }
  } finally {
    session.destroy()
  }
}

const openWith = ({ offer }: { offer?: string | undefined }): { offer?: string } =>
  offer === undefined ? {} : { offer }

export function hung(tell: Tell, title: string, seen: string): Verdict {
  return tell('others not served', `while ${title} is on its way, others are not served: ${seen}`)
}

function cut(bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
  return pieces
}

function bytesOf(bytes: Buffer): Buffer[] {
  if (bytes.length <= BYTEWISE) return cut(bytes, 1)
  const rest = bytes.subarray(HEADER)
  return [...cut(bytes.subarray(0, HEADER), 1), ...cut(rest, Math.ceil(rest.length / 3))]
}

/** False where the peer had closed. */
async function slowly(
  { bench, connection }: Session,
  segments: readonly Buffer[],
  pauseMs: number
): Promise<boolean> {
  try {
    await connection.writeSegments(segments, pauseMs)
    return true
  } catch (error) {
    if (!(error instanceof WriteFailed)) throw error
    bench.context.tally.add('ws_write_fail')
    return false
  }
}

const framesIn = (item: WsItem): number => ('times' in item ? item.times * item.frames.length : 1)

async function shootFlood({ bench, path }: Route, spec: WsFrameCase, random: RandomStream): Promise<Shot> {
  const session = await Session.open(bench, path, random, openWith(spec))
  if (!(session instanceof Session)) return { verdict: inconclusive(told(session)) }
  const { connection } = session
  const { transcript } = connection
  const tell = tellerOf(spec)
  const level = spec.budgetMiB === undefined ? undefined : await residentOf(bench)
  const end = performance.now() + (spec.forMs ?? 0)
  try {
    let left = 0
    let sent = 0
    for (const item of spec.frames) {
      const each = 'times' in item ? item.frames.length : 1
      const times = 'times' in item ? item.times : 1
      const perBlock = Math.min(times, times <= SINGLY ? times : BLOCK)
      const block = session.encodeAll('times' in item ? [{ times: perBlock, frames: item.frames }] : [item])
      const poured = await paced(session, block, Math.ceil(times / perBlock), end)
      left += poured.blocks * perBlock * each
      sent += poured.blocks * block.length
      if (poured.how !== 'all') break
    }
    const all = spec.frames.reduce((sum, item) => sum + framesIn(item), 0)
    const grown = level === undefined ? 0 : await growth(bench, level, LOOK_MS)
    const verdict = await judge(spec, spec.title, session, tell)
    const open = session.close === undefined && connection.state === 'open'
    if (verdict.kind !== 'kept' || !open) return { verdict, transcript }
    if (grown > (spec.budgetMiB ?? Infinity))
      bench.context.note(
        `${spec.id}: the process grew by ${grown} MiB for ${left} frames of ${sent} bytes, and the connection stays open`
      )
    if (left < Math.min(all, spec.atLeast ?? all))
      return {
        verdict: inconclusive(`only ${left} of ${all} frames left within ${spec.forMs ?? 0} ms`),
        transcript
      }
    return { verdict, transcript }
  } finally {
    session.destroy()
  }
}

/**
 * Sends a block so many times, each when the ping behind the one before was answered: the server has read what it was
 * sent, and never more of it in hand than one block, so that a slow one is not blamed for its speed.
 */
async function paced(session: Session, block: Buffer, times: number, end: number): Promise<Poured> {
  for (let blocks = 0; blocks < times; blocks++) {
    const forMs = end - performance.now()
    if (forMs <= 0) return { blocks, how: 'time' }
    const ping = session.encode({ op: 9, text: `b${blocks}` })
    const { how } = await pour(session, Buffer.concat([block, ping]), 1, { forMs, stalledMs: STALLED_MS })
    if (how !== 'all') return { blocks, how }
    const answered = session.pongs().length
    const read = await session.until(
      () => session.pongs().length > answered || session.close !== undefined,
      session.bench.patienceMs
    )
    if (session.close !== undefined || session.connection.state !== 'open') return { blocks, how: 'closed' }
    if (!read) return { blocks, how: 'stalled' }
  }
  return { blocks: times, how: 'all' }
}

export function sequenceTrials(route: Route, random: RandomStream): Trial[] {
  return wsCases('sequences').map((spec) => ({
    id: spec.id,
    group: spec.group,
    twin: () => twin(route, random),
    shoot: () =>
      spec.valid ? shootValid(route, spec, random) : shootInvalid(route, spec, random, tellerOf(spec))
  }))
}

/** A sequence whole, and in fragments of one byte. */
function forms(hex: string): { what: string; size: number; bytes: Buffer }[] {
  const bytes = Buffer.from(hex, 'hex')
  const name = `text of the bytes ${hex.length > SHOWN ? `${hex.slice(0, SHOWN)}...` : hex}`
  const whole = { what: name, size: bytes.length, bytes }
  return bytes.length === 1 ? [whole] : [whole, { what: `${name} in fragments of one byte`, size: 1, bytes }]
}

/** All on one connection; each must come back. */
async function shootValid(
  { bench, path, noEcho }: Route,
  spec: WsSequencesCase,
  random: RandomStream
): Promise<Shot> {
  if (noEcho !== undefined) return { verdict: inapplicable(noEcho) }
  const session = await Session.open(bench, path, random)
  if (!(session instanceof Session)) return { verdict: inconclusive(told(session)) }
  const { connection } = session
  const { transcript } = connection
  const tell = tellerOf(spec)
  const texts = spec.sequences.flatMap(forms)
  try {
    await bench.write(
      connection,
      Buffer.concat(texts.map(({ bytes, size }) => session.encodeMessage(1, bytes, size)))
    )
    await session.until(() => session.messages.length >= texts.length || session.close !== undefined)
    const got = session.messages
    const wrong = texts.findIndex(
      ({ bytes }, i) => got[i] !== undefined && (got[i].op !== 1 || !got[i].payload.equals(bytes))
    )
    const next = texts[wrong >= 0 ? wrong : got.length]
    const shot = (verdict: Verdict): Shot => ({ verdict, transcript })
    if (session.broken !== undefined)
      return shot(
        tell(
          'server framing',
          `after ${spec.title} the server sends bytes that are no WebSocket frames: ${session.broken}`,
          { proof: true }
        )
      )
    if (next === undefined) return shot(KEPT)
    if (wrong >= 0) return shot(tell('changed', `${next.what} came back changed`, { proof: true }))
    if (session.close !== undefined || connection.state !== 'open')
      return shot(
        tell(
          'refused',
          `${next.what} is valid, and the server closed the connection (${session.close?.code ?? connection.state})`,
          { proof: session.close !== undefined }
        )
      )
    return shot(tell('missing', `${next.what} did not come back within ${bench.patienceMs} ms`))
  } finally {
    session.destroy()
  }
}

/** Each on a connection of its own; each must fail it. */
async function shootInvalid(
  { bench, path }: Route,
  spec: WsSequencesCase,
  random: RandomStream,
  tell: Tell
): Promise<Shot> {
  const texts = spec.sequences.flatMap(forms)
  const wrong: Shot[] = []
  let unclear: Shot | undefined
  await inLanes(texts, SEQUENCE_LANES, async ({ what, bytes, size }) => {
    if (wrong.length >= ENOUGH || bench.aborted) return
    const session = await Session.open(bench, path, random)
    if (!(session instanceof Session)) return void (unclear = { verdict: inconclusive(told(session)) })
    const { connection } = session
    const { transcript } = connection
    try {
      if (!(await session.sendMessage(1, bytes, size)))
        unclear = { verdict: inconclusive('the connection was closed before the text was sent'), transcript }
      else {
        const verdict = await judgeFailed(what, session, tell)
        if (verdict.kind === 'broken') wrong.push({ verdict, transcript })
      }
    } finally {
      session.destroy()
    }
  })
  return wrong[0] ?? unclear ?? { verdict: KEPT }
}
