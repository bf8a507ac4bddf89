/** The floods that are programs: windows that open byte by byte, and many connections that go, or stay, in error. */
import { HpackEncoder } from '../../../wire/hpack.ts'
import { encodeFrame, FLAG, FRAME, headerFrames, SETTING, windowUpdate } from '../../../wire/http2.ts'
import { H2C_FRAME_CASES, type H2cFrameCase, type H2cPlayedFlood } from '../../catalogue/h2c/index.ts'
import { wait } from '../proof/bench.ts'
import { inLanes } from '../proof/lanes.ts'
import { inapplicable, inconclusive, KEPT, passing, type Shot } from '../proof/trial.ts'
import { frameBytes, methodOf } from './frames.ts'
import { getFields, postFields, toldStream, type Ground } from './ground.ts'
import { reactionOf } from './flood.ts'
import { Session } from './session.ts'
import { serverSides } from './sockets.ts'
import { convicted } from './told.ts'

export interface Played {
  shot: Shot
  /** What it came to, for people who compare servers. */
  what?: string
}

/** Looks whether others are served; called while the connections of the flood are still open. */
type Look = () => Promise<void>

export const PLAYED: Readonly<
  Record<string, (ground: Ground, spec: H2cPlayedFlood, look: Look) => Promise<Played>>
> = {
  'fl-slow-window': slowWindow,
  'fl-cont-rst': resetInBlock,
  'fl-ce-then-idle': errorsThenIdle
}

const POLL_MS = 150
/** Cases that a title names. */
const MOST_NAMED = 5
/** How long a connection error may be on its way, ms. */
const LATE_MS = 600
/** Longest time of the many connections, ms. */
const MOST_MS = 1500
/** Connections that are opened beside each other. */
const BESIDE = 8
const CLOSED_WINDOW = { settings: { [SETTING.INITIAL_WINDOW_SIZE]: 0 }, refill: false }

/** Figures of a case, by name. */
function figures<N extends string[]>({ numbers }: H2cPlayedFlood, ...names: N): { [K in keyof N]: number } {
  return names.map((name) => numbers[name]!) as { [K in keyof N]: number }
}

const unjudged = (reason: string): Played => ({ shot: { verdict: inapplicable(reason) } })

/** The twin: one stream whose window is opened wholly. */
async function opensWholly(ground: Ground): Promise<string | undefined> {
  const session = await Session.open(ground.bench, CLOSED_WINDOW)
  if (typeof session === 'string') return session
  try {
    const stream = session.request(getFields(ground))
    session.grant(stream.id, 1 << 30)
    await session.settle([stream])
    return stream.answered ? undefined : toldStream(session, stream)
  } finally {
    session.destroy()
  }
}

async function slowWindow(ground: Ground, spec: H2cPlayedFlood, look: Look): Promise<Played> {
  const refused = await opensWholly(ground)
  if (refused !== undefined) return unjudged(`a window that opens wholly is not used: ${refused}`)
  const session = await Session.open(ground.bench, CLOSED_WINDOW)
  if (typeof session === 'string') return { shot: { verdict: inconclusive(session) } }
  const { transcript } = session.connection
  const [most, body, grants, everyMs] = figures(spec, 'streams', 'body', 'grants', 'everyMs')
  try {
    const count = Math.min(most, session.inbound.peer.streams)
    const streams = Array.from({ length: count }, () =>
      ground.post === undefined
        ? session.request(getFields(ground))
        : session.request(postFields(ground), { body: Buffer.alloc(body, 0x61) })
    )
    for (let i = 0; i < grants && !session.over; i++) {
      const open = streams.filter((stream) => !session.settled(stream))
      for (const stream of open) stream.granted += 1
      if (!(await session.write(...open.map(({ id }) => windowUpdate(id, 1))))) break
      await session.until(() => session.over, everyMs)
    }
    await look()
    if (session.fault !== undefined) {
      const { standard, symptom, title } = session.fault
      const verdict = convicted(spec, 'framing', title, { standard, symptom, proof: true })
      return { shot: { verdict, transcript } }
    }
    return { shot: { verdict: KEPT, transcript }, what: `${count} streams (${reactionOf(session)})` }
  } finally {
    session.destroy()
  }
}

async function resetInBlock(ground: Ground, spec: H2cPlayedFlood, look: Look): Promise<Played> {
  const block = new HpackEncoder().encode(getFields(ground))
  const whole = await Session.open(ground.bench)
  if (typeof whole === 'string') return { shot: { verdict: inconclusive(whole) } }
  const stream = whole.expect(1, 'GET', getFields(ground))
  void whole.write(headerFrames(1, block, { endStream: true }))
  await whole.settle([stream])
  whole.destroy()
  if (!stream.answered) return unjudged(`the block with its end is not served: ${toldStream(whole, stream)}`)
  const open = encodeFrame({ type: FRAME.HEADERS, flags: FLAG.END_STREAM, stream: 1, payload: block })
  const [connections, beside] = figures(spec, 'connections', 'beside')
  const end = performance.now() + MOST_MS
  let gone = 0
  await inLanes(Array.from({ length: connections }), beside, async () => {
    if (performance.now() > end || ground.bench.ended() !== undefined) return
    const session = await Session.open(ground.bench).catch(passing)
    if (typeof session !== 'object') return
    await session.write(open)
    await wait(0)
    session.connection.reset()
    gone += 1
  })
  ground.bench.context.tally.add('h2c_intentional_rst', gone)
  await look()
  const verdict = gone > 0 ? KEPT : inconclusive('no connection was to be had')
  return { shot: { verdict }, what: `${gone} connections` }
}

