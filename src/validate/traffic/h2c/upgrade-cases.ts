/** The upgrade cases of the catalogue as trials. */
import { H2C_UPGRADE_CASES, type H2cUpgradeCase } from '../../catalogue/h2c/index.ts'
import type { Session } from './session.ts'
import {
  inapplicable,
  inconclusive,
  KEPT,
  type Breach,
  type Shot,
  type Trial,
  type Verdict
} from '../proof/trial.ts'
import { readEcho } from '../../oracles/echo.ts'
import type { HttpResponse } from '../../../wire/http1.ts'
import type { Connection } from '../../../wire/tcp.ts'
import type { Bench } from '../proof/bench.ts'
import { convicted } from './told.ts'
import { PLAIN_UPGRADE, readUpgrade, sessionBehind, upgradeBytes, wrongWith } from './upgrade.ts'

/** The upgrade is tried on the plain route; what it answers without is known. */
export interface UpgradeGround {
  bench: Bench
  path: string
  /** Status of the plain request in HTTP/1.1. */
  status: number
  /** The server upgrades. */
  upgrades: boolean
  /** A route that echoes in HTTP/1.1, for the body. */
  echo: string | undefined
}

/** The twin of all: a plain upgrade, which must be served over HTTP/2, or without it where the server never upgrades. */
export async function upgradeTwin(ground: UpgradeGround): Promise<string | undefined> {
  const { bench, path, upgrades, status } = ground
  const connection = await bench.connect()
  try {
    bench.context.tally.add('h2c_sent')
    await bench.write(connection, upgradeBytes(bench, path, PLAIN_UPGRADE))
    const answer = await readUpgrade(bench, connection)
    if (answer.kind === 'failed') return `upgrade: ${answer.what}`
    if (answer.kind === 'declined') {
      if (upgrades) return `upgrade: declined with ${answer.response.status}`
      return answer.response.status === status
        ? undefined
        : `status ${answer.response.status} in place of ${status}`
    }
    const session = await sessionBehind(bench, connection, { path })
    const stream = session.inbound.streams.get(1)!
    await session.settle([stream])
    return stream.answered ? undefined : `stream 1 behind the 101 is not answered (${session.ending})`
  } finally {
    connection.destroy()
  }
}

export function upgradeTrials(ground: UpgradeGround): Trial[] {
  return H2C_UPGRADE_CASES.map((spec) => ({
    id: spec.id,
    group: spec.group,
    twin: () => upgradeTwin(ground),
    shoot: () => shoot(ground, spec)
  }))
}

async function shoot(ground: UpgradeGround, spec: H2cUpgradeCase): Promise<Shot> {
  const { bench } = ground
  if (!ground.upgrades && spec.expect !== 'well-formed')
    return { verdict: inapplicable('the server never upgrades to h2c') }
  if (spec.method === 'POST' && ground.echo === undefined)
    return { verdict: inapplicable('no echo route tells what became of the body') }
  const path = spec.method === 'POST' ? ground.echo! : ground.path
  const connection = await bench.connect()
  const { transcript } = connection
  try {
    if (spec.second) {
      if (!bench.context.capabilities.keepAlive)
        return { verdict: inapplicable('the server keeps no connection'), transcript }
      await bench.write(connection, bench.get(bench.path))
      const first = await bench.responses(connection, ['GET'])
      if (first.responses[0] === undefined)
        return { verdict: inconclusive('the request before got no answer'), transcript }
      connection.consume(connection.received.length - first.rest.length)
    }
    bench.context.tally.add('h2c_sent')
    if (!(await bench.write(connection, upgradeBytes(bench, path, spec))))
      return { verdict: inconclusive('the connection was closed before the request was sent'), transcript }
    return { verdict: await new UpgradeJudge(ground, spec, connection).run(), transcript }
  } finally {
    connection.destroy()
  }
}

const PROOF = { proof: true }

class UpgradeJudge {
  readonly #ground: UpgradeGround
  readonly #spec: H2cUpgradeCase
  readonly #connection: Connection

  constructor(ground: UpgradeGround, spec: H2cUpgradeCase, connection: Connection) {
    this.#ground = ground
    this.#spec = spec
    this.#connection = connection
  }

  #breach(as: string, told = '', facts: Partial<Breach> = {}): Verdict {
    return convicted(this.#spec, as, told, facts)
  }

