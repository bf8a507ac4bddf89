/** Prior knowledge on ports of every kind: the preface where it fits, and where it does not (RFC 9113 3.3, 3.4). */
import { HpackEncoder } from '../../../wire/hpack.ts'
import { parseResponses } from '../../../wire/http1.ts'
import { errorName, headerFrames, PREFACE, settingsFrame } from '../../../wire/http2.ts'
import type { Connection } from '../../../wire/tcp.ts'
import { H2C_PRIOR_CASES, type H2cPriorCase } from '../../catalogue/h2c/index.ts'
import { wait, type Bench } from '../proof/bench.ts'
import { inapplicable, inconclusive, KEPT, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import { getFields, wrongAnswer, type Ground } from './ground.ts'
import { Session } from './session.ts'
import { serverSides } from './sockets.ts'
import { convicted } from './told.ts'

/** Between the two segments of a cut, at least, ms. */
const CUT_MS = 50
/** How long the first of them is waited for to be read, ms. */
const UNREAD_MS = 1500
/** After a pong, how long an error may still be on its way, ms. */
const LATE_MS = 400
const PROBE = Buffer.from('is alive')

export interface PriorGround {
  bench: Bench
  /** Known where the port speaks HTTP/2 with prior knowledge. */
  prior: Ground | undefined
  /** The port speaks HTTP/1.1. */
  http1: boolean
}

/** Why the case cannot be judged on this port. */
function missing({ prior, http1 }: PriorGround, { needs }: H2cPriorCase): string | undefined {
  if (needs.startsWith('http1') && !http1) return 'the port speaks no HTTP/1.1'
  if (needs.startsWith('http2') && prior === undefined)
    return 'the server does not speak HTTP/2 with prior knowledge'
  if (needs === 'http1-only' && prior !== undefined) return 'the port speaks HTTP/2, too'
  if (needs === 'http2-only' && http1) return 'the port speaks HTTP/1.1, too'
  return undefined
}

export function priorTrials(ground: PriorGround): Trial[] {
  const { bench } = ground
  return H2C_PRIOR_CASES.map((spec) => {
    const reason = missing(ground, spec)
    return {
      id: spec.id,
      group: spec.group,
      twin: () => (reason === undefined ? bench.control() : Promise.resolve(undefined)),
      shoot: async () => {
        if (reason !== undefined) return { verdict: inapplicable(reason) }
        if (spec.cuts !== undefined) return cuts(ground.prior!, spec, spec.cuts)
        return spec.expect === 'connection' ? ends(ground, spec) : answersOf(ground, spec)
      }
    }
  })
}

function bytesOf({ bench, prior }: PriorGround, text: string): Buffer {
  const parts: Readonly<Record<string, () => Buffer>> = {
    preface: () => PREFACE,
    settings: () => settingsFrame(),
    request: () => {
      const authority = bench.context.target.authority
      const get = { path: prior?.get.path ?? bench.path, status: 0, body: undefined }
      return headerFrames(1, new HpackEncoder().encode(getFields({ authority, get })), { endStream: true })
    },
    http1: () => bench.get(bench.path)
  }
  return Buffer.concat(
    text
      .split(/(\{\w+\})/)
      .map((part) => parts[/^\{(\w+)\}$/.exec(part)?.[1] ?? '']?.() ?? Buffer.from(part, 'latin1'))
  )
}

/** A request behind a preface that comes in two segments; each place of the cut on a connection of its own. */
async function cuts(ground: Ground, spec: H2cPriorCase, most: number): Promise<Shot> {
  const { bench } = ground
  const bytes = bytesOf({ bench, prior: ground, http1: true }, spec.sends[0]!)
  const sessions: Session[] = []
  try {
    for (let at = 1; at <= most; at++) {
      const session = new Session(bench, await bench.connect())
      sessions.push(session)
      session.inbound.offer({})
      session.expect(1, 'GET', getFields(ground))
      // Nothing is read between: an acknowledgement of ours would come before our own SETTINGS.
      await bench.write(session.connection, bytes.subarray(0, at))
    }
    await areRead(bench, sessions)
    const shots = await Promise.all(
      sessions.map(async (session, i): Promise<Shot> => {
        const { transcript } = session.connection
        const sent = await bench.write(session.connection, bytes.subarray(i + 1))
        const stream = session.inbound.streams.get(1)!
        await session.settle([stream])
        const wrong = session.fault?.title ?? wrongAnswer(ground, session, stream)
        if (wrong === undefined) return { verdict: KEPT, transcript }
        if (/\b(429|503)\b/.test(wrong)) return { verdict: inconclusive(wrong), transcript }
        const told = `cut after ${i + 1} bytes, ${sent ? wrong : 'the connection is closed'}`
        return { verdict: convicted(spec, 'refused', told), transcript }
      })
    )
    return shots.find(({ verdict }) => verdict.kind === 'broken') ?? shots.find(notKept) ?? shots[0]!
  } finally {
    for (const session of sessions) session.destroy()
  }
}

/** Waits until the server has read what was sent, where that can be seen; a busy one would read both parts as one. */
async function areRead({ context }: Bench, sessions: readonly Session[]): Promise<void> {
  await wait(CUT_MS)
  const ports = new Set(sessions.map(({ connection }) => connection.localPort))
  const end = performance.now() + UNREAD_MS
  while (performance.now() < end) {
    const sides = await serverSides(context.target.port, ports)
    if (![...sides.values()].some(({ unread }) => unread > 0)) return
    await wait(CUT_MS)
  }
}

const notKept = ({ verdict }: Shot): boolean => verdict.kind !== 'kept'

/** Garbage behind the preface: the connection must end. */
async function ends(ground: PriorGround, spec: H2cPriorCase): Promise<Shot> {
  const { bench } = ground
  const session = new Session(bench, await bench.connect())
  const { transcript } = session.connection
  session.inbound.offer({})
  session.expect(1, 'GET')
  try {
    if (!(await session.write(bytesOf(ground, spec.sends[0]!))))
      return { verdict: inconclusive('closed before all was sent'), transcript }
    return { verdict: await ended(session, spec), transcript }
  } finally {
    session.destroy()
  }
}

async function ended(session: Session, spec: H2cPriorCase): Promise<Verdict> {
  const { inbound } = session
  const ending = (): boolean => session.over || inbound.goaway !== undefined
  await session.until(ending, LATE_MS)
  if (!ending()) {
    session.ping(PROBE)
    const ponged = (): boolean => inbound.pongs.includes(PROBE.toString('hex'))
    await session.until(() => ending() || ponged())
    if (!ending() && ponged()) return convicted(spec, 'accepted')
    if (!ending()) {
      const { frame } = inbound.peer
      if (frame >= (spec.announces ?? Infinity))
        return inapplicable(`the server takes frames of ${frame} bytes`)
      return convicted(spec, 'silence', `(waited ${Math.round(session.bench.patienceMs)} ms)`)
    }
  }
  session.bench.context.tally.add('h2c_well_rejected')
  await session.until(() => !session.open)
  if (!session.open || session.http1 !== undefined) return KEPT
  const told = inbound.goaway === undefined ? '' : errorName(inbound.goaway.code)
  return convicted(spec, 'open', told, { standard: 'RFC 9113 5.4.1' })
}

/** An answer of any kind, or the end of the connection, is due after each message. */
async function answersOf(ground: PriorGround, spec: H2cPriorCase): Promise<Shot> {
  const { bench } = ground
  const connection = await bench.connect()
  const { transcript } = connection
  try {
    for (const [i, text] of spec.sends.entries()) {
      const from = connection.bytesReceived
      if (!(await bench.write(connection, bytesOf(ground, text)))) {
        const told =
          i === 0 ? 'closed before it was sent' : 'the connection did not outlive the request before'
        return { verdict: inconclusive(told), transcript }
      }
      const last = i === spec.sends.length - 1
      if (!last) {
        const first = await bench.responses(connection, ['GET'])
        if (first.responses[0] === undefined)
          return { verdict: inconclusive('the request before got no answer'), transcript }
        connection.consume(connection.received.length - first.rest.length)
        if (connection.state !== 'open')
          return { verdict: inapplicable('the connection is not kept after a request'), transcript }
        continue
      }
      const came = await connection.waitFor(
        (_, state) => (connection.bytesReceived > from || state !== 'open' ? true : undefined),
        bench.patienceMs
      )
      if (came !== true)
        return {
          verdict: convicted(spec, 'silence', `(waited ${Math.round(bench.patienceMs)} ms)`),
          transcript
        }
    }
    return { verdict: spec.expect === 'any' ? KEPT : await turnedAway(ground, spec, connection), transcript }
  } finally {
    connection.destroy()
  }
}

/** The first answer must be a refusal; frames are one, too. */
async function turnedAway(
  { bench }: PriorGround,
  spec: H2cPriorCase,
  connection: Connection
): Promise<Verdict> {
  await connection.waitClose(Math.min(LATE_MS, bench.patienceMs))
  const { responses } = parseResponses(connection.received, ['GET'], connection.state !== 'open')
  const status = responses[0]?.status
  if (status === undefined || status < 200 || status >= 300) return KEPT
  return convicted(spec, 'accepted', `status ${status}`, { proof: true })
}