/** One client in error: what it was about, and its connection, which we keep open. */
interface Errant {
  spec: H2cFrameCase
  session: Session
}

async function errant(ground: Ground, spec: H2cFrameCase): Promise<Errant | undefined> {
  const session = await Session.open(ground.bench).catch(passing)
  if (typeof session !== 'object') return undefined
  const making = { ground, most: session.inbound.peer.frame }
  for (const { stream, block } of spec.frames) if (stream > 0) session.expect(stream, methodOf(block))
  await session.write(...spec.frames.map((frame) => frameBytes(making, frame)))
  return { spec, session }
}

/** Ports of ours whose server side is still a descriptor of a process. */
async function heldFor(serverPort: number, ports: ReadonlySet<number>): Promise<Set<number>> {
  const sides = await serverSides(serverPort, ports)
  return new Set([...sides].flatMap(([port, { held }]) => (held ? [port] : [])))
}

async function errorsThenIdle(ground: Ground, spec: H2cPlayedFlood, look: Look): Promise<Played> {
  const { bench } = ground
  const { port } = bench.context.target
  const living = await Session.open(bench)
  if (typeof living === 'string') return { shot: { verdict: inconclusive(living) } }
  const errants: Errant[] = []
  try {
    const seen = await heldFor(port, new Set([living.connection.localPort]))
    if (seen.size === 0)
      return unjudged('the sockets of the server are not in the socket table of this machine')
    const [perCase, patienceMs] = figures(spec, 'perCase', 'patienceMs')
    const cases = H2C_FRAME_CASES.filter(
      ({ expect, needs, bare, frames }) =>
        expect === 'connection' &&
        !bare &&
        !frames.some(({ overlong }) => overlong === true) &&
        (needs === undefined || ground.post !== undefined)
    )
    await inLanes(
      cases.flatMap((one) => Array.from({ length: perCase }, () => one)),
      BESIDE,
      async (one) => {
        const client = await errant(ground, one)
        if (client !== undefined) errants.push(client)
      }
    )
    // Whoever saw no error goes on, and holds with right; whoever ended the connection must not hold it.
    await Promise.all(errants.map(({ session }) => session.until(() => ended(session), LATE_MS)))
    const inError = errants.filter(({ session }) => ended(session))
    if (inError.length === 0) return unjudged('the server makes nothing of it a connection error')
    const end = performance.now() + patienceMs
    // Whoever has sent FIN may linger for what is still on its way from us.
    const unclosed = (list: Errant[]): Errant[] => list.filter(({ session }) => session.open)
    let held = unclosed(inError)
    for (;;) {
      const ports = await heldFor(port, new Set(held.map(({ session }) => session.connection.localPort)))
      held = unclosed(held).filter(({ session }) => ports.has(session.connection.localPort))
      if (held.length === 0 || performance.now() >= end || bench.aborted) break
      await wait(POLL_MS)
    }
    await look()
    return judgeHeld(spec, inError, held, perCase)
  } finally {
    living.destroy()
    for (const { session } of errants) session.destroy()
  }
}

/** The server has ended the connection, or said that it does. */
function ended(session: Session): boolean {
  const { goaway } = session.inbound
  return !session.open || (goaway !== undefined && goaway.code !== 0)
}

function judgeHeld(spec: H2cPlayedFlood, inError: Errant[], held: Errant[], perCase: number): Played {
  const what = `${inError.length} connections in error, ${held.length} held`
  const counts = new Map<string, number>()
  for (const { spec: one } of held) counts.set(one.id, (counts.get(one.id) ?? 0) + 1)
  const kept = [...counts].filter(([, count]) => count >= perCase).map(([id]) => id)
  if (kept.length === 0) return { shot: { verdict: KEPT }, what }
  const first = held.find(({ spec: one }) => kept.includes(one.id))!
  const more = kept.length > MOST_NAMED ? ` and ${kept.length - MOST_NAMED} more cases` : ''
  const told = `${held.length} of ${inError.length} connections (${kept.slice(0, MOST_NAMED).join(', ')}${more})`
  const evidence = { held: held.length, connections: inError.length, cases: kept.join(' ') }
  return {
    shot: {
      verdict: convicted(spec, 'leak', told, { evidence, symptom: 'sockets held after a connection error' }),
      transcript: first.session.connection.transcript
    },
    what
  }
}
