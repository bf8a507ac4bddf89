/** Floods in bounds, and clients that do not read or do not finish. */
import type { RandomStream } from '../../../kit/random.ts'
import {
  wsCases,
  type WsAbortsCase,
  type WsClosesCase,
  type WsCrowdCase,
  type WsFragmentsCase,
  type WsIdleCase,
  type WsPingsCase,
  type WsUnreadCase
} from '../../catalogue/ws/index.ts'
import { encodeFrame } from '../../../wire/websocket.ts'
import { inLanes } from '../proof/lanes.ts'
import type { Holding } from '../proof/holding.ts'
import { inapplicable, inconclusive, KEPT, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import { closes, crowd, ENOUGH, idle, OPENING_LANES } from './crowd-cases.ts'
import { pour, residentOf } from './pour.ts'
import { twin, type Route } from './route.ts'
import { Session, told } from './session.ts'
import { tellerOf, type Tell } from './tell.ts'

const MIB = 1 << 20
/** Longest time that a client that does not read is fed, ms. */
const FEED_MS = 8000
/** How long memory is given to come back after a batch, ms. */
const SETTLE_MS = 150

type Case =
  WsPingsCase | WsFragmentsCase | WsUnreadCase | WsCrowdCase | WsIdleCase | WsClosesCase | WsAbortsCase

/** Short ones, which may run beside others. */
export function floodTrials(route: Route, random: RandomStream): Trial[] {
  return [
    ...wsCases('pings').map((spec) =>
      trialOf(route, spec, random, () =>
        onSession(route, random, (session) => pings(session, spec, tellerOf(spec)))
      )
    ),
    ...wsCases('fragments').map((spec) =>
      trialOf(route, spec, random, () =>
        route.noEcho === undefined
          ? onSession(route, random, (session) => fragments(session, spec, random, tellerOf(spec)))
          : Promise.resolve({ verdict: inapplicable(route.noEcho) })
      )
    ),
    ...wsCases('crowd').map((spec) =>
      trialOf(route, spec, random, () => crowd(route, spec, random, tellerOf(spec)))
    )
  ]
}

/** Long ones, each of which must have the machine for itself. */
export function resourceTrials(route: Route, holding: Holding, random: RandomStream): Trial[] {
  return [
    ...wsCases('idle').map((spec) =>
      trialOf(route, spec, random, () => idle(route, holding, spec, random, tellerOf(spec)))
    ),
    ...wsCases('closes').map((spec) =>
      trialOf(route, spec, random, () => closes(route, holding, spec, random, tellerOf(spec)))
    ),
    ...wsCases('unread').map((spec) =>
      trialOf(route, spec, random, () =>
        onSession(route, random, (session) => unread(route, session, spec, random, tellerOf(spec)))
      )
    ),
    ...wsCases('aborts').map((spec) =>
      trialOf(route, spec, random, () => aborts(route, spec, random, tellerOf(spec)))
    )
  ]
}

function trialOf(route: Route, { id, group }: Case, random: RandomStream, shoot: () => Promise<Shot>): Trial {
  return { id, group, twin: () => twin(route, random), shoot }
}

async function onSession(
  { bench, path }: Route,
  random: RandomStream,
  play: (session: Session) => Promise<Verdict>
): Promise<Shot> {
  const session = await Session.open(bench, path, random)
  if (!(session instanceof Session)) return { verdict: inconclusive(told(session)) }
  try {
    return { verdict: await play(session), transcript: session.connection.transcript }
  } finally {
    session.destroy()
  }
}

async function pings(session: Session, spec: WsPingsCase, tell: Tell): Promise<Verdict> {
  const names = Array.from({ length: spec.pings }, (_, i) => `p${i}`)
  await session.send(...names.map((text) => ({ op: 9, text })))
  const last = names.at(-1)!
  const came = await session.until(
    () => session.pongs().at(-1)?.toString() === last || session.close !== undefined
  )
  const pongs = session.pongs().map(String)
  session.bench.context.tally.add('ws_pongs', pongs.length)
  const order = pongs.map((name) => names.indexOf(name))
  const bad = order.findIndex((n, i) => n < 0 || (i > 0 && n <= order[i - 1]!))
  if (bad >= 0)
    return tell(
      'pong out of turn',
      `among ${names.length} pings, pong ${bad + 1} answers ${pongs[bad]!} out of turn`,
      { proof: true }
    )
  // A bound on pings is the server's right; it must say so and close. Only the most recent ping must be answered (5.5.3).
  if (session.over || came) return KEPT
  return tell('no pong', `the last of ${names.length} pings got no pong (${pongs.length} others did)`)
}

async function fragments(
  session: Session,
  spec: WsFragmentsCase,
  random: RandomStream,
  tell: Tell
): Promise<Verdict> {
  const text = random.hex(spec.fragments)
  await session.sendMessage(1, Buffer.from(text), 1)
  await session.until(() => session.messages.length > 0 || session.close !== undefined)
  const got = session.messages[0]?.payload.toString()
  if (got === text) return KEPT
  const what = `a message in ${text.length} fragments`
  if (got !== undefined)
    return tell('changed', `${what} came back changed (${got.length} bytes)`, { proof: true })
  if (session.over)
    return inapplicable(`the server limits fragments (${session.close?.code ?? session.connection.state})`)
  return tell('missing', `${what} did not come back`)
}

/** Sends to the server and reads nothing of what it owes. */
async function unread(
  route: Route,
  session: Session,
  spec: WsUnreadCase,
  random: RandomStream,
  tell: Tell
): Promise<Verdict> {
  const { bench, connection } = session
  connection.pause()
  const frame = session.encode({ op: spec.op, fill: spec.bytes })
  const perBlock = Math.max(1, Math.floor((64 * 1024) / frame.length))
  const block = Buffer.concat(Array.from({ length: perBlock }, () => frame))
  const times = Math.floor((spec.totalMiB * MIB) / block.length)
  const poured = await pour(session, block, times, {
    forMs: FEED_MS,
    stalledMs: spec.stalledMs,
    // A server that answers others and still takes nothing has stopped to read, and is not only slow.
    meanwhile: () => twin(route, random)
  })
  if (poured.how === 'time')
    return inconclusive(`only ${poured.blocks} of ${times} blocks of 64 KiB left within ${FEED_MS} ms`)
  if (spec.heldMiB === undefined || poured.how !== 'all') return KEPT
  // What comes now, at once, was held for us: nothing more is sent.
  const before = connection.bytesReceived
  connection.resume()
  const held = (): number => (connection.bytesReceived - before) / MIB
  await connection.waitFor((received) => {
    connection.consume(received.length)
    return held() >= spec.heldMiB! ? true : undefined
  }, bench.patienceMs)
  if (held() < spec.heldMiB) return KEPT
  return tell(
    'queued',
    `${spec.title}: the server took all of it, and held more than ${spec.heldMiB} MiB of echoes until they were read`,
    { proof: true, evidence: { sent_mib: spec.totalMiB, held_mib: spec.heldMiB } }
  )
}

/** The begin of a frame: its header, and a part of its payload. */
function begun({ announcedBytes, sentBytes }: WsAbortsCase, random: RandomStream): Buffer {
  const lengthField = Buffer.alloc(9)
  lengthField[0] = 127
  lengthField.writeBigUInt64BE(BigInt(announcedBytes), 1)
  const payload = Buffer.alloc(sentBytes, 0x2a)
  return encodeFrame({ fin: true, rsv: 0, opcode: 2, payload, mask: random.bytes(4), lengthField })
}

/** One client that begins an upload and goes. */
async function abort({ bench, path }: Route, bytes: Buffer, random: RandomStream): Promise<boolean> {
  const session = await Session.open(bench, path, random)
  if (!(session instanceof Session)) return false
  const sent = await bench.write(session.connection, bytes)
  session.connection.reset()
  return sent
}

async function aborts(route: Route, spec: WsAbortsCase, random: RandomStream, tell: Tell): Promise<Shot> {
  const { bench } = route
  const grown: number[] = []
  const bytes = begun(spec, random)
  const least = (spec.clients * spec.sentBytes * spec.share) / MIB
  let level = await residentOf(bench)
  const batch = async (): Promise<boolean> => {
    let done = 0
    await inLanes(
      Array.from({ length: spec.clients }, (_, i) => i),
      OPENING_LANES,
      async () => {
        if (!bench.aborted && (await abort(route, bytes, random))) done += 1
      }
    )
    if (level !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
      const now = (await residentOf(bench)) ?? level
      grown.push(Math.round((now - level) / MIB))
      level = now
    }
    return done >= spec.clients * ENOUGH
  }
  for (let i = 0; i < spec.batches; i++)
    if (!(await batch())) return { verdict: inapplicable('the server closes such uploads, or takes fewer') }
  const grows = (some: number[]): boolean => some.length > 0 && some.every((mib) => mib >= least)
  // The first batch fills pools. What grows is watched longer: memory that is collected late comes back.
  if (!grows(grown.slice(1))) return { verdict: KEPT }
  for (let i = 0; i < spec.confirm; i++) {
    if (!(await batch()) || !grows(grown.slice(-1))) return { verdict: KEPT }
  }
  return {
    verdict: tell(
      'leak',
      `the process grows with every ${spec.clients} uploads that are broken off: +${grown.join(', +')} MiB`,
      { evidence: { grown_mib: grown.join(' '), clients_per_batch: spec.clients } }
    )
  }
}
