/** What an exchange of frames proves (RFC 9113). */
import { errorCode, errorName } from '../../../wire/http2.ts'
import type { H2cFrameCase } from '../../catalogue/h2c/index.ts'
import { broken, inapplicable, inconclusive, KEPT, type Breach, type Verdict } from '../proof/trial.ts'
import { echoOf, fieldValues, toldStream, wrongContent, type Ground } from './ground.ts'
import type { Stream } from './inbound.ts'
import type { Session } from './session.ts'

/** Silence after which a ping asks whether the connection goes on, ms. */
const SILENCE_MS = 250
/** After the pong, how long an error may still be on its way, ms. */
const LATE_MS = 400
const PROBE = Buffer.from('proceeds')
const CALM = errorCode('ENHANCE_YOUR_CALM')
const REFUSED = errorCode('REFUSED_STREAM')

type Facts = Pick<Breach, 'predicate' | 'title' | 'symptom'> & Partial<Breach>

class Judge {
  readonly ground: Ground
  readonly spec: H2cFrameCase
  readonly session: Session
  readonly #ends: boolean
  #pinged = false

  constructor(ground: Ground, spec: H2cFrameCase, session: Session, ends: boolean) {
    this.ground = ground
    this.spec = spec
    this.session = session
    this.#ends = ends
  }

  breach(facts: Facts): Verdict {
    return broken({ severity: this.spec.severity, standard: this.spec.standard, ...facts })
  }

  get stream(): Stream | undefined {
    return this.session.inbound.streams.get(this.spec.answers[0]!)
  }

  /** GOAWAY or the end of the connection. */
  get ending(): boolean {
    return this.session.over || this.session.inbound.goaway !== undefined
  }

