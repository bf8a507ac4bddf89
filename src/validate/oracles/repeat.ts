/** Repeats (O11): what was seen once is a suspicion; the rate is reported. */

export interface Rate {
  k: number
  n: number
  believed: boolean
}

const SURE = 3
const MOST = 5

/**
 * Repeats what was seen once (that sighting counts) on fresh connections.
 * @param strict 3 of 3; else 3 of 5 are enough
 * @param again true when it was seen again, undefined when that try taught nothing
 */
export async function repeat(strict: boolean, again: () => Promise<boolean | undefined>): Promise<Rate> {
  let k = 1
  let n = 1
  let empty = 0
  while (k < SURE && empty < SURE) {
    if (strict ? k < n : n - k > MOST - SURE) break
    const seen = await again()
    if (seen === undefined) {
      empty += 1
      continue
    }
    n += 1
    if (seen) k += 1
  }
  return { k, n, believed: k >= SURE }
}
