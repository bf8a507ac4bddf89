/** What an exchange of frames proves (RFC 9113). */
import { errorCode, errorName } from '../../../wire/http2.ts'
import type { H2cFrameCase } from '../../catalogue/h2c/index.ts'
import { inapplicable, inconclusive, KEPT, type Breach, type Verdict } from '../proof/trial.ts'
import { echoOf, fieldValues, toldStream, wrongContent, type Ground } from './ground.ts'
import { fieldsOf } from './frames.ts'
import type { Stream } from './inbound.ts'
import type { Session } from './session.ts'
import { convicted } from './told.ts'

/** Silence after which a ping asks whether the connection goes on, ms. */
const SILENCE_MS = 250
/** After the pong, how long an error may still be on its way, ms. */
const LATE_MS = 400
const PROBE = Buffer.from('proceeds')
const CALM = errorCode('ENHANCE_YOUR_CALM')
const REFUSED = errorCode('REFUSED_STREAM')
const PROOF = { proof: true }

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

  breach(as: string, told = '', facts: Partial<Breach> = {}): Verdict {
    return convicted(this.spec, as, told, facts)
  }

  get stream(): Stream | undefined {
    return this.session.inbound.streams.get(this.spec.answers[0] ?? 1)
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
    // Where a refusal was enough, GOAWAY of no error is a farewell that may take its time.
    const farewell = goaway?.code === 0 && spec.expect !== 'connection' && spec.expect !== 'preface'
    if (goaway === undefined || farewell || !session.open) return this.framing() ?? KEPT
    await session.until(() => session.over)
    if (!session.open) return this.framing() ?? KEPT
    return this.breach('open', errorName(goaway.code), { standard: 'RFC 9113 5.4.1' })
  }

  /** The server's own bytes break a rule. */
  framing(): Verdict | undefined {
    const { fault, http1 } = this.session
    if (fault !== undefined) {
      const { standard, symptom, title } = fault
      return this.breach('framing', title, { standard, symptom, ...PROOF })
    }
    if (http1 === undefined || this.spec.expect === 'preface' || this.spec.bare) return undefined
    const told = `the server sends "${http1}" into an HTTP/2 connection`
    return this.breach('framing', told, { symptom: 'HTTP/1 in HTTP/2', ...PROOF })
  }

  silence(): Verdict {
    return this.breach('silence', `(waited ${Math.round(this.session.bench.patienceMs)} ms)`)
  }

  async connection(): Promise<Verdict> {
    const { session, spec } = this
    const goes = await this.goesOn(() => false)
    if (this.ending) return this.ended()
    if (!goes || !this.#ponged) return this.silence()
    const refused = [...session.inbound.streams.values()].find(
      ({ reset, status }) => (reset !== undefined && reset !== 0) || (status !== undefined && status >= 400)
    )
    // Whoever has lost the state of the table and goes on has lost the connection.
    if (refused === undefined || spec.group === 'hpack') return this.breach('accepted')
    return this.breach('stream error', toldStream(session, refused))
  }

  async preface(): Promise<Verdict> {
    const { session } = this
    const answered = (): boolean => this.stream?.status !== undefined
    const goes = await this.goesOn(answered)
    if (answered() || this.#ponged)
      return this.breach('accepted', answered() ? '' : '(a PING is answered)', PROOF)
    if (this.ending) return session.http1 === undefined ? this.ended() : KEPT
    return goes ? this.silence() : KEPT
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
        const proof = stream.reset !== undefined || goaway !== undefined
        return this.breach('refused', toldStream(session, stream), { proof })
      }
      if (stream.status !== status) {
        if (stream.status === 429 || stream.status === 503) return inconclusive(`status ${stream.status}`)
        return this.breach('refused', `status ${stream.status!} in place of ${status}`, PROOF)
      }
      const wrong = wrongContent(ground, stream, posts ? Buffer.from('abc') : undefined)
      if (wrong !== undefined) return this.breach('wrong answer', wrong, PROOF)
    }
    return spec.pong === undefined ? KEPT : this.#acknowledged(spec.pong)
  }

  async #acknowledged(octets: string): Promise<Verdict> {
    const { session } = this
    const { pongs } = session.inbound
    await session.until(() => pongs.length > 0)
    if (pongs.includes(octets)) return this.framing() ?? KEPT
    return (
      this.framing() ??
      (pongs.length > 0
        ? this.breach('refused', `its octets come back as ${pongs[0]!}`, PROOF)
        : this.breach('refused', session.ending))
    )
  }

  /** The answer waits for a window of ours, so that the stream is half-closed whatever the server is quick at. */
  async held(): Promise<Verdict> {
    const { session } = this
    const stream = this.stream!
    const refused = (): boolean => stream.reset !== undefined
    const goes = await this.goesOn(() => refused() || stream.ended)
    if (this.ending) return this.ended()
    if (refused()) {
      session.bench.context.tally.add('h2c_well_rejected')
      return this.framing() ?? KEPT
    }
    if (stream.ended)
      return this.framing() ?? inapplicable('the answer has no body that a window could hold back')
    return goes && this.#ponged ? this.breach('accepted') : this.silence()
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
      return session.inbound.goaway === undefined ? this.silence() : this.ended()
    }
    const status = stream.status!
    const framing = this.framing()
    if (framing !== undefined) return framing
    if (status >= 400 && status < 500) {
      session.bench.context.tally.add('h2c_well_rejected')
      return KEPT
    }
    if (status >= 500) return this.breach('5xx', String(status))
    // RST_STREAM behind the answer may be the stream error that is due; NO_ERROR is none.
    if (stream.reset !== undefined && stream.reset !== 0) return KEPT
    if (spec.expect === 'field') return this.delivered(ground, stream)
    return this.breach('accepted', String(status), PROOF)
  }

  /** The request was served: was the offending field, too? */
  delivered(ground: Ground, stream: Stream): Verdict {
    const { spec } = this
    const block = spec.frames[0]!.block!
    const asEcho = ground.post?.echo === true
    const echo = asEcho ? echoOf(stream) : undefined
    const place = block.add?.[0] ?? block.first![0]!
    const making = { ground, asEcho, most: 0 }
    const [name, value] = fieldsOf(making, { of: 'none', add: [place] })[0]!
    if (echo === undefined) {
      // A path that was served cannot have been left out.
      return name === ':path'
        ? this.breach('accepted', String(stream.status!), PROOF)
        : inapplicable('it is served, and without an echo nobody can tell whether the field was delivered')
    }
    if (name === ':path') {
      if (/[\0\r\n]/.test(echo.target)) return this.breach('delivered', '', PROOF)
      return this.breach('dropped', `the handler saw ${JSON.stringify(echo.target)}`, PROOF)
    }
    const seen = fieldValues(echo, name.toLowerCase())
    if (seen.includes(value)) return this.breach('delivered', '', PROOF)
    const told = seen.length === 0 ? 'the field is left out' : 'the field is changed'
    return this.breach('dropped', told, PROOF)
  }

  /** The choice is the server's; the connection must serve on or end. */
  async any(): Promise<Verdict> {
    const { session } = this
    const { stream } = this
    const goes = await this.goesOn(() => stream === undefined || session.settled(stream))
    const framing = this.framing()
    if (framing !== undefined) return framing
    return goes && !this.#ponged ? this.silence() : KEPT
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
    case 'held':
      return judge.held()
    case 'stream':
    case 'malformed':
    case 'field':
      return judge.refusal()
    case 'any':
      return judge.any()
  }
}
