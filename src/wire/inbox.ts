/** Bytes that arrived, one after the other in one block: joining what comes in pieces costs no more than its length. */

/** Smallest block. */
const LEAST = 512

export class Inbox {
  #block: Buffer = Buffer.alloc(0)
  #from = 0
  #to = 0

  get length(): number {
    return this.#to - this.#from
  }

  /** What is there, without a copy; it stays as it is whatever comes later, for nothing is written over. */
  get bytes(): Buffer {
    return this.#block.subarray(this.#from, this.#to)
  }

  /** Copies the bytes to the end. */
  add(bytes: Buffer): void {
    if (this.#to + bytes.length > this.#block.length) {
      const { length } = this
      // What comes alone is small, and what goes on coming is large: twice as much is made for the second.
      const size = length === 0 ? bytes.length : 2 * (length + bytes.length)
      const block = Buffer.allocUnsafeSlow(Math.max(LEAST, size))
      this.bytes.copy(block)
      this.#block = block
      this.#from = 0
      this.#to = length
    }
    bytes.copy(this.#block, this.#to)
    this.#to += bytes.length
  }

  /** Drops so many bytes from the front. */
  drop(count: number): void {
    this.#from = Math.min(this.#to, this.#from + count)
  }
}
