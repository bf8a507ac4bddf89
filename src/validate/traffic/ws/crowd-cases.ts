/** Many connections at once: with tokens of their own, silent, and closed together. */
import { readFile } from 'node:fs/promises'
import type { RandomStream } from '../../../kit/random.ts'
import { ConnectFailed } from '../../../wire/tcp.ts'
import type { WsClosesCase, WsCrowdCase, WsIdleCase } from '../../catalogue/ws/index.ts'
import type { Bench } from '../proof/bench.ts'
import { inLanes } from '../proof/lanes.ts'
import type { Holding } from '../proof/holding.ts'
import { inapplicable, inconclusive, KEPT, type Shot } from '../proof/trial.ts'
import { twin, type Route } from './route.ts'
import { Session, told } from './session.ts'
import type { Tell } from './tell.ts'

/** Handshakes beside each other. */
export const OPENING_LANES = 64
/** Share of the clients that must have been served to judge the rest. */
export const ENOUGH = 0.9
/** Descriptors that either side must have for each client. */
const ROOM = 3
const FEWEST = 20
/** Ports that are watched to the end: the kernel gives them to others again. */
const WATCHED = 100
/** A refusal like this tells of limits, not of a fault. */
const LIMITED = /\b(429|503)\b/

interface Crowd {
  sessions: Session[]
  /** Why there are fewer than asked for. */
  refused: string | undefined
}

/** Opens so many, a few beside each other. */
async function gather({ bench, path }: Route, clients: number, random: RandomStream): Promise<Crowd> {
  const sessions: Session[] = []
  let refused: string | undefined
  await inLanes(
    Array.from({ length: clients }, (_, i) => i),
    OPENING_LANES,
    async () => {
      if (bench.aborted || refused !== undefined) return
      try {
        const session = await Session.open(bench, path, random)
        if (session instanceof Session) sessions.push(session)
        else refused = told(session)
      } catch (error) {
        if (!(error instanceof ConnectFailed)) throw error
        refused = `no connection: ${error.code}`
      }
    }
  )
  return { sessions, refused }
}

/** Soft limit of descriptors of a process; undefined where it cannot be read. */
async function descriptorsOf(pid: number | 'self'): Promise<number | undefined> {
  const limits = await readFile(`/proc/${pid}/limits`, 'latin1').catch(() => '')
  const limit = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return limit === undefined ? undefined : Number(limit)
}

/** So many clients as both sides have descriptors for, or few where that is not known: others must not starve for our crowd. */
async function clientsFor(
  bench: Bench,
  spec: { clients: number; unknown?: number | undefined }
): Promise<number> {
  const few = spec.unknown ?? spec.clients
  const census = await bench.context.target.census().catch(() => undefined)
  const pid = census?.pids[0]
  const limits = await Promise.all([
    descriptorsOf('self'),
    pid === undefined ? undefined : descriptorsOf(pid)
  ])
  const room = Math.min(...limits.map((limit) => limit ?? few * ROOM)) - (census?.descriptors ?? 0)
  return Math.min(spec.clients, Math.max(FEWEST, Math.floor(room / ROOM)))
}

function watch(holding: Holding, sessions: readonly Session[]): void {
  for (const { connection } of sessions.slice(0, WATCHED)) holding.gone.add(connection.localPort)
}

/** Others are served beside many that say nothing. */
export async function idle(
  route: Route,
  holding: Holding,
  spec: WsIdleCase,
  random: RandomStream,
  tell: Tell
): Promise<Shot> {
  const { bench } = route
  const clients = await clientsFor(bench, spec)
  const { sessions, refused } = await gather(route, clients, random)
  try {
    watch(holding, sessions)
    const what = `${sessions.length} idle connections`
    const others = (await twin(route, random)) ?? (await bench.control())
    if (others !== undefined && !LIMITED.test(others))
      return { verdict: tell('others not served', `beside ${what} others are not served: ${others}`) }
    if (others !== undefined || sessions.length < clients * ENOUGH)
      return { verdict: inapplicable(`${what} of ${clients}: ${others ?? refused ?? 'stopped'}`) }
    for (const session of sessions.filter((_, i) => i % spec.pinged === 0)) {
      await session.send({ op: 9, text: 'alive' })
      await session.until(() => session.pongs().length > 0 || session.over)
      const { transcript } = session.connection
      // An idle connection may be closed, but not be forgotten.
      if (session.pongs().length === 0 && !session.over)
        return { verdict: tell('no pong', `one of ${what} does not answer a ping`), transcript }
    }
    return { verdict: KEPT }
  } finally {
    for (const session of sessions) session.destroy()
  }
}

