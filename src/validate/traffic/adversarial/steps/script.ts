/** Plays the steps of a script on a connection of its own, and tells what was seen. */
import { setTimeout as delay } from 'node:timers/promises'
import type { RandomStream } from '../../../../kit/random.ts'
import type { HttpResponse, ParseError } from '../../../../wire/http1.ts'
import type { Transcript } from '../../../../wire/transcript.ts'
import type { Count, Script, Step } from '../../../catalogue/http1/steps/index.ts'
import type { Stage } from '../trial.ts'
import { Filler, type Asked, type Variant } from './fill.ts'
import { Line } from './line.ts'

/** What one try may send, bytes; a pour ends a little below. */
const BUDGET = 16 << 20
const POUR_BUDGET = 15 << 20
/**
 * A bound of 16 MiB is one, too: before a server is said to have none, it must have taken so much that the rest
 * cannot lie in the buffers of two kernels.
 */
export const DEEP_BUDGET = 28 << 20
/** An answer was seen while we write: how long the rest of the write is waited for, ms. */
const LINGER_MS = 300
/** A slow server is watched for as long as so many of its twins take, and not longer than this, ms. */
const TWINS = 10
const MOST_WATCH_MS = 2000
/** A heavy message is given so many times the usual limit. */
const HEAVY = 4
/** After the budget is spent, how long for a late answer, ms. */
const LATE_MS = 1000

export interface Seen {
  /** `performance.now()` of the connect. */
  startedAt: number
  variant: Variant
  /** The well-formed message that was served before it. */
  twin?: Transcript
  /** Bytes that the kernel took, and whether they were all. */
  accepted: number
  complete: boolean
  asked: Asked[]
  evil: string
  /** Body that the handler must see of the first request. */
  delivered?: Buffer
  /** Answers that the requests may have. */
  due: number
  answers: HttpResponse[]
  error?: ParseError
  /** The last answer has begun and is not whole. */
  midway: boolean
  /** The first answer came before the last byte had left. */
  early: boolean
  /** An interim answer came behind all others. */
  interim: boolean
  /** More answers than there may be up to some step. */
  exceeded: boolean
  /** Neither interim nor final, where one must come. */
  noInterim: boolean
  /** A wait for answers ended without them. */
  waited: boolean
  /** The budget was spent without an answer or a close. */
  unbounded: boolean
  end: 'open' | 'eof' | 'reset'
  received: Buffer
  transcript: Transcript
}

const sizeOf = (count: Count, { each }: Variant): number => (count === '{each}' ? Number(each) : count)

/** The part of a script that is played. */
export type Scripted = Pick<Script, 'steps' | 'due' | 'heads' | 'delivers' | 'alone'>

/**
 * Plays a script once.
 * @param sent called when the last byte has left or the first answer has come: others may go on
 * @throws ConnectFailed, InfraError
 */
export async function playScript(
  stage: Stage,
  entry: Scripted,
  variant: Variant,
  random: RandomStream,
  hooks: { connected?: () => void; sent?: () => void } = {}
): Promise<Seen> {
  const connection = await stage.dialer.connect(stage.limits.answerMs)
  try {
    hooks.connected?.()
    const line = new Line(connection, sizeOf(entry.due, variant), entry.heads)
    return await new Play(stage, entry, variant, random, line).run(hooks.sent)
  } finally {
    hooks.sent?.()
    stage.dialer.release(connection)
  }
}

class Play {
  readonly #stage: Stage
  readonly #entry: Scripted
  readonly #variant: Variant
  readonly #line: Line
  readonly #filler: Filler
  readonly #startedAt = performance.now()
  #spent = 0
  #complete = true
  #exceeded = false
  #early = false
  #noInterim = false
  #waited = false
  #unbounded = false

  constructor(stage: Stage, entry: Scripted, variant: Variant, random: RandomStream, line: Line) {
    this.#stage = stage
    this.#entry = entry
    this.#variant = variant
    this.#line = line
    this.#filler = new Filler(stage.scene, random, variant)
  }

