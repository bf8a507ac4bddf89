/** The WebSocket route, what is known of it, and the twin of all cases. */
import type { RandomStream } from '../../../kit/random.ts'
import { isGarbled } from '../../oracles/echo.ts'
import type { Bench } from '../proof/bench.ts'
import { Session, told } from './session.ts'

export interface Route {
  bench: Bench
  path: string
  /** Why cases that need the echo cannot be judged. */
  noEcho?: string
  /** Why cases of compression cannot be judged. */
  noDeflate?: string
  /** Why the twin of all cases fails: only the plainest cases can be judged. */
  unfit?: string
}

/** How a twin tells that the server's bytes are no frames. */
export const NO_FRAMES = 'the server sends bytes that are no WebSocket frames'

/** How it tells that the route is an echo, and a bad one. */
export const GARBLED = 'a plain message came back with bytes lost or changed'

/** The offer of the twin of compression: the plainest that lets the server choose. */
export const PLAIN_OFFER = 'permessage-deflate; client_max_window_bits'

/** The twin of all cases: a plain handshake, then a plain message where the route echoes, else a ping. */
export async function twin(route: Route, random: RandomStream): Promise<string | undefined> {
  const session = await Session.open(route.bench, route.path, random)
  if (!(session instanceof Session)) return told(session)
  const text = random.hex(12)
  try {
    // A connection that is only opened shows nothing: a server that hangs up on everything would do as well.
    if (route.noEcho !== undefined) {
      await session.send({ op: 9, text })
      if (await session.until(() => session.pongs().some((payload) => payload.toString() === text)))
        return undefined
      return session.broken === undefined
        ? `a plain ping got no pong (${session.connection.state})`
        : `${NO_FRAMES}: ${session.broken}`
    }
    await session.send({ op: 1, text })
    return await echoed(session, text)
  } finally {
    session.destroy()
  }
}

/** The twin of compression: the example of RFC 7692 7.2.3.1. */
export async function deflateTwin({ bench, path }: Route, random: RandomStream): Promise<string | undefined> {
  const session = await Session.open(bench, path, random, { offer: PLAIN_OFFER })
  if (!(session instanceof Session)) return told(session)
  try {
    if (session.deflate === undefined) return 'the offer of permessage-deflate was declined'
    await session.send({ op: 1, rsv: 4, hex: 'f248cdc9c90700' })
    return await echoed(session, 'Hello')
  } finally {
    session.destroy()
  }
}

async function echoed(session: Session, text: string): Promise<string | undefined> {
  const came = await session.until(() => session.messages.length > 0)
  if (session.broken !== undefined) return `${NO_FRAMES}: ${session.broken}`
  if (!came) return `a plain message got no echo (${session.connection.state})`
  const { payload } = session.messages[0]!
  if (payload.toString() === text) return undefined
  return isGarbled(Buffer.from(text), payload) ? GARBLED : 'a plain message came back changed'
}

/** The handshake alone. */
export async function opens({ bench, path }: Route, random: RandomStream): Promise<string | undefined> {
  const session = await Session.open(bench, path, random)
  if (!(session instanceof Session)) return told(session)
  session.destroy()
  return undefined
}
