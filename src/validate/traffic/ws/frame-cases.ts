/** The cases of the catalogue as trials: handshakes and frames. */
import type { RandomStream } from '../../../kit/random.ts'
import {
  WS_FRAME_CASES,
  WS_HANDSHAKE_CASES,
  type WsFrameCase,
  type WsHandshakeCase
} from '../../catalogue/ws/index.ts'
import type { Bench } from '../proof/bench.ts'
import {
  broken,
  inapplicable,
  inconclusive,
  KEPT,
  type Shot,
  type Trial,
  type Verdict
} from '../proof/trial.ts'
import { handshakeBytes, readHandshake, wrongWith } from './handshake.ts'
import { judge } from './judge.ts'
import { Session, told } from './session.ts'

/** The WebSocket route and what is known of it. */
export interface Route {
  bench: Bench
  path: string
  /** Why cases that need the echo cannot be judged. */
  noEcho?: string
  /** Why the twin of all cases fails: only the plainest cases can be judged. */
  unfit?: string
}

/** The plainest handshake, message and ping. Where the twin of all others is broken, these are judged on less. */
export const PLAIN: ReadonlySet<string> = new Set(['hs-ctl', 'ctl-text', 'ctl-ping'])

/** How a twin tells that the server's bytes are no frames. */
export const NO_FRAMES = 'the server sends bytes that are no WebSocket frames'

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
    const came = await session.until(() => session.messages.length > 0)
    if (session.broken !== undefined) return `${NO_FRAMES}: ${session.broken}`
    if (!came) return `a plain message got no echo (${session.connection.state})`
    return session.messages[0]!.payload.toString() === text ? undefined : 'a plain message came back changed'
  } finally {
    session.destroy()
  }
}

/** The handshake alone. */
async function opens({ bench, path }: Route, random: RandomStream): Promise<string | undefined> {
  const session = await Session.open(bench, path, random)
  if (!(session instanceof Session)) return told(session)
  session.destroy()
  return undefined
}

export function frameTrials(route: Route, random: RandomStream): Trial[] {
  return WS_FRAME_CASES.map((spec) => ({
    id: spec.id,
    group: spec.group,
    twin: () =>
      route.unfit !== undefined && PLAIN.has(spec.id) ? opens(route, random) : twin(route, random),
    shoot: () => shootFrames(route, spec, random)
  }))
}

async function shootFrames(
  { bench, path, noEcho }: Route,
  spec: WsFrameCase,
  random: RandomStream
): Promise<Shot> {
  if (spec.expect.kind === 'echo' && noEcho !== undefined) return { verdict: inapplicable(noEcho) }
  const session = await Session.open(bench, path, random)
  if (!(session instanceof Session)) return { verdict: inconclusive(told(session)) }
  const { transcript } = session.connection
  try {
    const bytes = Buffer.concat(spec.frames.map((frame) => session.encode(frame)))
    const segments = spec.bytewise === true ? [...bytes].map((byte) => Buffer.from([byte])) : [bytes]
    const sent = await bench.write(session.connection, ...segments)
    if (!sent && session.connection.bytesAccepted === 0)
      return { verdict: inconclusive('the connection was closed before the frames were sent'), transcript }
    return { verdict: await judge(spec, session), transcript }
  } finally {
    session.destroy()
  }
}

export function handshakeTrials(route: Route, random: RandomStream): Trial[] {
  return WS_HANDSHAKE_CASES.map((spec) => ({
    id: spec.id,
    group: 'handshake',
    twin: () =>
      route.unfit !== undefined && PLAIN.has(spec.id) ? route.bench.control() : twin(route, random),
    shoot: () => shootHandshake(route, spec, random)
  }))
}

async function shootHandshake(route: Route, spec: WsHandshakeCase, random: RandomStream): Promise<Shot> {
  const { bench, path } = route
  const connection = await bench.connect()
  const { transcript } = connection
  try {
    const key = random.bytes(16).toString('base64')
    const session = new Session(bench, connection, random)
    const early = spec.early === true ? session.encode({ op: 1, text: 'early' }) : Buffer.alloc(0)
    bench.context.tally.add('ws_sent')
    if (!(await bench.write(connection, Buffer.concat([handshakeBytes(bench, path, key, spec), early])))) {
      return { verdict: spec.expect === '101' ? inconclusive('closed before it was sent') : KEPT, transcript }
    }
    const answer = await readHandshake(bench, connection, spec.method ?? 'GET')
    if (answer.kind === 'upgraded') bench.context.tally.add('ws_upgraded')
    const breach = (
      title: string,
      symptom: string,
      proof = true,
      severity = spec.severity ?? 'MED'
    ): Verdict =>
      broken({ predicate: 'I-WS-HANDSHAKE', severity, title, standard: spec.standard, symptom, proof })
    return { verdict: judgeHandshake(route, spec, key, answer, breach), transcript }
  } finally {
    connection.destroy()
  }
}

function judgeHandshake(
  { bench }: Route,
  spec: WsHandshakeCase,
  key: string,
  answer: Awaited<ReturnType<typeof readHandshake>>,
  breach: (title: string, symptom: string, proof?: boolean, severity?: 'LOW' | 'MED') => Verdict
): Verdict {
  if (answer.kind === 'failed' && answer.how === 'timeout') {
    // What no rule demands an answer to is hygiene.
    const severity = spec.expect === 'any' ? 'LOW' : 'MED'
    return breach(`${spec.title} got no answer within ${bench.patienceMs} ms`, 'no answer', false, severity)
  }
  if (answer.kind === 'failed' && answer.how === 'other') {
    return breach(
      `${spec.title} was answered with bytes that are no HTTP: ${answer.what}`,
      'no http',
      true,
      'MED'
    )
  }
  if (answer.kind === 'upgraded') {
    if (spec.expect === 'refused' || spec.expect === 'version')
      return breach(`${spec.title} was accepted with 101`, 'accepted')
    const offered = (name: string): string => [spec.fields[name] ?? ''].flat().join(',')
    const wrong = wrongWith(answer.response, key, {
      extensions: offered('Sec-WebSocket-Extensions'),
      protocols: offered('Sec-WebSocket-Protocol')
    })
    if (wrong !== undefined)
      return breach(`${spec.title} was answered with a wrong 101: ${wrong}`, 'wrong 101')
    return KEPT
  }
  if (spec.expect === '101') {
    const what = answer.kind === 'refused' ? `status ${answer.response.status}` : answer.what
    return breach(`${spec.title} was refused: ${what}`, 'refused', answer.kind === 'refused')
  }
  if (
    spec.expect === 'version' &&
    answer.kind === 'refused' &&
    answer.response.header('sec-websocket-version') === undefined
  ) {
    return breach(
      `${spec.title} was refused with ${answer.response.status} and without Sec-WebSocket-Version`,
      'no version',
      true,
      'LOW'
    )
  }
  return KEPT
}
