/** permessage-deflate (RFC 7692): messages that stand on each other, and messages that are small on the wire only. */
import { constants, deflateRawSync } from 'node:zlib'
import type { RandomStream } from '../../../kit/random.ts'
import { encodeFrame } from '../../../wire/websocket.ts'
import { wsCases, type WsBombCase, type WsDependentCase } from '../../catalogue/ws/index.ts'
import { inapplicable, inconclusive, KEPT, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import { growth, residentOf } from './pour.ts'
import { deflateTwin, twin, type Route } from './route.ts'
import { Session, told } from './session.ts'
import { tellerOf, type Tell } from './tell.ts'

type NotOpened = Exclude<Awaited<ReturnType<typeof Session.open>>, Session>

const MIB = 1 << 20
const SERVER_ERROR = 500
/** RSV1 of a compressed message. */
const COMPRESSED = 4
/** How long a process is looked at while it inflates, ms. */
const LOOK_MS = 500
/** Time more for the work on many mebibytes, ms. */
const INFLATE_MS = 6000
/** Answers up to this size are read and compared, MiB. */
const READ_MIB = 1

export function dependentTrials(route: Route, random: RandomStream): Trial[] {
  return wsCases('dependent').map((spec) =>
    trialOf(route, spec, random, (session) => dependent(session, spec, random, tellerOf(spec)))
  )
}

/** Each must have the machine for itself. */
export function bombTrials(route: Route, random: RandomStream): Trial[] {
  return wsCases('bomb').map((spec) =>
    trialOf(route, spec, random, (session) => bomb(session, spec, tellerOf(spec)))
  )
}

function trialOf(
  route: Route,
  spec: WsDependentCase | WsBombCase,
  random: RandomStream,
  play: (session: Session) => Promise<Verdict>
): Trial {
  const { bench, path, noEcho, noDeflate } = route
  const { id, group, offer } = spec
  return {
    id,
    group,
    twin: () => (noDeflate === undefined ? deflateTwin(route, random) : twin(route, random)),
    shoot: async (): Promise<Shot> => {
      const not = noEcho ?? noDeflate
      if (not !== undefined) return { verdict: inapplicable(not) }
      const session = await Session.open(bench, path, random, { offer })
      if (!(session instanceof Session)) return { verdict: notOpened(spec, session) }
      try {
        const verdict =
          session.deflate === undefined
            ? inapplicable(`the offer "${offer}" was declined`)
            : await play(session)
        return { verdict, transcript: session.connection.transcript }
      } finally {
        session.destroy()
      }
    }
  }
}

/** A valid offer may be declined, by a 101 without it; what else came? */
function notOpened(spec: WsDependentCase | WsBombCase, failed: NotOpened): Verdict {
  const proof = true
  const tell = tellerOf(spec)
  if (spec.play === 'bomb') return inconclusive(told(failed))
  if (failed.kind === 'failed' && failed.how === 'other')
    return tell('wrong 101', `${spec.title}: ${failed.what}`, { proof })
  if (failed.kind === 'failed') return inconclusive(told(failed))
  if (failed.response.status === SERVER_ERROR)
    return tell('server error', `${spec.title}: the valid offer was answered with 500`, { proof })
  return inapplicable(`the offer "${spec.offer}" was refused: ${told(failed)}`)
}

async function dependent(
  session: Session,
  spec: WsDependentCase,
  random: RandomStream,
  tell: Tell
): Promise<Verdict> {
  const { bench, connection } = session
  const deflate = session.deflate!
  const shared = random.hex(spec.sharedBytes)
  const texts = Array.from({ length: spec.messages }, () => {
    const own = random.hex(spec.repeatedBytes)
    return Buffer.from(shared + own + own + shared)
  })
  const bytes = texts.map((text) =>
    session.encodeMessage(1, deflate.compress(text, spec.context), undefined, COMPRESSED)
  )
  // One after the other, as the context of the server grows with its answers.
  for (const piece of bytes) if (!(await bench.write(connection, piece))) break
  await session.until(() => session.messages.length >= texts.length || session.close !== undefined)
  const got = session.messages
  if (session.broken !== undefined) {
    const what = `${spec.title}: message ${got.length + 1} of the server`
    return session.brokenBy === 'deflate'
      ? tell('wrong window', `${what} does not inflate as was agreed: ${session.broken}`, { proof: true })
      : tell('server framing', `${what} is no WebSocket frame: ${session.broken}`, { proof: true })
  }
  const wrong = got.findIndex(({ op, payload }, i) => op !== 1 || texts[i]?.equals(payload) !== true)
  if (wrong >= 0)
    return tell('changed', `${spec.title}: message ${wrong + 1} came back changed`, { proof: true })
  if (got.length === texts.length) return KEPT
  const { close } = session
  if (close !== undefined || connection.state !== 'open')
    return tell(
      'refused',
      `${spec.title}: the server closed the connection (${close?.code ?? connection.state}) in place of message ${got.length + 1}`,
      { proof: close !== undefined }
    )
  return tell('missing', `${spec.title}: message ${got.length + 1} did not come back`)
}

/** A mebibyte of zeros as a block that needs none before it, so that any number of them is a stream. */
function zeros(): Buffer {
  return deflateRawSync(Buffer.alloc(MIB), { finishFlush: constants.Z_SYNC_FLUSH })
}

async function bomb(session: Session, spec: WsBombCase, tell: Tell): Promise<Verdict> {
  const { bench, connection } = session
  const level = await residentOf(bench)
  if (level === undefined)
    return inapplicable('the process of the server is not known, so nothing may be inflated in it')
  const block = zeros()
  const whole = spec.announcedMiB === spec.sentMiB
  const payload = Buffer.concat(Array.from({ length: spec.sentMiB }, () => block))
  // The tail of the last block is taken off.
  const sent = whole ? payload.subarray(0, -4) : payload
  const frame = { fin: true, rsv: COMPRESSED, opcode: 2, payload: sent, mask: Buffer.alloc(4) }
  const announced = Buffer.alloc(9)
  announced[0] = 127
  announced.writeBigUInt64BE(BigInt(block.length * spec.announcedMiB - 4), 1)
  await bench.write(connection, encodeFrame(whole ? frame : { ...frame, lengthField: announced }))
  if (!whole) {
    const grown = await growth(bench, level, LOOK_MS, () => connection.state !== 'open')
    if (spec.budgetMiB !== undefined && grown > spec.budgetMiB)
      bench.context.note(
        `${spec.id}: the process grew by ${grown} MiB for ${sent.length} bytes of a message that is not whole`
      )
    connection.reset()
    await inflated(session)
    return KEPT
  }
  if (spec.sentMiB > READ_MIB) return expanded(session, spec, sent.length, tell)
  await session.until(() => session.messages.length > 0 || session.close !== undefined)
  const message = session.messages[0]
  if (session.broken !== undefined)
    return tell('server framing', `${spec.title}: ${session.broken}`, { proof: true })
  if (message === undefined) return silent(session, spec, tell)
  const equal = message.payload.length === spec.sentMiB * MIB && message.payload.every((byte) => byte === 0)
  return equal ? KEPT : tell('changed', `${spec.title} came back changed`, { proof: true })
}

function silent({ bench, close, connection }: Session, { title }: WsBombCase, tell: Tell): Verdict {
  if (close !== undefined || connection.state !== 'open') return KEPT
  return tell('missing', `${title}: neither the message nor a Close came within ${bench.patienceMs} ms`)
}

/** So many mebibytes take their time, in which a server of one thread serves nobody: only what lasts is an outage. */
async function inflated({ bench }: Session): Promise<void> {
  const end = performance.now() + INFLATE_MS
  while (performance.now() < end && !bench.aborted) if ((await bench.control()) === undefined) return
}

/** The begin of an answer shows that all was inflated; more of it would be in our memory too. */
async function expanded(session: Session, spec: WsBombCase, bytes: number, tell: Tell): Promise<Verdict> {
  const { bench, connection } = session
  const first = await connection.waitFor(
    (received) => (received.length > 0 ? received[0]! & 15 : undefined),
    bench.patienceMs + INFLATE_MS
  )
  connection.reset()
  await inflated(session)
  if (first === undefined) return silent(session, spec, tell)
  if (first !== 2) return KEPT
  return tell('expanded', `${spec.title} was inflated and answered: ${bytes} bytes were sent`, {
    proof: true,
    evidence: { sent_bytes: bytes, inflated_mib: spec.sentMiB }
  })
}
