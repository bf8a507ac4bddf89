/**
 * One message on a fresh connection, with proof that its bytes left (O1), the count of answers (O5), the
 * proof of the close (O4) and a follow-up on the same connection (O7).
 */
import type { HttpResponse, ParseError } from '../../wire/http1.ts'
import { WriteFailed, type Connection } from '../../wire/tcp.ts'
import type { Transcript } from '../../wire/transcript.ts'
import { isSuccess, readAnswers, type Answers } from './answers.ts'
import type { Limits } from './deadline.ts'
import type { Dialer } from './dialer.ts'

export interface Message {
  /** Method of the first request in the bytes. */
  method: string
  /** The bytes, each buffer a segment of its own. */
  segments: readonly Buffer[]
  /** Bytes after which an answer is no longer early: the end of the first request. Default: all of them. */
  answerableAt?: number
  /** Between segments, ms. */
  pauseMs: number
  /** FIN follows the bytes. */
  fin: boolean
  /** Valid request for the same connection, sent once the message is answered and the connection still open. */
  followUp?: Buffer
  /** True for the answer to the follow-up, where answers tell which request they belong to. */
  isFollowUp?: (response: HttpResponse) => boolean
  /** Sent when nothing was answered within the time limit. */
  unblock?: Buffer
  /** Answers that the message itself may have; the exchange of a twin ends with them. */
  answers: number
}

export interface Observation {
  /** `performance.now()` of the connect. */
  startedAt: number
  /** Bytes that the kernel took, and whether they were all. */
  accepted: number
  complete: boolean
  /** Something was answered before the first request was written. */
  early: boolean
  responses: HttpResponse[]
  /** How many of the responses came before the follow-up was sent; all of them where none was. */
  beforeFollowUp: number
  followUp: 'none' | 'sent' | 'failed'
  error?: ParseError
  incomplete: boolean
  /** How the connection stood at the end. */
  end: 'eof' | 'reset' | 'open'
  /** From the last byte written to the first whole answer, ms. */
  answerMs?: number
  /** The bytes of `unblock` were answered. */
  unblocked: boolean
  received: Buffer
  transcript: Transcript
  /** The well-formed message that was served before it. */
  twin?: Transcript
}

/** Without an announced close, how long to look for one before the follow-up, ms. */
const SETTLE_MS = 15
/** After an answer to the follow-up, how long to look for another, ms. */
const EXTRA_MS = 40
/** After a wrong answer to the follow-up, how long to look for the right one, ms. */
const STRAY_MS = 250

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Sends the message and watches until nothing more can be learned.
 * @param hooks `connected` is called before the first byte leaves; `answered` once the message has been answered,
 * closed, or given up: others may go on
 * @throws ConnectFailed, InfraError
 */
export async function exchange(
  dialer: Dialer,
  message: Message,
  limits: Limits,
  hooks: { connected?: () => void; answered?: () => void } = {}
): Promise<Observation> {
  const connection = await dialer.connect(limits.answerMs)
  try {
    hooks.connected?.()
    return await new Exchange(connection, message, limits).run(hooks.answered)
  } finally {
    hooks.answered?.()
    dialer.release(connection)
  }
}

class Exchange {
  readonly #connection: Connection
  readonly #message: Message
  readonly #limits: Limits
  readonly #startedAt = performance.now()
  #beforeFollowUp: number | undefined
  #followUp: Observation['followUp'] = 'none'
  #unblocked = false
  #early: boolean
  #complete = false
  #answerMs: number | undefined

  constructor(connection: Connection, message: Message, limits: Limits) {
    this.#connection = connection
    this.#message = message
    this.#limits = limits
    this.#early = connection.received.length > 0
  }

  #answers(received = this.#connection.received, state = this.#connection.state): Answers {
    return readAnswers(received, this.#message.method, state !== 'open')
  }

