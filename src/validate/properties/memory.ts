/** Does memory that grew under load grow with reads too? A store that keeps what was written does not; a leak does. */
import type { Target } from '../../target/types.ts'
import { reads } from './reads.ts'

const READS = 3000
const REST_MS = 100
/** Looks without any work, and what they must add together: a leak by the clock. */
const IDLE_LOOKS = 6
const IDLE_EVERY_MS = 500
const IDLE_BYTES = 3 << 20
const LONGEST_MS = 25_000
/** Of the median growth per request, what a steady round must reach, and the share of rounds that must be steady. */
const STEADY_PACE = 0.4
const STEADY_ROUNDS = 0.8
const LEAST_ROUNDS = 5
/** Bytes per request below which growth is no leak that counts. */
const LEAST_PACE = 64
/**
 * What all rounds together must add: bytes, and a share of the level before. A collector may let garbage pile up to
 * the size of what lives, and has done so already under the load: more than a doubling is not garbage.
 */
const LEAST_BYTES = 8 << 20
const LEAST_SHARE = 1.1

export interface MemoryRounds {
  /** Requests answered in all rounds; 0 where it grew without any. */
  requests: number
  /** Growth in all, bytes. */
  grown: number
  /** It went on, round after round, beyond what garbage explains. */
  grows: boolean
}

/** Reads in rounds and looks at the quantity after each; undefined where it cannot be read. */
export async function memoryRounds(
  target: Target,
  path: string,
  bytes: () => Promise<number | undefined>,
  signal: AbortSignal
): Promise<MemoryRounds | undefined> {
  const idle = await idleGrowth(bytes, signal)
  if (idle !== undefined) return { requests: 0, grown: idle, grows: true }
  const end = performance.now() + LONGEST_MS
  // The first round only warms up: its growth may be that of buffers.
  await reads(target, path, READS, signal)
  const start = await bytes()
  if (start === undefined) return undefined
  const enough = Math.max(LEAST_BYTES, start * LEAST_SHARE)
  const paces: number[] = []
  const begun = performance.now()
  let requests = 0
  let level = start
  while (!signal.aborted && performance.now() < end) {
    const made = await reads(target, path, READS, signal)
    await new Promise((resolve) => setTimeout(resolve, REST_MS))
    const now = await bytes()
    if (now === undefined || made === 0) return undefined
    requests += made
    paces.push((now - level) / made)
    level = now
    if (level - start >= enough || (paces.length >= LEAST_ROUNDS && !isSteady(paces))) break
    // At this pace it would not be enough in the time that is left.
    const pace = (level - start) / (performance.now() - begun)
    if (paces.length >= LEAST_ROUNDS && pace * LONGEST_MS < enough) break
  }
  return { requests, grown: level - start, grows: isSteady(paces) && level - start >= enough }
}

/** Bytes that came without any work, look after look; undefined where they did not. */
async function idleGrowth(
  bytes: () => Promise<number | undefined>,
  signal: AbortSignal
): Promise<number | undefined> {
  const levels: number[] = []
  for (let look = 0; look <= IDLE_LOOKS && !signal.aborted; look++) {
    const now = await bytes()
    if (now === undefined) return undefined
    levels.push(now)
    // A leak by the second may miss one look.
    if (levels.length > 3 && levels.at(-1)! <= levels.at(-4)!) return undefined
    await new Promise((resolve) => setTimeout(resolve, IDLE_EVERY_MS))
  }
  const grown = levels.at(-1)! - levels[0]!
  return levels.length > IDLE_LOOKS && grown >= IDLE_BYTES ? grown : undefined
}

/** @param paces growth per request of each round, bytes */
function isSteady(paces: readonly number[]): boolean {
  const median = [...paces].sort((a, b) => a - b)[Math.floor(paces.length / 2)] ?? 0
  const steady = paces.filter((pace) => pace >= median * STEADY_PACE).length
  return median >= LEAST_PACE && steady >= paces.length * STEADY_ROUNDS
}
