/** What the slice knows of the server over HTTP/2 before it judges: the plain request and the one with a body. */
import { describes, fieldValues, readEcho, type Echo } from '../../oracles/echo.ts'
import type { Field } from '../../../wire/hpack.ts'
import { errorName } from '../../../wire/http2.ts'
import type { Bench, Elder } from '../proof/bench.ts'
import type { Stream } from './inbound.ts'
import { Session } from './session.ts'

/** A server that has not answered a request without its body by then waits for it, ms. */
const READS_BODY_MS = 250
const TRIES = 3
/** After so many refusals in a row the patience is divided. */
const REFUSED_IN_A_ROW = 12
const HASTE = 4

export interface Taker {
  path: string
  status: number
  type: string | undefined
  /** The answer describes the request, its body too. */
  echo: boolean
}

export interface Ground {
  bench: Bench
  authority: string
  /** Status and body of the plain request; the body only where two answers were equal. */
  get: { path: string; status: number; body: Buffer | undefined }
  /** The route that takes a body; absent with the reason in `noBody`. */
  post?: Taker
  noBody: string
  /** Plain requests in a row that were not answered. */
  refused: number
}

/** What requests are made of. */
export type Requests = Pick<Ground, 'authority' | 'get' | 'post'>

export function getFields(ground: Pick<Requests, 'authority' | 'get'>, path = ground.get.path): Field[] {
  return [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', ground.authority],
    [':path', path]
  ]
}

/** Without a route that takes a body the plain one is named, for cases that never get so far as to be routed. */
export function postFields(ground: Requests, taker = ground.post): Field[] {
  const fields: Field[] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', ground.authority],
    [':path', taker?.path ?? ground.get.path]
  ]
  return taker?.type === undefined ? fields : [...fields, ['content-type', taker.type]]
}

/** How a stream ended, in words. */
export function toldStream(session: Session, stream: Stream): string {
  if (session.fault !== undefined) return session.fault.title
  if (stream.reset !== undefined) return `RST_STREAM ${errorName(stream.reset)}`
  if (stream.answered) return `status ${stream.status!}`
  return stream.status === undefined
    ? session.ending
    : `status ${stream.status} and no end (${session.ending})`
}

export const echoOf = (stream: Stream): Echo | undefined => readEcho(stream.body)
export { fieldValues }

/** What is wrong with the answer to a request with this body, or undefined. */
export function wrongAnswer(
  ground: Ground,
  session: Session,
  stream: Stream,
  body?: Buffer
): string | undefined {
  if (!stream.answered) return toldStream(session, stream)
  const status = body === undefined ? ground.get.status : ground.post!.status
  if (stream.status !== status) return `status ${stream.status!} in place of ${status}`
  return wrongContent(ground, stream, body)
}

/** The answer to another request, or a changed one: the worst that can come. */
export function wrongContent(ground: Ground, stream: Stream, body?: Buffer): string | undefined {
  if (body === undefined) {
    const { body: known } = ground.get
    if (known === undefined || known.equals(stream.body)) return undefined
    return `another body than before (${stream.body.length} bytes, ${known.length} before)`
  }
  if (!ground.post!.echo) return undefined
  const echo = echoOf(stream)
  if (echo === undefined) return 'an answer that is no echo'
  return echo.body.equals(body)
    ? undefined
    : `an echo of another body (${echo.body.length} bytes, ${body.length} sent)`
}

/** One plain request on a connection of its own. Undefined when it was answered as ever, else what was seen. */
export async function plain(ground: Ground): Promise<string | undefined> {
  const wrong = await plainWithin(ground, patienceOf(ground))
  ground.refused = wrong === undefined ? 0 : ground.refused + 1
  return wrong
}

/** A server that has refused so many in a row is not given the whole time again; the first answer restores it. */
function patienceOf({ refused, bench }: Ground): number | undefined {
  return refused >= REFUSED_IN_A_ROW ? bench.patienceMs / HASTE : undefined
}

async function plainWithin(ground: Ground, timeoutMs: number | undefined): Promise<string | undefined> {
  const session = await Session.open(ground.bench, timeoutMs === undefined ? {} : { greetMs: timeoutMs })
  if (typeof session === 'string') return session
  try {
    const stream = session.request(getFields(ground))
    await session.settle([stream], timeoutMs)
    return session.fault?.title ?? wrongAnswer(ground, session, stream)
  } finally {
    session.destroy()
  }
}

