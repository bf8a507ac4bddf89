/** Latencies in logarithmic buckets, four to a doubling: 1 us to about an hour, 19 % wide at most. */
const PER_DOUBLING = 4
const BUCKETS = 32 * PER_DOUBLING
/** Lower end of each bucket. */
const FROM = Float64Array.from({ length: BUCKETS }, (_, bucket) => 2 ** (bucket / PER_DOUBLING))
const MOST = 2 ** 32 - 1

export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS)
  #total = 0
  #max = 0

  /** @param us microseconds */
  add(us: number): void {
    // The doubling from the bits, the part of it by comparison: a logarithm for each answer costs more.
    let bucket = us < 1 ? 0 : (31 - Math.clz32(Math.min(us, MOST))) * PER_DOUBLING
    while (bucket + 1 < BUCKETS && us >= FROM[bucket + 1]!) bucket += 1
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
