/** Which cases were on their way when: what befalls the process is told to the cases of that moment. */
import type { SliceName } from '../contracts.ts'

/** A case by slice and name: names are unique within a slice only. */
export interface CaseName {
  slice: SliceName
  id: string
}

/** One try of a case; times are `performance.now()`. */
export interface Try extends CaseName {
  from: number
  /** When it was booked; Infinity while it is on its way. */
  to: number
}

export const keyOf = ({ slice, id }: CaseName): string => `${slice}/${id}`

/** Tries that are kept; a soak has millions. */
const MOST = 20_000
/** How long a try took whose begin or end nobody told, ms. */
const UNTOLD_MS = 2000

export class Timeline {
  #tries: Try[] = []
  readonly #open = new Map<string, Try[]>()

  began(slice: SliceName, id: string): void {
    const one: Try = { slice, id, from: performance.now(), to: Infinity }
    this.#tries.push(one)
    if (this.#tries.length > MOST) this.#tries = this.#tries.slice(MOST / 2)
    const key = keyOf(one)
    this.#open.set(key, [...(this.#open.get(key) ?? []), one])
  }

  /** The verdict over a case ends its tries. One that was played and never said when it began did so not long before. */
  booked(slice: SliceName, id: string, played: boolean): void {
    const key = keyOf({ slice, id })
    const now = performance.now()
    const open = this.#open.get(key)
    if (open === undefined && played) this.#tries.push({ slice, id, from: now - UNTOLD_MS, to: now })
    for (const one of open ?? []) one.to = now
    this.#open.delete(key)
  }

  /** Tries that were on their way at some time between the two. */
  during(from: number, to: number): Try[] {
    return this.#tries
      .map((one) => (one.to === Infinity ? { ...one, to: one.from + UNTOLD_MS } : one))
      .filter((one) => one.from <= to && one.to >= from)
  }

  /** Every case that was begun, in the order of its first try. */
  cases(): CaseName[] {
    const seen = new Map<string, CaseName>()
    for (const { slice, id } of this.#tries) seen.set(keyOf({ slice, id }), { slice, id })
    return [...seen.values()]
  }
}