/** The same with a body. */
export async function posted(ground: Ground, body: Buffer): Promise<string | undefined> {
  const session = await Session.open(ground.bench)
  if (typeof session === 'string') return session
  try {
    const stream = session.request(postFields(ground), { body })
    await session.settle([stream])
    return session.fault?.title ?? wrongAnswer(ground, session, stream, body)
  } finally {
    session.destroy()
  }
}

/** An HTTP/2 connection that was served before a case; asked again after it. */
export async function elder(ground: Ground): Promise<Elder> {
  const none: Elder = { ask: () => Promise.resolve('closed'), close: () => undefined }
  const timeoutMs = patienceOf(ground)
  const session = await Session.open(ground.bench, timeoutMs === undefined ? {} : { greetMs: timeoutMs })
  if (typeof session === 'string') return none
  const first = session.request(getFields(ground))
  await session.settle([first], timeoutMs)
  // What was not served before the case proves nothing after it.
  if (!first.answered) {
    session.destroy()
    return none
  }
  return {
    ask: async () => {
      await session.until(() => session.over || session.inbound.goaway !== undefined, 0)
      if (session.over || session.inbound.goaway !== undefined) return 'closed'
      const stream = session.request(getFields(ground))
      await session.settle([stream])
      if (stream.answered) {
        const wrong = wrongAnswer(ground, session, stream)
        return wrong === undefined ? 'answered' : { wrong }
      }
      // An idle connection that the server ends at this very moment is no loss.
      if (stream.status === undefined && (!session.open || session.inbound.goaway !== undefined))
        return 'closed'
      return { wrong: toldStream(session, stream) }
    },
    close: () => session.destroy()
  }
}

/** Learns the ground; text where the plain request is not served over HTTP/2. */
export async function learn(bench: Bench): Promise<Ground | string> {
  const { target, capabilities } = bench.context
  const path = capabilities.routes.h2c?.path ?? bench.path
  const ground: Ground = {
    bench,
    authority: target.authority,
    get: { path, status: 0, body: undefined },
    noBody: '',
    refused: 0
  }
  let seen = ''
  const bodies: Buffer[] = []
  for (let attempt = 0; attempt < TRIES && bodies.length < 2; attempt++) {
    const session = await Session.open(bench).catch((error: unknown) => String(error))
    if (typeof session === 'string') {
      seen = session
      continue
    }
    const stream = session.request(getFields(ground))
    await session.settle([stream])
    session.destroy()
    if (!stream.answered) seen = toldStream(session, stream)
    else {
      ground.get.status = stream.status!
      bodies.push(stream.body)
    }
  }
  if (bodies.length < 2) return seen
  if (bodies[0]!.equals(bodies[1]!)) ground.get.body = bodies[0]
  await learnBody(ground)
  return ground
}

const BODIES: readonly [body: string, type: string | undefined][] = [
  ['abc', undefined],
  ['{ }', 'application/json']
]

async function learnBody(ground: Ground): Promise<void> {
  const { routes, missing } = ground.bench.context.capabilities
  const paths = [routes.echo, routes.upload, routes.post].flatMap((route) => route?.path ?? [])
  if (paths.length === 0) ground.noBody = `no route that takes a body: ${missing.post ?? 'none was found'}`
  let soon = false
  for (const path of new Set(paths)) {
    for (const [body, type] of BODIES) {
      const taker: Taker = { path, type, status: 0, echo: false }
      const session = await Session.open(ground.bench).catch(() => '')
      if (typeof session === 'string') continue
      const stream = session.request(postFields(ground, taker), { endStream: false })
      const early = await session.until(
        () => stream.status !== undefined || session.settled(stream),
        READS_BODY_MS
      )
      if (!early) {
        session.finish(stream, Buffer.from(body))
        await session.settle([stream])
      }
      session.destroy()
      if (!stream.answered || stream.status! >= 300) {
        ground.noBody ||= `POST ${path} over HTTP/2: ${toldStream(session, stream)}`
        continue
      }
      if (early) {
        ground.noBody = `POST ${path} is answered before its body`
        soon = true
        continue
      }
      taker.status = stream.status!
      const echo = echoOf(stream)
      taker.echo = echo !== undefined && describes(echo, { method: 'POST', target: path, body })
      // The type of another body is not judged; a body of any bytes must be taken as this one.
      if (type !== undefined && !taker.echo) continue
      ground.post = taker
      ground.noBody = ''
      return
    }
  }
  // The echo takes bodies in HTTP/1.1, so that HTTP/2 loses them: told by the plainest case, and no reason to leave it out.
  const { echo } = routes
  if (echo !== undefined && !soon) ground.post = { path: echo.path, type: undefined, status: 200, echo: true }
}
