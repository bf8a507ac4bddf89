/** Streams of numbered messages, compared byte by byte; ping floods, fragment floods, many connections. */
import type { RandomStream } from '../../../kit/random.ts'
import { WS_ECHO_CASES, WS_NUMBERS, type WsEchoCase } from '../../catalogue/ws/index.ts'
import { wait } from '../proof/bench.ts'
import {
  broken,
  inapplicable,
  inconclusive,
  KEPT,
  type Shot,
  type Trial,
  type Verdict
} from '../proof/trial.ts'
import { twin, type Route } from './frame-cases.ts'
import { Session, told } from './session.ts'

const STANDARD = 'RFC 6455 5.6'
const PATTERN = 16
/** A slow reader does not read for so long, then reads on. */
const SLOW_MS = 250
const TOO_BIG = 1009

/** Sequence number and tag, repeated: every 16 bytes name their message and connection. @param into is filled */
function numbered(tag: Buffer, sequence: number, into: Buffer, op: 1 | 2): Buffer {
  if (op === 1) return into.fill(`${tag.toString('hex').slice(0, 7)}${String(sequence).padStart(8, '0')}|`)
  const unit = Buffer.alloc(PATTERN)
  unit.writeUInt32BE(0, 0)
  unit.writeUInt32BE(sequence, 4)
  tag.copy(unit, 8, 0, 8)
  return into.fill(unit)
}

export function echoTrials(
  route: Route,
  random: RandomStream,
  cases: readonly WsEchoCase[] = WS_ECHO_CASES
): Trial[] {
  return cases.map((spec) => ({
    id: spec.id,
    group: 'echo',
    twin: () => twin(route, random),
    shoot: () =>
      route.noEcho === undefined
        ? shootEcho(route, spec, random)
        : Promise.resolve({ verdict: inapplicable(route.noEcho) })
  }))
}

async function shootEcho({ bench, path }: Route, spec: WsEchoCase, random: RandomStream): Promise<Shot> {
  const { tally } = bench.context
  tally.add('ws_echo_fires')
  const session = await Session.open(bench, path, random)
  if (!(session instanceof Session)) {
    tally.add('ws_echo_handshake_fail')
    return { verdict: inconclusive(told(session)) }
  }
  tally.add('ws_echo_upgraded')
  const { transcript } = session.connection
  const stream = new EchoStream(session, spec, random.bytes(8))
  try {
    return { verdict: await stream.run(), transcript }
  } finally {
    if (session.connection.state === 'open' && stream.done) {
      await session.send({ op: 8, hex: '03e8' })
      if (await session.until(() => session.close !== undefined, 500)) tally.add('ws_echo_close_ok')
    }
    session.destroy()
  }
}

class EchoStream {
  readonly #session: Session
  readonly #spec: WsEchoCase
  readonly #tag: Buffer
  /** One message, made anew for each that leaves or is compared: a megabyte for each would be a heap of garbage. */
  readonly #scratch: Buffer
  #sent = 0
  #back = 0
  #verdict: Verdict | undefined

  constructor(session: Session, spec: WsEchoCase, tag: Buffer) {
    this.#session = session
    this.#spec = spec
    this.#tag = tag
    this.#scratch = Buffer.allocUnsafeSlow(spec.bytes)
  }

  #message(sequence: number): Buffer {
    return numbered(this.#tag, sequence, this.#scratch, this.#spec.op)
  }

  get done(): boolean {
    return this.#back === this.#spec.messages
  }