export async function closes(
  route: Route,
  holding: Holding,
  spec: WsClosesCase,
  random: RandomStream,
  tell: Tell
): Promise<Shot> {
  const clients = await clientsFor(route.bench, spec)
  const { sessions, refused } = await gather(route, clients, random)
  try {
    if (sessions.length < clients * ENOUGH)
      return {
        verdict: inapplicable(`${sessions.length} of ${clients} connections: ${refused ?? 'stopped'}`)
      }
    watch(holding, sessions)
    const what = `of ${sessions.length} connections that are closed at once`
    await Promise.all(sessions.map((session) => session.send({ op: 8, hex: '03e8' })))
    await Promise.all(
      sessions.map(async (session) => {
        await session.until(() => session.close !== undefined)
        await session.connection.waitClose(route.bench.patienceMs)
      })
    )
    const count = (test: (session: Session) => boolean): Session[] => sessions.filter(test)
    const silent = count(({ close, connection }) => close === undefined && connection.state === 'open')
    const open = count(({ close, connection }) => close !== undefined && connection.state === 'open')
    const bare = count(({ close, connection }) => close === undefined && connection.state !== 'open')
    const shot = (symptom: string, some: Session[], says: string): Shot => ({
      verdict: tell(symptom, `${some.length} ${what} ${says}`),
      transcript: some[0]!.connection.transcript
    })
    if (silent.length > 0) return shot('no close', silent, 'got neither a Close nor the end')
    if (open.length > 0) return shot('open after close', open, 'got a Close and stay open')
    if (bare.length > 0) return shot('no close frame', bare, 'ended without a Close frame')
    return { verdict: KEPT }
  } finally {
    for (const session of sessions) session.destroy()
  }
}

/** Many connections, each with tokens of its own: whoever gets another's token proves cross-talk. */
export async function crowd(
  route: Route,
  spec: WsCrowdCase,
  random: RandomStream,
  tell: Tell
): Promise<Shot> {
  const { noEcho } = route
  if (noEcho !== undefined) return { verdict: inapplicable(noEcho) }
  const { sessions, refused } = await gather(route, spec.clients, random)
  try {
    if (sessions.length < spec.clients / 2) return { verdict: inconclusive(refused ?? 'stopped') }
    const tokens = sessions.map(() => Array.from({ length: spec.messages }, () => random.hex(24)))
    await Promise.all(
      sessions.map((session, i) => session.send(...tokens[i]!.map((text) => ({ op: 1, text }))))
    )
    await Promise.all(
      sessions.map((session) => session.until(() => session.messages.length >= spec.messages))
    )
    const owner = new Map(tokens.flatMap((list, i) => list.map((token) => [token, i] as const)))
    for (const [i, session] of sessions.entries()) {
      const { transcript } = session.connection
      const got = session.messages.map(({ payload }) => payload.toString())
      const foreign = got.find((token) => owner.get(token) !== i)
      const one = `one of ${sessions.length} connections received`
      if (foreign !== undefined) {
        const whose = owner.has(foreign) ? 'a message of another connection' : 'a message that nobody sent'
        return { verdict: tell('cross-talk', `${one} ${whose}`, { proof: true }), transcript }
      }
      if (got.join() !== tokens[i]!.join())
        return {
          verdict: tell('missing', `${one} ${got.length} of its ${spec.messages} messages`),
          transcript
        }
    }
    return { verdict: KEPT }
  } finally {
    for (const session of sessions) session.destroy()
  }
}
