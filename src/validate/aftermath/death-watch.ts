/** Stops a play soon after the server serves nobody any more: slices that wait would wait for their whole time. */
import type { Target } from '../../target/types.ts'
import type { Ground } from './play.ts'
import { endOf, type End } from './pulse.ts'

/** What the slices are given to tell what they saw of an end, ms. */
const LAST_WORDS_MS = 2000

export class DeathWatch {
  readonly #target: Target
  readonly #ground: Ground
  readonly #controller = new AbortController()
  #looking: Promise<void> | undefined
  #seen: End | undefined

  constructor(target: Target, ground: Ground) {
    this.#target = target
    this.#ground = ground
    void target.exited.then(() => this.#end())
  }

  get stop(): AbortSignal {
    return this.#controller.signal
  }

  /** The end, as it is now: one that was seen and lasts, or what three more requests show. */
  async end(): Promise<End | undefined> {
    const { capabilities, vitals } = this.#ground
    return endOf(this.#target, capabilities, vitals, this.#seen === undefined ? undefined : 1)
  }

  /** Somebody who has tried for a while says that nobody is served. */
  look(): void {
    const { capabilities, vitals } = this.#ground
    this.#looking ??= endOf(this.#target, capabilities, vitals, 1).then((end) => {
      this.#looking = undefined
      if (end === undefined) return
      this.#seen = end
      this.#end()
    })
  }

  #end(): void {
    setTimeout(() => this.#controller.abort(), LAST_WORDS_MS).unref()
  }
}