  async run(): Promise<Verdict> {
    const { bench, connection } = this.#session
    const { messages, inFlight, slow } = this.#spec
    const { tally } = bench.context
    const writing = this.#write()
    if (slow) {
      connection.pause()
      await wait(SLOW_MS)
      connection.resume()
    }
    let progress = -1
    // Time is counted from the last message that came, not from the first.
    while (this.#verdict === undefined && this.#back < messages && progress < this.#back) {
      progress = this.#back
      await this.#session.until(
        () =>
          this.#take() ||
          this.#session.close !== undefined ||
          this.#back >= Math.min(messages, progress + inFlight)
      )
    }
    if (this.#verdict === undefined && !this.done) this.#verdict = this.#missing()
    if (!this.done) connection.destroy()
    await writing
    if (this.#verdict === undefined && this.#session.broken !== undefined) {
      tally.add('ws_echo_frame_err')
      return this.#breach(
        'HIGH',
        `the server sends bytes that are no WebSocket frames: ${this.#session.broken}`,
        'server framing',
        true
      )
    }
    return this.#verdict ?? KEPT
  }

  async #write(): Promise<void> {
    const { messages, inFlight, op, fragment } = this.#spec
    while (this.#sent < messages && this.#verdict === undefined) {
      if (this.#sent - this.#back >= inFlight) {
        const back = this.#back
        if (!(await this.#session.until(() => this.#take() || this.#back > back))) return
        continue
      }
      // The frames are copies of it.
      const payload = this.#message(this.#sent)
      this.#sent += 1
      this.#session.bench.context.tally.add('ws_echo_sent')
      if (!(await this.#session.sendMessage(op, payload, fragment))) return
    }
  }

  /** Compares what came; true ends the wait. */
  #take(): boolean {
    const { tally } = this.#session.bench.context
    for (const { op, payload } of this.#session.take()) {
      if (this.#verdict !== undefined) return true
      const expected = this.#message(this.#back)
      if (op === this.#spec.op && payload.equals(expected)) {
        this.#back += 1
        tally.add('ws_echo_ok')
        continue
      }
      this.#verdict = this.#changed(op, payload)
    }
    return this.#verdict !== undefined
  }

  #changed(op: number, payload: Buffer): Verdict {
    const { tally } = this.#session.bench.context
    const later = [...Array(this.#spec.messages).keys()].find(
      (sequence) => sequence !== this.#back && payload.equals(this.#message(sequence))
    )
    if (later !== undefined) {
      tally.add('ws_echo_reorder')
      return this.#breach(
        'HIGH',
        `message ${later} came back in the place of message ${this.#back}`,
        'reordered',
        true
      )
    }
    tally.add('ws_echo_corrupt')
    const expected = this.#message(this.#back)
    const at = firstDifference(payload, expected)
    const foreign =
      payload.length > at && payload.subarray(at, at + 8).length > 0 && this.#isOurs(payload, at)
    tally.add(foreign ? 'ws_echo_egress_interleave' : 'ws_echo_other_corrupt')
    const what = `opcode ${op}, ${payload.length} bytes in place of ${expected.length}, first difference at byte ${at}`
    return this.#breach('HIGH', `message ${this.#back} came back changed: ${what}`, 'changed', true)
  }

  /** The wrong bytes are those of another message of this connection. */
  #isOurs(payload: Buffer, at: number): boolean {
    return payload.subarray(at, at + 2 * PATTERN).includes(this.#tag.subarray(0, 8))
  }

  #missing(): Verdict {
    const { bench, connection, close } = this.#session
    const { tally } = bench.context
    if (close?.code === TOO_BIG)
      return inapplicable(`the server limits the size of messages (1009) below ${this.#spec.bytes} bytes`)
    const outstanding = this.#sent - this.#back
    if (close !== undefined || connection.state !== 'open') {
      tally.add('ws_echo_missing')
      const how = close === undefined ? connection.state : `Close ${close.code ?? 'without code'}`
      return this.#breach(
        'HIGH',
        `the connection ended (${how}) with ${outstanding} of ${this.#sent} messages outstanding`,
        'missing',
        false
      )
    }
    tally.add('ws_echo_timeout')
    return this.#breach(
      'HIGH',
      `no echo for ${bench.patienceMs} ms with ${outstanding} of ${this.#sent} messages outstanding`,
      'timeout',
      false
    )
  }

  #breach(severity: 'HIGH' | 'MED', what: string, symptom: string, proof: boolean): Verdict {
    return broken({
      predicate: 'I-WS-ECHO',
      severity,
      title: `${this.#spec.title}: ${what}`,
      standard: STANDARD,
      symptom,
      proof
    })
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i
  return length
}

