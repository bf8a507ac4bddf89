/** The health route, asked once a second on a connection of its own, whether or not the one before was answered. */
import type { Vitals } from '../contracts.ts'
import { get, type Answer } from './probe.ts'

export interface HealthAnswer extends Answer {
  /** Seconds since the loop began. */
  t: number
  phase: string
  /** Longest stall of our own event loop while it was waited for, ms. */
  stall: number
  /** Answers that the walkers had got when it was asked, and those that they got while it was waited for. */
  walkedBefore: number
  walked: number
}

/** Time-outs in a row that count as a hang. */
export const HANG_AFTER = 4
/** Refused connections in a row after which nobody listens. */
export const REFUSED_AFTER = 3
/** Wait, ms, from which one answer is a stall of the server. */
export const STALL_MS = 2000
/** Waits below this many times the usual one are how the server is under this load. */
const STALL_FACTOR = 10
/** Stall of our own event loop, ms, from which a slow answer says nothing about the server. */
export const OWN_STALL = 500
const TIMEOUT_MS = 5000
/** Requests that wait at the same time; more would only add to the load. */
const MOST_WAITING = TIMEOUT_MS / 1000 + 1

export class HealthProbe {
  /** Answers in the order in which they were asked for; one that is waited for is not among them. */
  readonly answers: HealthAnswer[] = []
  readonly timeoutMs = TIMEOUT_MS
  readonly #place: { host: string; port: number; path: string }
  readonly #vitals: Vitals
  readonly #walked: () => number
  readonly #begun: number
  readonly #waiting = new Map<number, Promise<void>>()
  #asked = 0

  constructor(
    place: { host: string; port: number; path: string },
    vitals: Vitals,
    walked: () => number,
    begun: number
  ) {
    this.#place = place
    this.#vitals = vitals
    this.#walked = walked
    this.#begun = begun
  }

  /** Asks once; resolves with the answer, never throws. */
  ask(phase: string): Promise<void> {
    if (this.#waiting.size >= MOST_WAITING) return Promise.resolve()
    const started = performance.now()
    const id = (this.#asked += 1)
    const before = this.#walked()
    const { host, port, path } = this.#place
    const asked = get(host, port, path, TIMEOUT_MS).then((answer) => {
      this.#waiting.delete(id)
      this.answers.push({
        ...answer,
        t: (started - this.#begun) / 1000,
        phase,
        stall: Math.round(this.#vitals.stallSince(started)),
        walkedBefore: before,
        walked: this.#walked() - before
      })
      this.answers.sort((a, b) => a.t - b.t)
    })
    this.#waiting.set(id, asked)
    return asked
  }

  /** Requests without an answer at this moment. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Waits for what is still asked for. */
  async settle(): Promise<void> {
    await Promise.all(this.#waiting.values())
  }
}

/** A time-out that is the server's, not ours. */
export function hung(answer: HealthAnswer): boolean {
  return answer.error === 'timeout' && answer.stall < OWN_STALL
}

/** Longest run of consecutive answers for which the test holds. */
export function longestRun(
  answers: readonly HealthAnswer[],
  test: (answer: HealthAnswer) => boolean
): number {
  let longest = 0
  let run = 0
  for (const answer of answers) {
    run = test(answer) ? run + 1 : 0
    longest = Math.max(longest, run)
  }
  return longest
}

/** Answers that took far longer than usual while our own process kept up. */
export function stalls(answers: readonly HealthAnswer[]): HealthAnswer[] {
  const usual = answers
    .filter(({ error }) => error === undefined)
    .map(({ ms }) => ms)
    .sort((a, b) => a - b)
  const median = usual[Math.floor(usual.length / 2)] ?? 0
  const limit = Math.max(STALL_MS, median * STALL_FACTOR)
  return answers.filter(
    (answer) =>
      answer.ms >= limit &&
      answer.stall < Math.max(OWN_STALL, answer.ms / 4) &&
      (answer.error ?? 'timeout') === 'timeout'
  )
}

/** Share of the usual answers below which the walkers stood still too. */
const STILL_SHARE = 0.2

/** Whether the walkers got hardly an answer while this one was waited for, and how many are usual in that time. */
export function walkersStill(
  answer: HealthAnswer,
  answers: readonly HealthAnswer[]
): { still: boolean; usual: number } {
  const [first, last] = [answers[0], answers.at(-1)]
  const span = (last?.t ?? 0) - (first?.t ?? 0)
  const perSecond = span > 0 ? (last!.walkedBefore - first!.walkedBefore) / span : 0
  const usual = Math.round((perSecond * answer.ms) / 1000)
  return { still: answer.walked <= usual * STILL_SHARE, usual }
}
