/** Latencies in logarithmic buckets, four to a doubling: 1 us to about an hour, 19 % wide at most. */
const PER_DOUBLING = 4
const BUCKETS = 32 * PER_DOUBLING

export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS)
  #total = 0
  #max = 0

  /** @param us microseconds */
  add(us: number): void {
    const bucket = us < 1 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log2(us) * PER_DOUBLING))
    this.#counts[bucket]! += 1
    this.#total += 1
    if (us > this.#max) this.#max = us
  }

  /** Upper end of the bucket in which the quantile lies, microseconds. */
  quantile(q: number): number {
    if (this.#total === 0) return 0
    let left = Math.ceil(this.#total * q)
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.#counts[i]!
      if (left <= 0) return Math.min(this.#max, Math.round(2 ** ((i + 1) / PER_DOUBLING)))
    }
    return this.#max
  }

  get max(): number {
    return Math.round(this.#max)
  }
  get total(): number {
    return this.#total
  }
}
