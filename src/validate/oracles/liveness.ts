/** Do others still get served (O3), and does the process live (O12)? */
import { setTimeout as delay } from 'node:timers/promises'
import type { ExitInfo, Target } from '../../target/types.ts'
import { ConnectFailed, WriteFailed, type Connection } from '../../wire/tcp.ts'
import { readAnswers } from './answers.ts'
import type { Limits } from './deadline.ts'
import type { Dialer } from './dialer.ts'

const TRIES = 3
const BETWEEN_MS = 100
/** The end of a process is told later than its connections break. */
const EXIT_LAG_MS = 1000

/** The control request: anything that is answered in HTTP/1 shows life, whatever the status. */
export interface Control {
  method: string
  bytes: Buffer
}

export type Asked = { alive: true; status: number; ms: number } | { alive: false; seen: string }

/** Asks the control request once on a fresh connection. */
export async function askFresh(dialer: Dialer, control: Control, limits: Limits): Promise<Asked> {
  const begun = performance.now()
  let connection: Connection
  try {
    connection = await dialer.connect(limits.answerMs)
  } catch (error) {
    if (error instanceof ConnectFailed) return { alive: false, seen: `connect failed: ${error.code}` }
    throw error
  }
  try {
    const status = await ask(connection, control, 0, limits.answerMs)
    if (typeof status === 'number') return { alive: true, status, ms: performance.now() - begun }
    return { alive: false, seen: status }
  } finally {
    dialer.release(connection)
  }
}

/** Three tries; alive with the first that succeeds. */
export async function isAlive(dialer: Dialer, control: Control, limits: Limits): Promise<Asked> {
  let last: Asked = { alive: false, seen: 'not asked' }
  for (let i = 0; i < TRIES; i++) {
    if (i > 0) await delay(BETWEEN_MS)
    last = await askFresh(dialer, control, limits)
    if (last.alive) return last
  }
  return last
}

/** Status, or what was seen in its place. */
async function ask(
  connection: Connection,
  control: Control,
  skip: number,
  timeoutMs: number
): Promise<number | string> {
  try {
    await connection.write(control.bytes)
  } catch (error) {
    if (!(error instanceof WriteFailed)) throw error
  }
  const found = await connection.waitFor((received, state) => {
    const { responses, error } = readAnswers(received.subarray(skip), control.method, state !== 'open')
    return responses[0]?.status ?? (error === undefined ? undefined : `no HTTP/1: ${error.message}`)
  }, timeoutMs)
  if (found !== undefined) return found
  return connection.state === 'open'
    ? `no answer within ${Math.round(timeoutMs)} ms`
    : `closed (${connection.state}) without an answer`
}

/** A connection that was opened, and served, before a case; asked again after it. */
export class Elder {
  readonly #dialer: Dialer
  readonly #connection: Connection
  readonly #control: Control
  readonly #limits: Limits

  private constructor(dialer: Dialer, connection: Connection, control: Control, limits: Limits) {
    this.#dialer = dialer
    this.#connection = connection
    this.#control = control
    this.#limits = limits
  }

  /** Undefined where the server does not serve it. */
  static async open(dialer: Dialer, control: Control, limits: Limits): Promise<Elder | undefined> {
    try {
      const elder = new Elder(dialer, await dialer.connect(limits.answerMs), control, limits)
      if ((await elder.ask()) === 'answered') return elder
      elder.close()
      return undefined
    } catch (error) {
      if (error instanceof ConnectFailed) return undefined
      throw error
    }
  }

  /** `closed`: the server ended it, which it may do with an idle connection. */
  async ask(): Promise<'answered' | 'closed' | 'silent'> {
    const connection = this.#connection
    if (connection.state !== 'open') return 'closed'
    connection.consume(connection.received.length)
    const status = await ask(connection, this.#control, 0, this.#limits.answerMs)
    if (typeof status === 'number') return 'answered'
    return connection.state === 'open' ? 'silent' : 'closed'
  }

  close(): void {
    this.#dialer.release(this.#connection)
  }
}

/** How the process ended, if it did; waits a moment for news that is late. */
export async function exitOf(target: Target): Promise<ExitInfo | undefined> {
  return target.exit() ?? (await Promise.race([target.exited, delay(EXIT_LAG_MS, undefined)]))
}
