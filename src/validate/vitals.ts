/** How well our own process keeps up, and whether the server gets a processor: a stall of the machine is nobody's fault. */
import { RunQueue } from '../target/run-queue.ts'
import type { Vitals } from './contracts.ts'

const EVERY_MS = 20
const KEPT = 3000
/** A thread of the server that waited for so large a part of the time was kept from answering. */
const STARVED_SHARE = 0.4

/** Measures how late a timer fires; keeps the last minute. */
export class LoopVitals implements Vitals {
  readonly #timer: NodeJS.Timeout
  /** Rings of stall ends (performance.now()) and lengths (ms). */
  readonly #at: number[] = []
  readonly #late: number[] = []
  #last = performance.now()
  readonly #queue: RunQueue | undefined

  /** @param server the process of the server at this moment, where it is known and on this machine */
  constructor(server?: () => number | undefined) {
    this.#queue = server === undefined ? undefined : new RunQueue(server)
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
    return Math.max(longest, this.#starved(since))
  }

  /** What a thread of the server waited for a processor since then, where that was most of what it could do, ms. */
  #starved(since: number): number {
    const seen = this.#queue?.waitedSince(since)
    return seen !== undefined && seen.waited >= seen.of * STARVED_SHARE ? seen.waited : 0
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#queue?.stop()
  }
}
