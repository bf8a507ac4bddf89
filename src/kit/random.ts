/**
 * Seeded random streams.
 *
 * One seed, many streams: each purpose ("markov/walker-3", "adversarial/order") draws from its own
 * generator, so that taking one actor away does not move the numbers of the others.
 */
import { createHash, randomBytes } from 'node:crypto'
import { UserError } from './errors.ts'

/** Two digits of each byte. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** A stream of uniform numbers (xoshiro128**, 32 bits a draw). */
export class RandomStream {
  readonly #s: Uint32Array

  constructor(state: Uint32Array) {
    this.#s = state
  }

  /** Uniform integer in [0, 2^32). */
  uint32(): number {
    const s = this.#s
    const s1 = s[1]!
    const scaled = Math.imul(s1, 5)
    const result = Math.imul((scaled << 7) | (scaled >>> 25), 9) >>> 0
    const t = s1 << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= t
    s[3] = (s[3]! << 11) | (s[3]! >>> 21)
    return result
  }

  /** Uniform float in [0, 1). */
  float(): number {
    return this.uint32() / 4294967296
  }

  /** Uniform integer in [low, high], both ends included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.float() * (high - low + 1))
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('pick from an empty list')
    return items[this.int(0, items.length - 1)]!
  }

  /** Index drawn with the given weights (non-negative, not all zero). */
  weighted(weights: readonly number[]): number {
    let total = 0
    for (const weight of weights) total += weight
    let rest = this.float() * total
    for (let i = 0; i < weights.length; i++) {
      rest -= weights[i]!
      if (rest < 0) return i
    }
    return weights.length - 1
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const copy = [...items]
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.int(0, i)
      const kept = copy[i]!
      copy[i] = copy[j]!
      copy[j] = kept
    }
    return copy
  }

  bytes(length: number): Buffer {
    const out = Buffer.allocUnsafe(length)
    for (let i = 0; i < length; i++) out[i] = this.uint32() & 0xff
    return out
  }

  /** Lower-case hexadecimal text of the given length. */
  hex(length: number): string {
    let out = ''
    while (out.length < length) {
      const value = this.uint32()
      out += HEX[value >>> 24]! + HEX[(value >>> 16) & 255]! + HEX[(value >>> 8) & 255]! + HEX[value & 255]!
    }
    return out.length === length ? out : out.slice(0, length)
  }
}

/** All streams of one run, by name; the same seed and name give the same numbers on every machine. */
export class RandomStreams {
  readonly seed: string

  /** @param seed hexadecimal text as `parseSeed` returns it. */
  constructor(seed: string) {
    this.seed = seed
  }

  /** A fresh stream of the given purpose; asked twice, it starts again from its first number. */
  stream(purpose: string): RandomStream {
    const digest = createHash('sha256').update(`${this.seed}/${purpose}`).digest()
    const state = new Uint32Array(4)
    for (let i = 0; i < 4; i++) state[i] = digest.readUInt32LE(i * 4)
    return new RandomStream(state)
  }

  /** Streams of a part of the run, such as one cell. */
  child(purpose: string): RandomStreams {
    return new RandomStreams(`${this.seed}/${purpose}`)
  }
}

/** Reads a seed such as `0x5be9a0c1` (1 to 16 hexadecimal digits); the result has the prefix. */
export function parseSeed(text: string, where = 'seed'): string {
  const match = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text.trim())
  if (!match) {
    throw new UserError({
      where,
      what: `"${text}" is not a seed`,
      fix: 'give 1 to 16 hexadecimal digits, such as 0x5be9a0c1, or leave the seed out to get a fresh one'
    })
  }
  return `0x${match[1]!.toLowerCase().replace(/^0+(?=.)/, '')}`
}

/** A fresh seed of 32 bits. */
export function freshSeed(): string {
  return parseSeed(randomBytes(4).toString('hex'))
}
