/** The last requests of one walker and the last bytes that it received: what a finding shows. */
const KEPT_REQUESTS = 16
/** Bytes received that are kept; the more where answers are large. Small is what stays in the cache. */
const SMALL_RING = 2 * 1024
const LARGE_RING = 16 * 1024

export class Recorder {
  readonly #requests: string[] = []
  #requestAt = 0
  #ring = Buffer.allocUnsafe(SMALL_RING)
  #at = 0
  #full = false

  /** @param request latin1 text */
  sent(request: string): void {
    this.#requests[this.#requestAt] = request
    this.#requestAt = (this.#requestAt + 1) % KEPT_REQUESTS
  }

  received(bytes: Buffer): void {
    const count = bytes.length
    if (count > SMALL_RING / 2 && this.#ring.length < LARGE_RING) {
      const kept = this.#kept()
      this.#ring = Buffer.allocUnsafe(LARGE_RING)
      this.#at = kept.copy(this.#ring)
      this.#full = false
    }
    const size = this.#ring.length
    let from = Math.max(0, count - size)
    while (from < count) {
      const room = Math.min(size - this.#at, count - from)
      bytes.copy(this.#ring, this.#at, from, from + room)
      this.#at += room
      from += room
      if (this.#at === size) {
        this.#at = 0
        this.#full = true
      }
    }
  }

  recent(): { sent: Buffer; received: Buffer } {
    const requests = [...this.#requests.slice(this.#requestAt), ...this.#requests.slice(0, this.#requestAt)]
    return { sent: Buffer.from(requests.join(''), 'latin1'), received: this.#kept() }
  }

  #kept(): Buffer {
    const begin = this.#ring.subarray(0, this.#at)
    return this.#full ? Buffer.concat([this.#ring.subarray(this.#at), begin]) : Buffer.from(begin)
  }
}
