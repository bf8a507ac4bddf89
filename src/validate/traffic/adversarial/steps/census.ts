/** Do descriptors stay after the clients have left (O13)? Asked where the processes of the server are known. */
import { setTimeout as delay } from 'node:timers/promises'
import type { StepCase } from '../../../catalogue/http1/steps/index.ts'
import type { SliceContext } from '../../../contracts.ts'
import { convict, type Wrong } from './verdict.ts'

const POLL_MS = 150
/** Time to close what the clients have left; less where a server was seen to keep it for good, ms. */
export const PATIENCE_MS = 3000
export const NEXT_PATIENCE_MS = 1000
/** Other slices hold connections of their own: only more than these, and this share of ours, is told. */
const LEAST = 24
const SHARE = 0.5
/** A proxy holds two for each client; more than these are those of others. */
const EACH = 2

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
   * What is wrong after so many of our connections are gone; undefined where nothing is, or nobody can tell. A server
   * may keep what a client has reset until its idle timer ends: where that is not known to be over, it is LOW.
   * @param patienceMs how long the server is given to close them
   */
  async judge(entry: StepCase, connections: number, patienceMs: number): Promise<Wrong | undefined> {
    const left = await this.left(connections, patienceMs)
    if (left === 0) return undefined
    const note = `${left} descriptors more than before, of ${connections} connections, all closed by us`
    const wrong = convict(entry, 'descriptors', note)
    const { idleCloseMs } = this.#context.capabilities
    if (wrong === undefined || (idleCloseMs !== undefined && idleCloseMs < patienceMs)) return wrong
    const title = `${wrong.title}: a leak, or a timer of more than ${patienceMs / 1000} s`
    return { ...wrong, severity: 'LOW', title }
  }

  /** Descriptors that stay; 0 where none do, or nobody can tell. */
  async left(connections: number, patienceMs: number): Promise<number> {
    if (this.#before === undefined) return 0
    const few = Math.max(LEAST, connections * SHARE)
    const until = performance.now() + patienceMs
    for (;;) {
      const now = (await this.#context.target.census())?.descriptors
      const left = now === undefined ? 0 : now - this.#before
      if (left <= few || left > EACH * connections + LEAST || this.#context.signal.aborted) return 0
      if (performance.now() > until) return left
      await delay(POLL_MS)
    }
  }
}
