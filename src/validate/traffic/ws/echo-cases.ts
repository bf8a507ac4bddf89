/** Streams of numbered messages, compared byte by byte. */
import type { RandomStream } from '../../../kit/random.ts'
import { stored } from '../../../wire/websocket-deflate.ts'
import { wsCases, type WsEchoCase } from '../../catalogue/ws/index.ts'
import { wait } from '../proof/bench.ts'
import { inapplicable, inconclusive, KEPT, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import { deflateTwin, twin, type Route } from './route.ts'
import { Session, told } from './session.ts'
import { tellerOf, type Tell } from './tell.ts'

const PATTERN = 16
const TOO_BIG = 1009
/** RSV1 of a compressed message. */
const COMPRESSED = 4

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
  cases: readonly WsEchoCase[] = wsCases('stream')
): Trial[] {
  return cases.map((spec) => {
    const compressed = spec.offer !== undefined && route.noDeflate === undefined
    return {
      id: spec.id,
      group: spec.group,
      twin: () => (compressed ? deflateTwin(route, random) : twin(route, random)),
      shoot: () => shootEcho(route, spec, random)
    }
  })
}

async function shootEcho(route: Route, spec: WsEchoCase, random: RandomStream): Promise<Shot> {
  const { bench, path, noEcho, noDeflate } = route
  if (noEcho !== undefined) return { verdict: inapplicable(noEcho) }
  if (spec.offer !== undefined && noDeflate !== undefined) return { verdict: inapplicable(noDeflate) }
  const { tally } = bench.context
  tally.add('ws_echo_fires')
  const session = await Session.open(
    bench,
    path,
    random,
    spec.offer === undefined ? {} : { offer: spec.offer }
  )
  if (!(session instanceof Session)) {
    tally.add('ws_echo_handshake_fail')
    return { verdict: inconclusive(told(session)) }
  }
  tally.add('ws_echo_upgraded')
  const { transcript } = session.connection
  if (spec.offer !== undefined && session.deflate === undefined) {
    session.destroy()
    return { verdict: inapplicable(`the offer "${spec.offer}" was declined`) }
  }
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
  readonly #tell: Tell
  #sent = 0
  #back = 0
  #verdict: Verdict | undefined

  constructor(session: Session, spec: WsEchoCase, tag: Buffer) {
    this.#session = session
    this.#spec = spec
    this.#tag = tag
    this.#scratch = Buffer.allocUnsafeSlow(spec.bytes)
    this.#tell = tellerOf(spec)
  }

  #message(sequence: number): Buffer {
    return numbered(this.#tag, sequence, this.#scratch, this.#spec.op)
  }

  get done(): boolean {
    return this.#back === this.#spec.messages
  }

  async run(): Promise<Verdict> {
    const { bench, connection } = this.#session
    const { messages, inFlight, slowMs } = this.#spec
    const { tally } = bench.context
    const writing = this.#write()
    if (slowMs !== undefined) {
      connection.pause()
      await wait(slowMs)
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
        'server framing',
        `the server sends bytes that are no WebSocket frames: ${this.#session.broken}`,
        true
      )
    }
    return this.#verdict ?? KEPT
  }

  async #write(): Promise<void> {
    const { messages, inFlight, op, fragment } = this.#spec
    const { bench, connection, deflate } = this.#session
    while (this.#sent < messages && this.#verdict === undefined) {
      if (this.#sent - this.#back >= inFlight) {
        const back = this.#back
        if (!(await this.#session.until(() => this.#take() || this.#back > back))) return
        continue
      }
      // The frames are copies of it.
      const payload = this.#message(this.#sent)
      this.#sent += 1
      bench.context.tally.add('ws_echo_sent')
      const bytes =
        deflate === undefined
          ? this.#session.encodeMessage(op, payload, fragment)
          : this.#session.encodeMessage(op, stored(payload), undefined, COMPRESSED)
      if (!(await bench.write(connection, bytes))) return
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
        'reordered',
        `message ${later} came back in the place of message ${this.#back}`,
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
    return this.#breach('changed', `message ${this.#back} came back changed: ${what}`, true)
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
        'missing',
        `the connection ended (${how}) with ${outstanding} of ${this.#sent} messages outstanding`,
        false
      )
    }
    tally.add('ws_echo_timeout')
    return this.#breach(
      'timeout',
      `no echo for ${bench.patienceMs} ms with ${outstanding} of ${this.#sent} messages outstanding`,
      false
    )
  }

  #breach(symptom: string, what: string, proof: boolean): Verdict {
    return this.#tell(symptom, `${this.#spec.title}: ${what}`, { proof })
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i
  return length
}
