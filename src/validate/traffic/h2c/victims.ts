/** Clients that go on beside a flood: what they get, and how long it takes (O3, O14). */
import { wait } from '../proof/bench.ts'
import { plain, type Ground } from './ground.ts'

const BETWEEN_MS = 50
/** How many times the patience others are waited for while the flood rests. */
const HELD = 3
/** A server may turn clients away for a moment. */
const LIMITED = /\b(429|503)\b/

interface Ask {
  begun: number
  ended: number
}

export interface Served {
  slowestMs: number
  /** What was seen where clients were not served. */
  failed: string | undefined
}

export class Victims {
  readonly #ground: Ground
  readonly #asks: Ask[] = []
  #over = false
  #done: Promise<void> = Promise.resolve()
  /** When the client that waits now began. */
  #begun: number | undefined

  constructor(ground: Ground) {
    this.#ground = ground
  }

  start(): void {
    this.#done = this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#over && !this.#ground.bench.aborted) {
      const begun = performance.now()
      this.#begun = begun
      await plain(this.#ground).catch(() => undefined)
      this.#begun = undefined
      this.#asks.push({ begun, ended: performance.now() })
      await wait(BETWEEN_MS)
    }
  }

  async stop(): Promise<void> {
    this.#over = true
    await this.#done
  }

  /**
   * What clients got since then. Called while the attacker's connection is still open and asks for nothing more: a
   * server that is only slow works the flood off, and others are served again; one that is stopped by it is not.
   * @param from `performance.now()`
   */
  async since(from: number): Promise<Served> {
    const { bench } = this.#ground
    const end = performance.now() + HELD * bench.patienceMs
    let failed: string | undefined
    do {
      failed = await plain(this.#ground).catch((error: unknown) => String(error))
      if (failed !== undefined && LIMITED.test(failed)) failed = undefined
    } while (failed !== undefined && performance.now() < end && !bench.aborted && bench.ended() === undefined)
    const asks = this.#asks.filter(({ ended }) => ended >= from)
    const waiting = this.#begun === undefined ? 0 : performance.now() - this.#begun
    const slowestMs = Math.round(Math.max(waiting, ...asks.map(({ begun, ended }) => ended - begun)))
    return { slowestMs, failed }
  }
}
