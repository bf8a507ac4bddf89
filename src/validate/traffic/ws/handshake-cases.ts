/** The cases of the opening handshake as trials. */
import type { RandomStream } from '../../../kit/random.ts'
import { WriteFailed } from '../../../wire/tcp.ts'
import { DEFLATE, parseExtensions } from '../../../wire/websocket-deflate.ts'
import { wsCases, type WsHandshakeCase } from '../../catalogue/ws/index.ts'
import { inconclusive, KEPT, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import { PLAIN } from './frame-cases.ts'
import { handshakeBytes, readHandshake, wrongWith, type Handshake } from './handshake.ts'
import { twin, type Route } from './route.ts'
import { Session } from './session.ts'
import { tellerOf, type Tell } from './tell.ts'

const SERVER_ERROR = 500

export function handshakeTrials(route: Route, random: RandomStream): Trial[] {
  return wsCases('handshake').map((spec) => ({
    id: spec.id,
    group: spec.group,
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
    const key = keyOf(spec) ?? random.bytes(16).toString('base64')
    const session = new Session(bench, connection, random)
    const early = spec.early === true ? session.encode({ op: 1, text: 'early' }) : Buffer.alloc(0)
    bench.context.tally.add('ws_sent')
    const bytes = Buffer.concat([handshakeBytes(bench, path, key, spec), early])
    const size = Math.ceil(bytes.length / (spec.pieces ?? 1))
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size)
    )
    try {
      await connection.writeSegments(pieces, spec.pauseMs ?? 0)
    } catch (error) {
      if (!(error instanceof WriteFailed)) throw error
      bench.context.tally.add('ws_write_fail')
      // An answer may have come before all was sent.
      if (connection.received.length === 0) {
        const cut = spec.expect === '101' || connection.bytesAccepted === 0
        return { verdict: cut ? inconclusive('closed before it was sent') : KEPT, transcript }
      }
    }
    const answer = await readHandshake(bench, connection, spec.method ?? 'GET')
    if (answer.kind === 'upgraded') bench.context.tally.add('ws_upgraded')
    return { verdict: judgeHandshake(route, spec, key, answer, tellerOf(spec)), transcript }
  } finally {
    connection.destroy()
  }
}

/** The key that the case itself sends, where it is one. */
function keyOf({ fields }: WsHandshakeCase): string | undefined {
  const key = fields['Sec-WebSocket-Key']
  return typeof key === 'string' ? key : undefined
}

function judgeHandshake(
  { bench }: Route,
  spec: WsHandshakeCase,
  key: string,
  answer: Handshake,
  tell: Tell
): Verdict {
  const proof = true
  if (answer.kind === 'failed' && answer.how === 'timeout')
    return tell('no answer', `${spec.title} got no answer within ${bench.patienceMs} ms`)
  if (answer.kind === 'failed' && answer.how === 'other')
    return tell('no http', `${spec.title} was answered with bytes that are no HTTP: ${answer.what}`, {
      proof
    })
  if (answer.kind === 'refused' && answer.response.status === SERVER_ERROR && spec.expect !== '101')
    return tell('server error', `${spec.title} was answered with 500`, { proof })
  if (answer.kind === 'upgraded') {
    if (spec.expect === 'refused' || spec.expect === 'version')
      return tell('accepted', `${spec.title} was accepted with 101`, { proof })
    const extensions = answer.response.headerValues('sec-websocket-extensions').join(',')
    if (spec.expect === 'declined' && parseExtensions(extensions).some(({ name }) => name === DEFLATE))
      return tell('accepted', `${spec.title} is no valid offer, and was accepted with "${extensions}"`, {
        proof
      })
    const offered = (name: string): string => [spec.fields[name] ?? ''].flat().join(',')
    const wrong = wrongWith(answer.response, key, {
      extensions: offered('Sec-WebSocket-Extensions'),
      protocols: offered('Sec-WebSocket-Protocol')
    })
    return wrong === undefined
      ? KEPT
      : tell('wrong 101', `${spec.title} was answered with a wrong 101: ${wrong}`, { proof })
  }
  if (spec.expect === '101') {
    const what = answer.kind === 'refused' ? `status ${answer.response.status}` : answer.what
    return tell('refused', `${spec.title} was refused: ${what}`, { proof: answer.kind === 'refused' })
  }
  if (
    spec.expect === 'version' &&
    answer.kind === 'refused' &&
    answer.response.header('sec-websocket-version') === undefined
  )
    return tell(
      'no version',
      `${spec.title} was refused with ${answer.response.status} and without Sec-WebSocket-Version`,
      { proof }
    )
  return KEPT
}