export function floodTrials(route: Route, random: RandomStream): Trial[] {
  const { bench, path } = route
  const over = (id: string, needsEcho: boolean, shoot: (session: Session) => Promise<Verdict>): Trial => ({
    id,
    group: 'flood',
    twin: () => twin(route, random),
    shoot: async () => {
      if (needsEcho && route.noEcho !== undefined) return { verdict: inapplicable(route.noEcho) }
      const session = await Session.open(bench, path, random)
      if (!(session instanceof Session)) return { verdict: inconclusive(told(session)) }
      try {
        return { verdict: await shoot(session), transcript: session.connection.transcript }
      } finally {
        session.destroy()
      }
    }
  })
  return [
    over('ping-flood', false, async (session) => {
      const names = Array.from({ length: WS_NUMBERS.pings }, (_, i) => `p${i}`)
      await session.send(...names.map((text) => ({ op: 9, text })))
      const last = names.at(-1)!
      const came = await session.until(
        () => session.pongs().at(-1)?.toString() === last || session.close !== undefined
      )
      const pongs = session.pongs().map(String)
      bench.context.tally.add('ws_pongs', pongs.length)
      const breach = (title: string, symptom: string, proof: boolean): Verdict =>
        broken({
          predicate: proof ? 'I-WS-ECHO' : 'I-WS-HANG',
          severity: proof ? 'HIGH' : 'MED',
          title,
          standard: 'RFC 6455 5.5.2',
          symptom,
          proof
        })
      const order = pongs.map((name) => names.indexOf(name))
      const bad = order.findIndex((n, i) => n < 0 || (i > 0 && n <= order[i - 1]!))
      if (bad >= 0)
        return breach(
          `among ${names.length} pings, pong ${bad + 1} answers ${pongs[bad]!} out of turn`,
          'pong out of turn',
          true
        )
      if (session.close !== undefined || session.connection.state !== 'open') {
        // A bound on pings is the server's right; it must say so and close.
        return KEPT
      }
      // Only the most recent ping must be answered (5.5.3).
      return came
        ? KEPT
        : breach(
            `the last of ${names.length} pings got no pong (${pongs.length} others did)`,
            'no pong',
            false
          )
    }),
    over('fragment-flood', true, async (session) => {
      const text = random.hex(WS_NUMBERS.fragments)
      await session.send(
        ...[...text].map((one, i) => ({ op: i === 0 ? 1 : 0, fin: i === text.length - 1, text: one }))
      )
      await session.until(() => session.messages.length > 0 || session.close !== undefined)
      const got = session.messages[0]?.payload.toString()
      if (got === text) return KEPT
      const breach = (title: string, symptom: string, proof: boolean): Verdict =>
        broken({ predicate: 'I-WS-ECHO', severity: 'HIGH', title, standard: 'RFC 6455 5.4', symptom, proof })
      if (got !== undefined)
        return breach(
          `a message in ${text.length} fragments came back changed (${got.length} bytes)`,
          'changed',
          true
        )
      if (session.close !== undefined || session.connection.state !== 'open')
        return inapplicable(
          `the server limits fragments (${session.close?.code ?? session.connection.state})`
        )
      return breach(`a message in ${text.length} fragments did not come back`, 'missing', false)
    }),
    { id: 'crowd', group: 'flood', twin: () => twin(route, random), shoot: () => crowd(route, random) }
  ]
}

/** Many connections, each with tokens of its own: whoever gets another's token proves cross-talk. */
async function crowd(route: Route, random: RandomStream): Promise<Shot> {
  const { bench, path, noEcho } = route
  if (noEcho !== undefined) return { verdict: inapplicable(noEcho) }
  const opened = await Promise.all(
    Array.from({ length: WS_NUMBERS.crowd }, () => Session.open(bench, path, random))
  )
  const sessions = opened.filter((one) => one instanceof Session)
  try {
    const refused = opened.find((one) => !(one instanceof Session))
    if (refused !== undefined && sessions.length < opened.length / 2)
      return { verdict: inconclusive(told(refused as Exclude<typeof refused, Session>)) }
    const tokens = sessions.map(() => Array.from({ length: WS_NUMBERS.crowdMessages }, () => random.hex(24)))
    await Promise.all(
      sessions.map((session, i) => session.send(...tokens[i]!.map((text) => ({ op: 1, text }))))
    )
    await Promise.all(
      sessions.map((session) => session.until(() => session.messages.length >= WS_NUMBERS.crowdMessages))
    )
    const owner = new Map(tokens.flatMap((list, i) => list.map((token) => [token, i] as const)))
    for (const [i, session] of sessions.entries()) {
      const { transcript } = session.connection
      const got = session.messages.map(({ payload }) => payload.toString())
      const foreign = got.find((token) => owner.get(token) !== i)
      const breach = (title: string, symptom: string, proof: boolean): Shot => ({
        verdict: broken({
          predicate: 'I-WS-ECHO',
          severity: 'HIGH',
          title,
          standard: STANDARD,
          symptom,
          proof
        }),
        transcript
      })
      if (foreign !== undefined) {
        const whose = owner.has(foreign) ? 'a message of another connection' : 'a message that nobody sent'
        return breach(`one of ${sessions.length} connections received ${whose}`, 'cross-talk', true)
      }
      if (got.join() !== tokens[i]!.join()) {
        return breach(
          `one of ${sessions.length} connections received ${got.length} of its ${WS_NUMBERS.crowdMessages} messages`,
          'missing',
          false
        )
      }
    }
    return { verdict: KEPT }
  } finally {
    for (const session of sessions) session.destroy()
  }
}