  /** Waits for so many answers, or for the end of the connection. */
  #wait(
    count: number,
    timeoutMs: number,
    also?: (answers: Answers) => boolean
  ): Promise<Answers | undefined> {
    return this.#connection.waitFor((received, state) => {
      const answers = this.#answers(received, state)
      return answers.responses.length >= count || answers.error !== undefined || also?.(answers) === true
        ? answers
        : undefined
    }, timeoutMs)
  }

  get #isOpen(): boolean {
    return this.#connection.state === 'open'
  }

  async run(answered?: () => void): Promise<Observation> {
    const complete = await this.#send()
    const sentAt = performance.now()
    await this.#wait(1, this.#limits.answerMs)
    answered?.()
    const [first] = this.#answers().responses
    if (first !== undefined) {
      this.#answerMs = performance.now() - sentAt
      await this.#after(first)
    } else if (this.#isOpen && this.#message.unblock !== undefined) {
      await this.#connection.write(this.#message.unblock).catch(ignoreGone)
      this.#unblocked = isSuccess((await this.#wait(1, this.#limits.closeMs))?.responses[0])
    }
    const { responses, error, incomplete } = this.#answers()
    return {
      startedAt: this.#startedAt,
      accepted: this.#connection.bytesAccepted,
      complete,
      early: this.#early,
      responses,
      beforeFollowUp: this.#beforeFollowUp ?? responses.length,
      followUp: this.#followUp,
      ...(error === undefined ? {} : { error }),
      incomplete,
      end: this.#connection.state,
      ...(this.#answerMs === undefined ? {} : { answerMs: this.#answerMs }),
      unblocked: this.#unblocked,
      received: Buffer.from(this.#connection.received),
      transcript: this.#connection.transcript
    }
  }

  /** Writes until done, refused, or answered before the end. */
  async #send(): Promise<boolean> {
    const { segments, pauseMs, fin } = this.#message
    let complete = false
    let stop = false
    const writing = (async () => {
      for (const [i, segment] of segments.entries()) {
        if (stop || !this.#isOpen) return
        await this.#connection.write(segment)
        if (i < segments.length - 1)
          await (pauseMs > 0 ? wait(pauseMs) : new Promise((resolve) => setImmediate(resolve)))
      }
      complete = true
      if (fin) this.#connection.end()
    })().catch(ignoreGone)
    const spoken = this.#wait(1, this.#limits.answerMs + segments.length * pauseMs)
    await Promise.race([writing, spoken])
    if (!complete) {
      const wanted = this.#message.answerableAt ?? Infinity
      this.#early ||= this.#connection.bytesAccepted < wanted && this.#answers().responses.length > 0
      // The framing that the head announced binds us after an early answer too: bytes left out would make the next
      // request their place-holder, and the fault ours.
      await Promise.race([writing, wait(this.#limits.answerMs + segments.length * pauseMs)])
    }
    stop = true
    this.#complete = complete
    return complete
  }

  /** What the connection does after the first answer. */
  async #after(first: HttpResponse): Promise<void> {
    const { fin, followUp, isFollowUp, answers } = this.#message
    const { closeMs, answerMs } = this.#limits
    if (!this.#complete) {
      await this.#connection.waitClose(closeMs)
      return
    }
    if (fin || followUp === undefined) {
      if (answers > 1) await this.#wait(answers, answerMs)
      if (fin) await this.#connection.waitClose(closeMs)
      return
    }
    // Without an announced close the follow-up tells at once whether the connection is still used.
    await this.#connection.waitClose(first.keepAlive ? SETTLE_MS : closeMs)
    if (!this.#isOpen) return
    const before = this.#answers().responses.length
    this.#beforeFollowUp = before
    try {
      await this.#connection.write(followUp)
      this.#followUp = 'sent'
    } catch (error) {
      ignoreGone(error)
      this.#followUp = 'failed'
      return
    }
    if (isFollowUp === undefined) {
      if ((await this.#wait(before + 1, answerMs)) !== undefined) await this.#connection.waitClose(EXTRA_MS)
      return
    }
    const found = await this.#wait(before + 1, answerMs)
    if (found === undefined || found.responses.some(isFollowUp)) return
    await this.#wait(Infinity, STRAY_MS, ({ responses }) => responses.some(isFollowUp))
  }
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof WriteFailed)) throw error
}
