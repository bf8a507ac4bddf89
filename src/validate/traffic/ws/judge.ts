/** What an exchange of frames proves (RFC 6455). */
import type { WsExpectation, WsFrameCase } from '../../catalogue/ws/index.ts'
import { wait } from '../proof/bench.ts'
import { inapplicable, KEPT, type Verdict } from '../proof/trial.ts'
import { payloadOf, type Close, type Session } from './session.ts'
import type { Tell } from './tell.ts'

/** Silence after which a ping asks whether the connection still works, ms. */
const SILENCE_MS = 400
const PROBE = Buffer.from('still there?')
const TOO_BIG = 1009
const MESSAGE = new Set([1, 2])

/** Codes that no endpoint may send in a Close (7.4.1, 7.4.2). */
export function mayBeSent(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014)
}

function isUtf8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8')).equals(bytes)
}

/** @param what the case in words: its title, and how it was sent */
export async function judge(spec: WsFrameCase, what: string, session: Session, tell: Tell): Promise<Verdict> {
  const verdict = await new Judge(what, session, tell, spec.limit).expect(spec.expect, spec)
  if (session.broken === undefined) return verdict
  return framing(what, session, tell)
}

/** The same for one text that must fail the connection. */
export async function judgeFailed(what: string, session: Session, tell: Tell): Promise<Verdict> {
  const verdict = await new Judge(what, session, tell).fails({ kind: 'fail', codes: [1007] }, true)
  if (session.broken === undefined) return verdict
  return framing(what, session, tell)
}

function framing(what: string, session: Session, tell: Tell): Verdict {
  return tell(
    'server framing',
    `after ${what} the server sends bytes that are no WebSocket frames: ${session.broken ?? ''}`,
    { proof: true }
  )
}

class Judge {
  readonly #what: string
  readonly #session: Session
  readonly #tell: Tell

  readonly #limit: string | undefined

  /** @param limit what the server may bound by closing */
  constructor(what: string, session: Session, tell: Tell, limit?: string) {
    this.#what = what
    this.#session = session
    this.#tell = tell
    this.#limit = limit
  }

