/** Do descriptors stay after the clients have left (O13)? Asked where the processes of the server are known. */
import { setTimeout as delay } from 'node:timers/promises'
import type { SliceContext } from '../../../contracts.ts'

const POLL_MS = 150
/** Time to close what the clients have left; less where a server was seen to keep it for good, ms. */
export const PATIENCE_MS = 3000
export const NEXT_PATIENCE_MS = 1000
/** Other slices hold connections of their own: only more than these, and this share of ours, is told. */
const LEAST = 24
const SHARE = 0.5

export class DescriptorCount {
  readonly #context: SliceContext
  readonly #before: number | undefined

  private constructor(context: SliceContext, before: number | undefined) {
    this.#context = context
    this.#before = before
  }

  static async take(context: SliceContext): Promise<DescriptorCount> {
    return new DescriptorCount(context, (await context.target.census())?.descriptors)
  }

  /**
   * Descriptors that stay after so many of our connections are gone; 0 where none do, or nobody can tell.
   * @param patienceMs how long the server is given to close them
   */
  async left(connections: number, patienceMs: number): Promise<number> {
    if (this.#before === undefined) return 0
    const few = Math.max(LEAST, connections * SHARE)
    const until = performance.now() + patienceMs
    for (;;) {
      const now = (await this.#context.target.census())?.descriptors
      const left = now === undefined ? 0 : now - this.#before
      if (left <= few || this.#context.signal.aborted) return 0
      if (performance.now() > until) return left
      await delay(POLL_MS)
    }
  }
}
