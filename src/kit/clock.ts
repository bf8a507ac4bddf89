/** Time, as everything in the suite that waits or stamps asks for it. */
import { setTimeout as delay } from 'node:timers/promises'

export interface Clock {
  now(): Date
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonic(): number
  /** Resolves after the given time, or at once when the signal aborts (it never rejects). */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  async sleep(milliseconds, signal) {
    if (signal?.aborted === true) return
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
      if (signal?.aborted !== true) throw error
    })
  }
}