  async run(sent?: () => void): Promise<Seen> {
    const { steps, due, delivers } = this.#entry
    const last = steps.findLastIndex((step) => 'send' in step || 'form' in step || 'pour' in step)
    for (const [i, step] of steps.entries()) {
      if (this.#stage.context.signal.aborted) break
      await this.#step(step)
      if (i === last) {
        // The one that waits for this message is let go with its first answer.
        void this.#line.until(() => this.#line.answers.length > 0, this.#stage.limits.answerMs).then(sent)
      }
    }
    this.#line.read()
    const { connection, answers, error, interim, midway } = this.#line
    return {
      startedAt: this.#startedAt,
      variant: this.#variant,
      accepted: connection.bytesAccepted,
      complete: this.#complete,
      asked: this.#filler.asked,
      evil: this.#filler.nonces.evil,
      ...(delivers === undefined ? {} : { delivered: this.#filler.fill(delivers) }),
      due: sizeOf(due, this.#variant),
      answers,
      ...(error === undefined ? {} : { error }),
      midway,
      early: this.#early,
      interim,
      exceeded: this.#exceeded,
      noInterim: this.#noInterim,
      waited: this.#waited,
      unbounded: this.#unbounded,
      end: connection.state,
      received: Buffer.from(connection.received),
      transcript: connection.transcript
    }
  }

  async #step(step: Step): Promise<void> {
    const line = this.#line
    const { answerMs, closeMs } = this.#stage.limits
    if ('send' in step) return this.#send(step)
    if ('form' in step) return this.#write(this.#filler.form(step))
    if ('pour' in step) return this.#pour(this.#filler.fill(step.pour))
    if ('pause' in step) return void (await delay(step.pause))
    if ('fin' in step) return line.connection.end()
    if ('rst' in step) return line.connection.reset()
    if ('watch' in step) {
      const before = line.answers.length
      const ms = Math.min(MOST_WATCH_MS, Math.max(step.watch, TWINS * (this.#variant.twinMs ?? 0)))
      return void (await line.until(() => line.answers.length > before, ms))
    }
    if ('most' in step) {
      const told = line.answers.slice(step.most).some(({ status }) => status !== 408)
      this.#exceeded ||= told
      return
    }
    if (step.wait === 'answers') return this.#answers(sizeOf(step.count, this.#variant))
    if (step.wait === 'close') {
      if (await line.until(() => line.answers.length > 0, answerMs))
        await line.until(() => !line.open, closeMs)
      else await line.until(() => !line.open, 1)
      return
    }
    const spoken = await line.until(() => line.interim || line.answers.length > 0, answerMs)
    this.#noInterim ||= !spoken && line.open
  }

  /** As long as more come, more are waited for. */
  async #answers(count: number): Promise<void> {
    const line = this.#line
    for (;;) {
      const before = line.connection.bytesReceived
      const enough = (): boolean => line.answers.length >= count || line.error !== undefined
      if (await line.until(enough, this.#answerMs)) return
      if (!line.open || line.connection.bytesReceived === before) break
    }
    this.#waited = line.open
  }

  async #send({ send, times = 1, cut, lockstep }: Extract<Step, { send: string }>): Promise<void> {
    const count = sizeOf(times, this.#variant)
    if (lockstep === true) {
      for (let i = 0; i < count && this.#line.open && !this.#waited; i++) {
        const before = this.#line.answers.length
        await this.#write(this.#filler.fill(send))
        await this.#answers(before + 1)
        if (this.#line.answers.at(-1)?.keepAlive === false) return
      }
      return
    }
    const bytes = Buffer.concat(Array.from({ length: count }, () => this.#filler.fill(send)))
    if (cut === undefined) return this.#write(bytes)
    for (let i = 0; i < bytes.length && this.#line.open; i++) {
      await this.#write(bytes.subarray(i, i + 1))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Writes until done or refused; after an answer, and where nothing is read, only for a while. */
  async #write(bytes: Buffer): Promise<void> {
    const line = this.#line
    if (bytes.length === 0) return
    this.#spent += bytes.length
    if (this.#spent > BUDGET) throw new Error('a case would send more than 16 MiB')
    if (!line.open && line.connection.state === 'reset') return void (this.#complete = false)
    let done = false
    const writing = line.write(bytes).then((all) => {
      done = true
      if (!all) this.#complete = false
    })
    await Promise.race([
      writing,
      line.until(() => line.answers.length >= this.#entryDue(), this.#stage.limits.answerMs)
    ])
    this.#early ||= !done && line.answers.length > 0
    if (!done) await Promise.race([writing, delay(LINGER_MS)])
    if (!done) this.#complete = false
  }

  get #answerMs(): number {
    return this.#stage.limits.answerMs * (this.#entry.alone === true ? HEAVY : 1)
  }

  #entryDue(): number {
    return sizeOf(this.#entry.due, this.#variant)
  }

  async #pour(unit: Buffer): Promise<void> {
    const line = this.#line
    const { answerMs } = this.#stage.limits
    const stopped = (): boolean => line.answers.length > 0 || !line.open
    const budget = this.#variant.budget ?? POUR_BUDGET
    while (this.#spent + unit.length <= budget && !stopped()) {
      this.#spent += unit.length
      // A server that reads no further has a bound, too.
      const taken = await Promise.race([line.write(unit), delay(answerMs, false)])
      line.read()
      if (!taken) return
    }
    if (stopped()) return
    await line.until(stopped, LATE_MS)
    this.#unbounded = !stopped()
  }
}
