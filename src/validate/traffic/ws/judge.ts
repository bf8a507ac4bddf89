/** What an exchange of frames proves (RFC 6455). */
import type { WsExpectation, WsFrameCase } from '../../catalogue/ws/index.ts'
import { wait } from '../proof/bench.ts'
import { broken, inapplicable, KEPT, type Breach, type Verdict } from '../proof/trial.ts'
import { payloadOf, type Close, type Session } from './session.ts'

/** Silence after which a ping asks whether the connection still works, ms. */
const SILENCE_MS = 400
const PROBE = Buffer.from('still there?')
const TOO_BIG = 1009

/** Codes that no endpoint may send in a Close (7.4.1, 7.4.2). */
export function mayBeSent(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014)
}

function isUtf8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8')).equals(bytes)
}

type Facts = Pick<Breach, 'predicate' | 'title' | 'symptom'> & Partial<Breach>

export async function judge(spec: WsFrameCase, session: Session): Promise<Verdict> {
  const breach = (facts: Facts): Verdict => broken({ severity: 'MED', standard: spec.standard, ...facts })
  const verdict = await judgeExpectation(spec, spec.expect, session, breach)
  if (session.broken === undefined) return verdict
  return breach({
    predicate: 'I-WS-ECHO',
    severity: 'HIGH',
    title: `after ${spec.title} the server sends bytes that are no WebSocket frames: ${session.broken}`,
    symptom: 'server framing',
    proof: true
  })
}

function judgeExpectation(
  spec: WsFrameCase,
  expect: WsExpectation,
  session: Session,
  breach: (facts: Facts) => Verdict
): Promise<Verdict> {
  switch (expect.kind) {
    case 'echo':
      return judgeEcho(spec, expect, session, breach)
    case 'pong':
      return judgePong(spec, expect, session, breach)
    case 'close':
      return judgeClose(spec, expect, session, breach)
    case 'fail':
      return judgeFail(spec, expect, session, breach)
    case 'any':
      return judgeAny(spec, session, breach)
  }
}

/** A well-formed message was refused: by a limit, which may be, or wrongly. */
function refused(spec: WsFrameCase, session: Session, breach: (facts: Facts) => Verdict): Verdict {
  const code = session.close?.code
  if (code === TOO_BIG) return inapplicable('the server limits the size of messages (1009)')
  return breach({
    predicate: 'I-WS-ECHO',
    title: `${spec.title} is well-formed, and the server closed the connection (${code ?? session.connection.state})`,
    symptom: 'refused',
    proof: session.close !== undefined
  })
}

async function judgeEcho(
  spec: WsFrameCase,
  expect: Extract<WsExpectation, { kind: 'echo' }>,
  session: Session,
  breach: (facts: Facts) => Verdict
): Promise<Verdict> {
  const wanted = expect.messages.map((message) => ({ op: message.op, payload: payloadOf(message) }))
  const pong = expect.pong === undefined ? undefined : Buffer.from(expect.pong, 'hex')
  const ponged = (): boolean => pong === undefined || session.pongs().some((payload) => payload.equals(pong))
  await session.until(
    () => (session.messages.length >= wanted.length && ponged()) || session.close !== undefined
  )
  const got = session.messages
  const wrong = got.findIndex(
    ({ op, payload }, i) => wanted[i]?.op !== op || !wanted[i].payload.equals(payload)
  )
  if (wrong >= 0) {
    return breach({
      predicate: 'I-WS-ECHO',
      severity: 'HIGH',
      title: `${spec.title} came back changed: message ${wrong + 1} has opcode ${got[wrong]!.op} and ${got[wrong]!.payload.length} bytes`,
      symptom: 'changed',
      proof: true
    })
  }
  if (got.length === wanted.length && ponged()) return KEPT
  if (session.close !== undefined || session.connection.state !== 'open')
    return refused(spec, session, breach)
  if (got.length === wanted.length) {
    const other = session.pongs().length > 0
    return breach({
      predicate: other ? 'I-WS-ECHO' : 'I-WS-HANG',
      title: `${spec.title}: the ping got ${other ? 'a pong with other bytes' : 'no pong'}`,
      symptom: other ? 'pong changed' : 'no pong'
    })
  }
  return breach({
    predicate: 'I-WS-ECHO',
    severity: 'HIGH',
    title: `${spec.title} did not come back within ${session.bench.patienceMs} ms`,
    symptom: 'missing'
  })
}

async function judgePong(
  spec: WsFrameCase,
  expect: Extract<WsExpectation, { kind: 'pong' }>,
  session: Session,
  breach: (facts: Facts) => Verdict
): Promise<Verdict> {
  const wanted = payloadOf(expect)
  await session.until(() => session.pongs().length > 0 || session.close !== undefined)
  const pong = session.pongs()[0]
  if (pong?.equals(wanted) === true) return KEPT
  if (pong !== undefined) {
    return breach({
      predicate: 'I-WS-ECHO',
      severity: 'HIGH',
      title: `${spec.title} got a pong with other bytes`,
      symptom: 'changed',
      proof: true
    })
  }
  if (session.close !== undefined || session.connection.state !== 'open')
    return refused(spec, session, breach)
  return breach({
    predicate: 'I-WS-HANG',
    title: `${spec.title} got no pong within ${session.bench.patienceMs} ms`,
    symptom: 'no pong'
  })
}

/** The end of the TCP connection after a Close went both ways, or one way. */
async function ended(
  spec: WsFrameCase,
  session: Session,
  breach: (facts: Facts) => Verdict
): Promise<Verdict | undefined> {
  const { tally } = session.bench.context
  if ((await session.connection.waitClose(session.bench.patienceMs)) !== 'open') return undefined
  tally.add('ws_hang_no_close')
  return breach({
    predicate: 'I-WS-HANG',
    title: `after ${spec.title} the server sent Close and left the TCP connection open for ${session.bench.patienceMs} ms`,
    symptom: 'open after close'
  })
}

