/** What the churn cases share: one living session, requests on it, and the verdict over their answers. */
import type { RandomStream } from '../../../kit/random.ts'
import { errorCode } from '../../../wire/http2.ts'
import { H2C_CHURN_CASES, type H2cChurnCase } from '../../catalogue/h2c/index.ts'
import { inconclusive, KEPT, type Breach, type Shot, type Trial, type Verdict } from '../proof/trial.ts'
import { getFields, plain, postFields, toldStream, wrongContent, type Ground } from './ground.ts'
import type { Stream } from './inbound.ts'
import { Session, type SessionOptions } from './session.ts'
import { convicted } from './told.ts'

const SHED = new Set([errorCode('ENHANCE_YOUR_CALM'), errorCode('REFUSED_STREAM')])

/** A request of ours, and what must come back. */
export interface Asked {
  stream: Stream
  body?: Buffer
}

/** Thrown out of a case by what was learned; caught by its trial. */
export class Judged extends Error {
  readonly verdict: Verdict
  constructor(verdict: Verdict) {
    super('judged')
    this.verdict = verdict
  }
}

export class Churn {
  readonly ground: Ground
  readonly session: Session
  readonly random: RandomStream
  readonly #case: H2cChurnCase

  constructor(ground: Ground, session: Session, random: RandomStream, id: string) {
    this.ground = ground
    this.session = session
    this.random = random
    this.#case = H2C_CHURN_CASES.find((entry) => entry.id === id)!
  }

  /** @param told what was seen */
  breach(as: string, told: string, facts: Partial<Breach> = {}): never {
    throw new Judged(convicted(this.#case, as, told, facts))
  }

  /** A figure of the case. */
  n(name: string): number {
    const value = this.#case.numbers[name]
    if (value === undefined) throw new Error(`the case ${this.#case.id} has no figure "${name}"`)
    return value
  }

  /** Streams that may be open at once. */
  room(most: number): number {
    return Math.max(1, Math.min(most, this.session.inbound.peer.streams))
  }

  get(): Asked {
    return { stream: this.session.request(getFields(this.ground)) }
  }

  post(body: Buffer): Asked {
    return { stream: this.session.request(postFields(this.ground), { body }), body }
  }

  /** Random bytes of the seed, as text, so that any echo can tell them. */
  body(length: number): Buffer {
    const word = this.random.hex(32)
    return Buffer.from(word.repeat(Math.ceil(length / 32)).slice(0, length))
  }

  /** The server's own bytes break a rule. */
  framing(): void {
    const { fault, http1 } = this.session
    if (fault !== undefined) {
      const { standard, symptom, title } = fault
      this.breach('framing', title, { standard, symptom, proof: true })
    }
    if (http1 !== undefined) {
      const told = `the server sends "${http1}" into an HTTP/2 connection`
      this.breach('framing', told, { symptom: 'HTTP/1 in HTTP/2', proof: true })
    }
  }

  /** Whole and right, or a verdict. */
  check({ stream, body }: Asked): void {
    this.framing()
    const { session, ground } = this
    if (!stream.answered) {
      const code = stream.reset ?? session.inbound.goaway?.code
      if (code !== undefined && SHED.has(code))
        throw new Judged(inconclusive(`the server sheds load: ${toldStream(session, stream)}`))
      // Many resets may be taken for abuse, which ends the connection (10.5).
      const resets = [...session.inbound.streams.values()].some(({ cancelled }) => cancelled)
      if (resets && session.inbound.goaway !== undefined)
        throw new Judged(
          inconclusive(`the server ends the connection for the resets: ${toldStream(session, stream)}`)
        )
      const silent = stream.reset === undefined && session.open && session.inbound.goaway === undefined
      const told = `stream ${stream.id} ends with ${toldStream(session, stream)}`
      this.breach(silent ? 'silence' : 'refused', silent ? `(${told})` : told)
    }
    const status = body === undefined ? ground.get.status : ground.post!.status
    if (stream.status !== status) {
      if ([413, 429, 503].includes(stream.status!))
        throw new Judged(inconclusive(`the server limits: status ${stream.status!}`))
      const told = `stream ${stream.id} is answered ${stream.status!} in place of ${status}`
      this.breach('refused', told, { proof: true })
    }
    const wrong = wrongContent(ground, stream, body)
    if (wrong !== undefined) this.breach('wrong answer', `stream ${stream.id} gets ${wrong}`, { proof: true })
    session.bench.context.tally.add('h2c_streams_answered')
  }

  async settle(asked: readonly Asked[], timeoutMs?: number): Promise<void> {
    await this.session.settle(
      asked.map(({ stream }) => stream),
      timeoutMs
    )
    for (const one of asked) this.check(one)
  }

  /** Sends many, never more open than there is room for, and checks each. */
  async stream(count: number, most: number, ask: (i: number) => Asked): Promise<void> {
    const room = this.room(most)
    let open: Asked[] = []
    for (let i = 0; i < count || open.length > 0;) {
      while (i < count && open.length < room) open.push(ask(i++))
      // Whichever ends first makes room: the others go on beside the next.
      await this.session.until(() => open.some(({ stream }) => this.session.settled(stream)))
      const done = open.filter(({ stream }) => this.session.settled(stream))
      if (done.length === 0) this.check(open[0]!)
      for (const one of done) this.check(one)
      open = open.filter((one) => !done.includes(one))
    }
  }
}

/** A churn case as a trial: a session of its own, its twin a plain request. */
export function churnTrial(
  ground: Ground,
  random: RandomStream,
  id: string,
  run: (churn: Churn) => Promise<Verdict | void>,
  options: SessionOptions = {}
): Trial {
  return {
    id,
    group: 'churn',
    twin: () => plain(ground),
    shoot: async (): Promise<Shot> => {
      const session = await Session.open(ground.bench, options)
      if (typeof session === 'string') return { verdict: inconclusive(session) }
      const { transcript } = session.connection
      const churn = new Churn(ground, session, random, id)
      try {
        const verdict = (await run(churn)) ?? KEPT
        churn.framing()
        return { verdict, transcript }
      } catch (error) {
        if (!(error instanceof Judged)) throw error
        return { verdict: error.verdict, transcript }
      } finally {
        session.destroy()
      }
    }
  }
}
