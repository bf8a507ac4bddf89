/** Clients that go on beside a flood: what they get, and how long it takes (O3, O14). */
import { wait } from '../proof/bench.ts'
import { plain, type Ground } from './ground.ts'

const BETWEEN_MS = 50
/** So many in a row without an answer are no chance. */
const IN_A_ROW = 3
/** A server may turn clients away for a moment. */
const LIMITED = /\b(429|503)\b/

interface Ask {
  begun: number
  ended: number
  wrong: string | undefined
}

export interface Served {
  asked: number
  slowestMs: number
  /** What was seen where clients were not served. */
  failed: string | undefined
}

export class Victims {
  readonly #ground: Ground
  readonly #asks: Ask[] = []
  #over = false
  #done: Promise<void> = Promise.resolve()
  #turns: (() => void)[] = []

  constructor(ground: Ground) {
    this.#ground = ground
  }

  start(): void {
    this.#done = this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#over && !this.#ground.bench.aborted) {
      const begun = performance.now()
      const wrong = await plain(this.#ground).catch((error: unknown) => String(error))
      this.#asks.push({ begun, ended: performance.now(), wrong })
      for (const turn of this.#turns.splice(0)) turn()
      await wait(BETWEEN_MS)
    }
    for (const turn of this.#turns.splice(0)) turn()
  }

  async stop(): Promise<void> {
    this.#over = true
    await this.#done
  }

  /** What clients got since then; the one that waits now is waited for. @param from `performance.now()` */
  async since(from: number): Promise<Served> {
    if (!this.#over) await new Promise<void>((resolve) => this.#turns.push(resolve))
    const asks = this.#asks.filter(({ ended }) => ended >= from)
    let row = 0
    let failed: string | undefined
    for (const { begun, ended, wrong } of asks) {
      row = wrong === undefined || LIMITED.test(wrong) ? 0 : row + 1
      const long = wrong !== undefined && ended - begun >= this.#ground.bench.patienceMs
      if (row >= IN_A_ROW || (row > 0 && long)) failed ??= wrong
    }
    const slowestMs = Math.round(Math.max(0, ...asks.map(({ begun, ended }) => ended - begun)))
    return { asked: asks.length, slowestMs, failed }
  }
}
