/** One malformed message at a time is on its way, so that a death can be told to the message that caused it. */
import type { Observation } from '../../oracles/exchange.ts'

export interface Sent {
  id: string
  /** `performance.now()` of its first byte. */
  at: number
  answered: boolean
  /** Once the exchange is over. */
  seen?: Observation
}

/** A message that is not answered by then lets the next one go. */
const LONGEST_MS = 150
const KEPT = 32
/** Two messages this close may be read in either order, ms. */
const SLACK_MS = 3

export class Turn {
  #tail: Promise<void> = Promise.resolve()
  readonly #sent: Sent[] = []
  #wellUntil = 0

  /** A message that is sent beside others: it has been survived before. */
  beside(id: string): Sent {
    const sent: Sent = { id, at: performance.now(), answered: false }
    this.#sent.push(sent)
    if (this.#sent.length > KEPT) this.#sent.shift()
    return sent
  }

  /** Resolves when it is this message's turn; call `over` when it is answered, or over. */
  async take(id: string): Promise<{ sent: Sent; over: () => void }> {
    const before = this.#tail
    let release = (): void => undefined
    this.#tail = new Promise((resolve) => {
      release = resolve
    })
    await before
    const sent = this.beside(id)
    const timer = setTimeout(release, LONGEST_MS)
    return {
      sent,
      over: () => {
        clearTimeout(timer)
        release()
      }
    }
  }

  /** An exchange that began then was served: what had been sent before did not stop the server at once. */
  served(startedAt: number): void {
    this.#wellUntil = Math.max(this.#wellUntil, startedAt)
  }

  /**
   * Messages that may have broken the server, best guess first: the first unanswered one since it was last
   * seen well, then the latest of all others.
   */
  suspects(): Sent[] {
    const unanswered = this.#sent.filter(({ answered, at }) => !answered && at > this.#wellUntil - SLACK_MS)
    return [...unanswered, ...this.#sent.filter((sent) => !unanswered.includes(sent)).reverse()]
  }
}
