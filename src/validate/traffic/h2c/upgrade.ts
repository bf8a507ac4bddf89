/** The change from HTTP/1.1 to HTTP/2 (RFC 7540 3.2). */
import type { HttpResponse } from '../../../wire/http1.ts'
import type { Connection } from '../../../wire/tcp.ts'
import type { H2cUpgradeCase } from '../../catalogue/h2c/index.ts'
import type { Bench } from '../proof/bench.ts'
import { Session } from './session.ts'

export type UpgradeRequest = Pick<H2cUpgradeCase, 'fields' | 'method' | 'body' | 'version' | 'pipelined'>

/** What every client sends. */
export const PLAIN_UPGRADE: UpgradeRequest = {
  fields: {
    Connection: 'Upgrade, HTTP2-Settings',
    Upgrade: 'h2c',
    'HTTP2-Settings': 'AAMAAABkAAQAAP__'
  },
  pipelined: false
}

export function upgradeBytes(bench: Bench, path: string, spec: UpgradeRequest): Buffer {
  const { authority } = bench.context.target
  const fields: [string, string | null | readonly string[]][] = [
    ['Host', authority],
    ...Object.entries(spec.fields),
    ...(spec.body === undefined ? [] : ([['Content-Length', String(spec.body.length)]] as [string, string][]))
  ]
  const lines = fields.flatMap(([name, value]) =>
    value === null ? [] : [value].flat().map((one) => `${name}: ${one}\r\n`)
  )
  const head = `${spec.method ?? 'GET'} ${path} HTTP/${spec.version ?? '1.1'}\r\n${lines.join('')}\r\n`
  const behind = spec.pipelined ? bench.get(bench.path) : Buffer.alloc(0)
  return Buffer.concat([Buffer.from(head + (spec.body ?? ''), 'latin1'), behind])
}

export type Upgraded =
  | { kind: 'upgraded'; response: HttpResponse }
  | { kind: 'declined'; response: HttpResponse }
  | { kind: 'failed'; how: 'eof' | 'timeout' | 'reset' | 'other'; what: string }

/** Reads the answer to an upgrade request that was sent, and counts it. The head of a 101 is consumed. */
export async function readUpgrade(bench: Bench, connection: Connection, method = 'GET'): Promise<Upgraded> {
  const { tally } = bench.context
  const begun = performance.now()
  const parsed = await bench.responses(connection, [method])
  const response = parsed.responses[0]
  if (response?.status === 101) {
    connection.consume(connection.received.length - parsed.rest.length)
    tally.add('h2c_upgraded')
    return { kind: 'upgraded', response }
  }
  if (response !== undefined) {
    tally.add('h2c_declined')
    return { kind: 'declined', response }
  }
  tally.max('h2c_hang_max_elapsed_ms', Math.round(performance.now() - begun))
  if (parsed.error !== undefined && parsed.error.rule !== 'truncated')
    return { kind: 'failed', how: 'other', what: parsed.error.message }
  if (connection.state === 'eof') return { kind: 'failed', how: 'eof', what: 'closed without an answer' }
  if (connection.state === 'reset') return { kind: 'failed', how: 'reset', what: 'reset without an answer' }
  return { kind: 'failed', how: 'timeout', what: `no answer within ${bench.patienceMs} ms` }
}

/** What is wrong with a 101 (RFC 9110 15.2.2), or undefined. */
export function wrongWith(response: HttpResponse): string | undefined {
  if (!/^h2c$/i.test(response.header('upgrade') ?? ''))
    return `Upgrade is ${response.header('upgrade') ?? 'missing'}`
  if (!/(^|,)\s*upgrade\s*(,|$)/i.test(response.header('connection') ?? ''))
    return `Connection is ${response.header('connection') ?? 'missing'}`
  return undefined
}

/**
 * HTTP/2 behind a 101: stream 1 is the request that was upgraded; preface and SETTINGS leave at once.
 * @param path of a well-formed request, so that the passive rules see its answer
 */
export async function sessionBehind(
  bench: Bench,
  connection: Connection,
  { method = 'GET', path }: { method?: string; path?: string | undefined } = {}
): Promise<Session> {
  const session = new Session(bench, connection)
  const { authority } = bench.context.target
  session.expect(
    1,
    method,
    path === undefined
      ? undefined
      : [
          [':path', path],
          [':authority', authority]
        ]
  )
  session.inbound.spareAcks = 1
  await session.begin()
  return session
}