async function judgeClose(
  spec: WsFrameCase,
  expect: Extract<WsExpectation, { kind: 'close' }>,
  session: Session,
  breach: (facts: Facts) => Verdict
): Promise<Verdict> {
  const { tally } = session.bench.context
  const answered = await session.until(() => session.close !== undefined)
  if (!answered) {
    if (session.connection.state === 'open') {
      tally.add('ws_hang_no_close')
      return breach({
        predicate: 'I-WS-HANG',
        title: `${spec.title} got neither a Close nor the end of the connection`,
        symptom: 'no close'
      })
    }
    return breach({
      predicate: 'I-WS-CLOSE',
      title: `${spec.title} was answered by the end of the TCP connection without a Close frame (${session.connection.state})`,
      symptom: 'no close frame'
    })
  }
  const { code } = session.close!
  const forbidden = forbiddenClose(spec, session.close!, breach)
  if (forbidden !== undefined) return forbidden
  const open = await ended(spec, session, breach)
  if (open !== undefined) return open
  const late = session.messages.length > 0
  if (late) {
    tally.add('ws_accepted_bad_frame')
    return breach({
      predicate: 'I-WS-ACCEPTED',
      title: `${spec.title} was answered with a message`,
      symptom: 'data after close',
      proof: true
    })
  }
  // "Typically echoes the status code": another lawful code is no breach.
  if (code === undefined || code === expect.code || mayBeSent(code)) tally.add('ws_closed_correctly')
  return KEPT
}

/** A Close that no endpoint may send: half a code, a reserved code, a reason that is not UTF-8 (5.5.1, 7.4). */
function forbiddenClose(
  spec: WsFrameCase,
  { code, reason, bytes }: Close,
  breach: (facts: Facts) => Verdict
): Verdict | undefined {
  const half = bytes === 1
  const broken = half ? 'half a code' : isUtf8(reason) ? undefined : 'a reason that is not UTF-8'
  if (broken !== undefined) {
    return breach({
      predicate: 'I-WS-ACCEPTED',
      // What a reason says is not defined, only that it is text.
      severity: half ? 'MED' : 'LOW',
      title: `${spec.title} was answered with a Close that holds ${broken}`,
      standard: 'RFC 6455 5.5.1',
      symptom: 'malformed close sent',
      proof: true
    })
  }
  if (code === undefined || mayBeSent(code)) return undefined
  return breach({
    predicate: 'I-WS-ACCEPTED',
    title: `${spec.title} was answered with Close ${code}, a code that must not be sent`,
    standard: 'RFC 6455 7.4',
    symptom: 'forbidden code sent',
    proof: true
  })
}

async function judgeFail(
  spec: WsFrameCase,
  expect: Extract<WsExpectation, { kind: 'fail' }>,
  session: Session,
  breach: (facts: Facts) => Verdict
): Promise<Verdict> {
  const { bench, connection } = session
  const { tally } = bench.context
  const allowed = expect.allowed ?? 0
  const probes = (): number => session.pongs().filter((payload) => payload.equals(PROBE)).length
  const accepted = (): boolean => session.messages.length > allowed || session.pongs().length > probes()
  const reacted = (): boolean => session.close !== undefined || accepted()
  const whole = spec.frames.every(({ length }) => length === undefined)
  if (!(await session.until(reacted, SILENCE_MS)) && connection.state === 'open') {
    // A pong tells that the frame was passed over; a close may still come, so the whole time is given.
    if (whole) await session.send({ op: 9, text: PROBE.toString() })
    await session.until(reacted, bench.patienceMs - SILENCE_MS)
  }
  if (accepted()) {
    tally.add('ws_accepted_bad_frame')
    const how = session.messages.length > allowed ? 'with a message' : 'with a pong'
    return breach({
      predicate: 'I-WS-ACCEPTED',
      title: `${spec.title} was answered ${how} and not by failing the connection`,
      symptom: 'accepted',
      proof: true
    })
  }
  if (session.close !== undefined) {
    const forbidden = forbiddenClose(spec, session.close, breach)
    if (forbidden !== undefined) {
      tally.add('ws_accepted_bad_frame')
      return forbidden
    }
    // As a client does: the Close is answered, then the server ends the connection.
    await session.send({ op: 8, hex: '03e8' })
    const open = await ended(spec, session, breach)
    if (open === undefined) tally.add('ws_closed_correctly')
    return open ?? KEPT
  }
  if (connection.state !== 'open') {
    tally.add('ws_closed_correctly')
    return KEPT
  }
  if (expect.silence === true) return KEPT
  if (probes() > 0) {
    tally.add('ws_accepted_bad_frame')
    return breach({
      predicate: 'I-WS-ACCEPTED',
      title: `after ${spec.title} the connection goes on: a ping is answered`,
      symptom: 'passed over'
    })
  }
  tally.add('ws_hang_no_close')
  return breach({
    predicate: 'I-WS-HANG',
    title: `after ${spec.title} the connection stays open in silence for ${bench.patienceMs} ms`,
    symptom: 'silence'
  })
}

async function judgeAny(
  spec: WsFrameCase,
  session: Session,
  breach: (facts: Facts) => Verdict
): Promise<Verdict> {
  await session.until(() => session.close !== undefined || session.messages.length > 0, SILENCE_MS)
  await wait(0)
  const code = session.close?.code
  // A code that came in may be echoed where its own legality is open; those that must never be on a wire may not.
  if (code !== undefined && (code === 1005 || code === 1006 || code === 1015))
    return forbiddenClose(spec, session.close!, breach)!
  return KEPT
}