  get #ponged(): boolean {
    return this.session.inbound.pongs.includes(PROBE.toString('hex'))
  }

  /** Waits for a reaction; after silence a ping asks whether the connection goes on. True where it does. */
  async goesOn(reacted: () => boolean): Promise<boolean> {
    const { session } = this
    const done = (): boolean => this.ending || reacted()
    if (await session.until(done, SILENCE_MS)) return false
    if (!this.#pinged) {
      this.#pinged = true
      session.ping(PROBE)
    }
    await session.until(() => done() || this.#ponged)
    if (!done()) await session.until(done, LATE_MS)
    return !done()
  }

  /** A connection error ends the connection (5.4.1); whoever announces it and stays is open for ever. */
  async ended(): Promise<Verdict> {
    const { session, spec } = this
    const { tally } = session.bench.context
    tally.add('h2c_well_rejected')
    if (session.http1 !== undefined && spec.expect !== 'preface' && !spec.bare) return this.framing()!
    const { goaway } = session.inbound
    if (goaway === undefined || goaway.code === 0 || !session.open) return this.framing() ?? KEPT
    await session.until(() => session.over)
    if (!session.open) return this.framing() ?? KEPT
    return this.breach({
      predicate: 'I-H2C-OPEN',
      severity: 'MED',
      standard: 'RFC 9113 5.4.1',
      title: `after ${spec.title} the server sends GOAWAY ${errorName(goaway.code)} and leaves the TCP connection open`,
      symptom: 'open after GOAWAY'
    })
  }

  /** The server's own bytes break a rule. */
  framing(): Verdict | undefined {
    const { fault, http1 } = this.session
    if (fault !== undefined) {
      return this.breach({
        predicate: 'I-H2C-FRAMING',
        severity: 'MED',
        standard: fault.standard,
        title: `after ${this.spec.title}: ${fault.title}`,
        symptom: fault.symptom,
        proof: true
      })
    }
    if (http1 === undefined || this.spec.expect === 'preface' || this.spec.bare) return undefined
    return this.breach({
      predicate: 'I-H2C-FRAMING',
      severity: 'MED',
      title: `after ${this.spec.title} the server sends "${http1}" into an HTTP/2 connection`,
      symptom: 'HTTP/1 in HTTP/2',
      proof: true
    })
  }

  silence(due: string): Verdict {
    return this.breach({
      predicate: 'I-H2C-HANG',
      title: `after ${this.spec.title} ${due} (waited ${Math.round(this.session.bench.patienceMs)} ms)`,
      symptom: 'silence'
    })
  }

  accepted(title: string, facts: Partial<Breach> = {}): Verdict {
    return this.breach({ predicate: 'I-H2C-ACCEPTED', title, symptom: 'accepted', ...facts })
  }

  async connection(): Promise<Verdict> {
    const { session, spec } = this
    const goes = await this.goesOn(() => false)
    if (this.ending) return this.ended()
    if (!goes || !this.#ponged)
      return this.silence('the server neither ends the connection nor answers a PING')
    const refused = [...session.inbound.streams.values()].find(
      ({ reset, status }) => (reset !== undefined && reset !== 0) || (status !== undefined && status >= 400)
    )
    if (refused !== undefined && spec.group !== 'hpack') {
      const told = toldStream(session, refused)
      return this.accepted(
        `${spec.title} is refused with ${told} on its stream, where the connection must end`,
        { severity: 'LOW', symptom: 'stream error in place of connection error' }
      )
    }
    return this.accepted(`after ${spec.title} the connection goes on: a PING is answered`)
  }

  async preface(): Promise<Verdict> {
    const { session, spec } = this
    const answered = (): boolean => this.stream?.status !== undefined
    const goes = await this.goesOn(answered)
    if (answered() || this.#ponged)
      return this.accepted(
        `${spec.title} is taken, and the request behind it ${answered() ? 'answered' : 'read'}`,
        {
          proof: true
        }
      )
    if (this.ending) return session.http1 === undefined ? this.ended() : KEPT
    return goes ? this.silence('the server neither refuses it nor ends the connection') : KEPT
  }

  async answered(): Promise<Verdict> {
    const { session, spec, ground } = this
    const streams = spec.answers.map((id) => session.inbound.streams.get(id)!)
    await session.settle(streams)
    const framing = this.framing()
    if (framing !== undefined) return framing
    const posts = spec.needs === 'body'
    const status = posts ? ground.post!.status : ground.get.status
    for (const stream of streams) {
      if (!stream.answered) {
        const { goaway } = session.inbound
        const code = stream.reset ?? goaway?.code
        if (code === CALM || code === REFUSED)
          return inconclusive(`the server sheds load: ${toldStream(session, stream)}`)
        return this.breach({
          predicate: 'I-H2C-REFUSED',
          title: `${spec.title} is well-formed, and gets no answer: ${toldStream(session, stream)}`,
          symptom: 'refused',
          proof: stream.reset !== undefined || goaway !== undefined
        })
      }
      if (stream.status !== status) {
        if (stream.status === 429 || stream.status === 503) return inconclusive(`status ${stream.status}`)
        return this.breach({
          predicate: 'I-H2C-REFUSED',
          title: `${spec.title} is well-formed, and is answered ${stream.status!} in place of ${status}`,
          symptom: 'other status',
          proof: true
        })
      }
      const wrong = wrongContent(ground, stream, posts ? Buffer.from('abc') : undefined)
      if (wrong !== undefined) {
        return this.breach({
          predicate: 'I-H2C-INTEGRITY',
          severity: 'HIGH',
          title: `${spec.title} gets ${wrong}`,
          symptom: 'wrong answer',
          proof: true
        })
      }
    }
    return KEPT
  }

  /** Stream errors and malformed requests: the request must not be served. */
  async refusal(): Promise<Verdict> {
    const { session, spec, ground } = this
    const stream = this.stream!
    const settled = (): boolean => session.settled(stream)
    let goes = await this.goesOn(settled)
    if (goes && !this.#ends) {
      // The frames were passed over: the rest of the request shows whether it is served all the same.
      session.finish(stream, Buffer.from('abc'))
      await session.until(() => settled() || this.ending)
      goes = !settled() && !this.ending
    }
    if (!stream.answered && (stream.reset !== undefined || this.ending)) {
      if (this.ending) return this.ended()
      session.bench.context.tally.add('h2c_well_rejected')
      return this.framing() ?? KEPT
    }
    if (goes || !stream.answered) {
      // An error code of its own is due, however long the request is.
      if (session.inbound.goaway !== undefined) return this.ended()
      return this.silence('neither an error nor an answer comes')
    }
    const status = stream.status!
    const framing = this.framing()
    if (framing !== undefined) return framing
    if (status >= 400 && status < 500) {
      session.bench.context.tally.add('h2c_well_rejected')
      return KEPT
    }
    if (status >= 500) {
      return this.breach({
        predicate: 'I-H2C-5XX',
        severity: 'LOW',
        title: `${spec.title} is answered ${status}, an error of the server`,
        symptom: '5xx'
      })
    }
    // RST_STREAM behind the answer may be the stream error that is due; NO_ERROR is none.
    if (stream.reset !== undefined && stream.reset !== 0) return KEPT
    if (spec.lenient) return this.delivered(ground, stream)
    return this.accepted(`${spec.title} must be refused, and is answered ${status}`, { proof: true })
  }

  /** The request was served: was the offending field, too? */
  delivered(ground: Ground, stream: Stream): Verdict {
    const { spec } = this
    const echo = ground.post?.echo === true ? echoOf(stream) : undefined
    if (echo === undefined)
      return inapplicable('it is served, and without an echo nobody can tell whether the field was delivered')
    const [name, value] = spec.frames[0]!.block!.add![0]!
    const seen = fieldValues(echo, name.toLowerCase())
    if (seen.includes(value))
      return this.accepted(`${spec.title} reaches the handler as it was sent`, {
        symptom: 'delivered',
        proof: true
      })
    return this.accepted(
      `${spec.title} must be refused, and is served ${seen.length === 0 ? 'with the field left out' : 'with the field changed'}`,
      { severity: 'LOW', symptom: 'served without the field', proof: true }
    )
  }

  async any(): Promise<Verdict> {
    const { session } = this
    await this.goesOn(() => this.stream === undefined || session.settled(this.stream))
    return this.framing() ?? KEPT
  }
}

/** @param ends the frames themselves end the request */
export async function judge(
  ground: Ground,
  spec: H2cFrameCase,
  session: Session,
  ends: boolean
): Promise<Verdict> {
  const judge = new Judge(ground, spec, session, ends)
  switch (spec.expect) {
    case 'connection':
      return judge.connection()
    case 'preface':
      return judge.preface()
    case 'answered':
      return judge.answered()
    case 'stream':
    case 'malformed':
      return judge.refusal()
    case 'any':
      return judge.any()
  }
}
