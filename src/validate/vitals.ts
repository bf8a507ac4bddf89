/** How well our own process keeps up, so that a stall of ours is never told of the server. */
import type { Vitals } from './contracts.ts'

const EVERY_MS = 20
const KEPT = 3000

/** Measures how late a timer fires; keeps the last minute. */
export class LoopVitals implements Vitals {
  readonly #timer: NodeJS.Timeout
  /** Rings of stall ends (performance.now()) and lengths (ms). */
  readonly #at: number[] = []
  readonly #late: number[] = []
  #last = performance.now()

  constructor() {
    this.#timer = setInterval(() => this.#tick(), EVERY_MS)
    this.#timer.unref()
  }

  #tick(): void {
    const now = performance.now()
    const late = now - this.#last - EVERY_MS
    this.#last = now
    if (late < EVERY_MS) return
    this.#at.push(now)
    this.#late.push(late)
    if (this.#at.length > KEPT) {
      this.#at.splice(0, KEPT / 2)
      this.#late.splice(0, KEPT / 2)
    }
  }

  stallSince(since: number): number {
    let longest = Math.max(0, performance.now() - this.#last - EVERY_MS)
    for (let i = this.#at.length - 1; i >= 0 && this.#at[i]! >= since; i--) {
      longest = Math.max(longest, this.#late[i]!)
    }
    return longest
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