  async run(): Promise<Verdict> {
    const spec = this.#spec
    const { bench } = this.#ground
    const answer = await readUpgrade(bench, this.#connection, spec.method)
    if (answer.kind === 'upgraded') return this.#upgraded(answer.response)
    if (answer.kind === 'declined') return this.#declined(answer.response)
    if (answer.how === 'other')
      return this.#breach('framing', `bytes that are no HTTP/1 response come: ${answer.what}`, PROOF)
    // A request that may be refused may be refused by the end of the connection.
    if (spec.expect !== 'well-formed' && answer.how !== 'timeout') return KEPT
    const as = answer.how === 'timeout' ? 'silence' : 'refused'
    const told = as === 'silence' ? `(${answer.what})` : answer.what
    return this.#breach(as, told, { evidence: { cause: answer.how } })
  }

  /** Refusing is always right (RFC 9113 3.1); the request is then served, or refused, in HTTP/1. */
  #declined(response: HttpResponse): Verdict {
    const spec = this.#spec
    if (response.status >= 500 && ![501, 505].includes(response.status))
      return this.#breach('5xx', String(response.status))
    if (spec.expect !== 'well-formed') return KEPT
    if (spec.method === 'POST') return this.#body(response.body)
    if (response.status === this.#ground.status || response.status === 426 || response.status === 429)
      return KEPT
    const told = `not taken, and the request is answered ${response.status} in place of ${this.#ground.status}`
    return this.#breach('refused', told, PROOF)
  }

  /** The body belongs to the request, whichever protocol answers it. */
  #body(body: Buffer): Verdict {
    const echo = readEcho(body)
    if (echo === undefined || echo.body.toString('latin1') === this.#spec.body) return KEPT
    const told = `a body of ${echo.body.length} bytes, ${this.#spec.body!.length} were sent`
    return this.#breach('wrong body', told, PROOF)
  }

  async #upgraded(response: HttpResponse): Promise<Verdict> {
    const spec = this.#spec
    const { bench, path, echo } = this.#ground
    if (spec.expect === 'refuse') return this.#breach('wrong 101', '', PROOF)
    const wrong = wrongWith(response)
    if (wrong !== undefined)
      return this.#breach('wrong 101 head', wrong, { standard: 'RFC 9110 7.8', ...PROOF })
    const session = await sessionBehind(bench, this.#connection, {
      ...(spec.method === undefined ? {} : { method: spec.method }),
      path: spec.expect !== 'well-formed' ? undefined : spec.method === 'POST' ? echo : path
    })
    const stream = session.inbound.streams.get(1)!
    await session.settle([stream])
    if (spec.pipelined) return this.#framing(session) ?? KEPT
    if (spec.expect === 'settings') return this.#settings(session)
    const framing = this.#framing(session)
    if (framing !== undefined) return framing
    if (!stream.answered || stream.status! >= 400) {
      const how = stream.answered ? `answered ${stream.status!}` : `not answered: ${session.ending}`
      const silent = session.open && !stream.answered && stream.reset === undefined
      const told = `behind the 101 the request is ${how}`
      return this.#breach(silent ? 'silence' : 'refused', silent ? `(${told})` : told)
    }
    if (spec.method === 'POST') {
      const verdict = this.#body(stream.body)
      if (verdict.kind !== 'kept') return verdict
    }
    return this.#second(session)
  }

  /** The connection is an HTTP/2 connection from now on. */
  async #second(session: Session): Promise<Verdict> {
    const { bench, path } = this.#ground
    const stream = session.request([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', bench.context.target.authority],
      [':path', path]
    ])
    await session.settle([stream])
    const framing = this.#framing(session)
    if (framing !== undefined) return framing
    // A server may say farewell at any time; what it has not begun is nobody's loss.
    if (stream.answered || session.inbound.goaway?.code === 0) return KEPT
    return this.#breach('refused', `behind the 101 a second request is not answered: ${session.ending}`)
  }

  #framing(session: Session): Verdict | undefined {
    const { fault } = session
    if (fault === undefined) return undefined
    const { standard, symptom, title } = fault
    return this.#breach('framing', title, { standard, symptom, ...PROOF })
  }

  /** Bad settings are a connection error as in any SETTINGS frame (RFC 7540 3.2.1). */
  async #settings(session: Session): Promise<Verdict> {
    const stream = session.inbound.streams.get(1)!
    if (session.over || session.inbound.goaway !== undefined || stream.reset !== undefined) return KEPT
    if (!stream.answered) await session.until(() => session.over || session.inbound.goaway !== undefined)
    if (session.over || session.inbound.goaway !== undefined) return KEPT
    return this.#breach('settings taken', '', { proof: stream.answered })
  }
}
