/** Do descriptors stay after the clients have left (O13)? Asked where the processes of the server are known. */
import { setTimeout as delay } from 'node:timers/promises'
import type { SliceContext } from '../../../contracts.ts'

const PATIENCE_MS = 3000
const POLL_MS = 150
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

  /** Descriptors that stay after so many of our connections are gone; 0 where none do, or nobody can tell. */
  async left(connections: number): Promise<number> {
    if (this.#before === undefined) return 0
    const few = Math.max(LEAST, connections * SHARE)
    const until = performance.now() + PATIENCE_MS
    for (;;) {
      const now = (await this.#context.target.census())?.descriptors
      const left = now === undefined ? 0 : now - this.#before
      if (left <= few || this.#context.signal.aborted) return 0
      if (performance.now() > until) return left
      await delay(POLL_MS)
    }
  }
}