  #count(counter: string): void {
    this.#session.bench.context.tally.add(counter)
  }

  expect(expect: WsExpectation, spec: WsFrameCase): Promise<Verdict> {
    switch (expect.kind) {
      case 'echo':
        return this.#echo(expect)
      case 'pong':
        return this.#pong(payloadOf(expect))
      case 'close':
        return this.#close(expect)
      case 'fail':
        return this.fails(
          expect,
          spec.frames.every((item) => 'times' in item || item.length === undefined)
        )
      case 'ends':
        return this.#ends()
      case 'any':
        return this.#any(spec)
    }
  }

  /** A well-formed message was refused: by a limit, which may be, or wrongly. */
  #refused(): Verdict {
    const { close, connection } = this.#session
    if (close?.code === TOO_BIG) return inapplicable('the server limits the size of messages (1009)')
    if (this.#limit !== undefined)
      return inapplicable(`the server limits ${this.#limit} (${close?.code ?? connection.state})`)
    return this.#tell(
      'refused',
      `${this.#what} is well-formed, and the server closed the connection (${close?.code ?? connection.state})`,
      { proof: close !== undefined }
    )
  }

  async #echo(expect: Extract<WsExpectation, { kind: 'echo' }>): Promise<Verdict> {
    const session = this.#session
    const wanted = expect.messages.map((message) => ({ op: message.op, payload: payloadOf(message) }))
    const pong = expect.pong === undefined ? undefined : Buffer.from(expect.pong, 'hex')
    const ponged = (): boolean =>
      pong === undefined || session.pongs().some((payload) => payload.equals(pong))
    await session.until(
      () => (session.messages.length >= wanted.length && ponged()) || session.close !== undefined
    )
    const got = session.messages
    const wrong = got.findIndex(
      ({ op, payload }, i) => wanted[i]?.op !== op || !wanted[i].payload.equals(payload)
    )
    if (wrong >= 0) {
      const { op, payload } = got[wrong]!
      return this.#tell(
        'changed',
        `${this.#what} came back changed: message ${wrong + 1} has opcode ${op} and ${payload.length} bytes`,
        { proof: true }
      )
    }
    if (got.length === wanted.length && ponged()) return KEPT
    if (this.#session.over) return this.#refused()
    if (got.length === wanted.length) {
      const other = session.pongs().length > 0
      return this.#tell(
        other ? 'pong changed' : 'no pong',
        `${this.#what}: the ping got ${other ? 'a pong with other bytes' : 'no pong'}`
      )
    }
    return this.#tell('missing', `${this.#what} did not come back within ${session.bench.patienceMs} ms`)
  }

  async #pong(wanted: Buffer): Promise<Verdict> {
    const session = this.#session
    await session.until(() => session.pongs().length > 0 || session.close !== undefined)
    const pong = session.pongs()[0]
    if (pong?.equals(wanted) === true) return KEPT
    if (pong !== undefined)
      return this.#tell('changed', `${this.#what} got a pong with other bytes`, { proof: true })
    if (this.#session.over) return this.#refused()
    return this.#tell('no pong', `${this.#what} got no pong within ${session.bench.patienceMs} ms`)
  }

  /** A connection that the server has said goodbye to must end. */
  async #ended(): Promise<Verdict | undefined> {
    const { bench, connection } = this.#session
    if ((await connection.waitClose(bench.patienceMs)) !== 'open') return undefined
    this.#count('ws_hang_no_close')
    return this.#tell(
      'open after close',
      `after ${this.#what} the server sent Close and left the TCP connection open for ${bench.patienceMs} ms`
    )
  }

  async #close(expect: Extract<WsExpectation, { kind: 'close' }>): Promise<Verdict> {
    const session = this.#session
    const answered = await session.until(() => session.close !== undefined)
    if (!answered) {
      const { state } = session.connection
      if (state === 'open') {
        this.#count('ws_hang_no_close')
        return this.#tell('no close', `${this.#what} got neither a Close nor the end of the connection`)
      }
      return this.#tell(
        'no close frame',
        `${this.#what} was answered by the end of the TCP connection without a Close frame (${state})`
      )
    }
    const { code } = session.close!
    const wrong = this.#forbidden(session.close!) ?? (await this.#ended())
    if (wrong !== undefined) return wrong
    if (session.arrived > (expect.allowed ?? 0)) {
      this.#count('ws_accepted_bad_frame')
      return this.#tell('data after close', `${this.#what} was answered with a message`, { proof: true })
    }
    // "Typically echoes the status code": another lawful code is no breach.
    if (code === undefined || code === expect.code || mayBeSent(code)) this.#count('ws_closed_correctly')
    return KEPT
  }

  /** A Close that no endpoint may send: half a code, a reserved code, a reason that is not UTF-8 (5.5.1, 7.4). */
  #forbidden({ code, reason, bytes }: Close): Verdict | undefined {
    const proof = true
    if (bytes === 1)
      return this.#tell(
        'malformed close sent',
        `${this.#what} was answered with a Close that holds half a code`,
        { standard: 'RFC 6455 5.5.1', proof }
      )
    // What a reason says is not defined, only that it is text.
    if (!isUtf8(reason))
      return this.#tell(
        'malformed reason sent',
        `${this.#what} was answered with a Close that holds a reason that is not UTF-8`,
        { standard: 'RFC 6455 5.5.1', proof }
      )
    if (code === undefined || mayBeSent(code)) return undefined
    return this.#tell(
      'forbidden code sent',
      `${this.#what} was answered with Close ${code}, a code that must not be sent`,
      { standard: 'RFC 6455 7.4', proof }
    )
  }

  /** The connection must be failed. @param whole the frames are complete, so that a ping may follow them */
  async fails(expect: Extract<WsExpectation, { kind: 'fail' }>, whole: boolean): Promise<Verdict> {
    const session = this.#session
    const { bench, connection } = session
    const allowed = expect.allowed ?? 0
    const probes = (): number => session.pongs().filter((payload) => payload.equals(PROBE)).length
    const accepted = (): boolean => session.arrived > allowed || session.pongs().length > probes()
    const reacted = (): boolean => session.close !== undefined || accepted()
    if (!(await session.until(reacted, SILENCE_MS)) && connection.state === 'open') {
      // A pong tells that the frame was passed over; a close may still come, so the whole time is given.
      if (whole) await session.send({ op: 9, text: PROBE.toString() })
      await session.until(reacted, bench.patienceMs - SILENCE_MS)
    }
    if (accepted()) {
      this.#count('ws_accepted_bad_frame')
      const how = session.arrived > allowed ? 'with a message' : 'with a pong'
      return this.#tell('accepted', `${this.#what} was answered ${how} and not by failing the connection`, {
        proof: true
      })
    }
    if (session.close !== undefined) {
      const forbidden = this.#forbidden(session.close)
      if (forbidden !== undefined) {
        this.#count('ws_accepted_bad_frame')
        return forbidden
      }
      // As a client does: the Close is answered, then the server ends the connection.
      await session.send({ op: 8, hex: '03e8' })
      const open = await this.#ended()
      if (open === undefined) this.#count('ws_closed_correctly')
      return open ?? KEPT
    }
    if (connection.state !== 'open') {
      this.#count('ws_closed_correctly')
      return KEPT
    }
    if (expect.silence === true) return KEPT
    if (probes() > 0) {
      this.#count('ws_accepted_bad_frame')
      return this.#tell('passed over', `after ${this.#what} the connection goes on: a ping is answered`)
    }
    this.#count('ws_hang_no_close')
    return this.#tell(
      'silence',
      `after ${this.#what} the connection stays open in silence for ${bench.patienceMs} ms`
    )
  }

  async #ends(): Promise<Verdict> {
    const session = this.#session
    const { bench, connection } = session
    await session.until(() => session.close !== undefined)
    if ((await connection.waitClose(bench.patienceMs)) === 'open')
      return this.#tell(
        'kept open',
        `after ${this.#what} the server left its side of the TCP connection open for ${bench.patienceMs} ms`
      )
    const code = session.close?.code
    return code === undefined || mayBeSent(code) ? KEPT : this.#forbidden(session.close!)!
  }

  async #any({ frames, then }: WsFrameCase): Promise<Verdict> {
    const session = this.#session
    if (then === 'rst') return KEPT
    await session.until(() => session.close !== undefined || session.messages.length > 0, SILENCE_MS)
    await wait(0)
    const code = session.close?.code
    // A code that came in may be echoed where its own legality is open; those that must never be on a wire may not.
    if (code !== undefined && (code === 1005 || code === 1006 || code === 1015))
      return this.#forbidden(session.close!)!
    const sent = frames.reduce((sum, item) => sum + begun(item), 0)
    if (session.arrived <= sent) return KEPT
    return this.#tell('more answers', `${this.#what} was answered with ${session.arrived} messages`, {
      proof: true
    })
  }
}

/** Messages that begin here. */
function begun(item: WsFrameCase['frames'][number]): number {
  if ('times' in item) return item.times * item.frames.filter(({ op }) => MESSAGE.has(op)).length
  return MESSAGE.has(item.op) ? 1 : 0
}
