/** Was the mix kept? A chi-square over the drawn transitions: the oracle of the generator. */
export interface MixVerdict {
  statistic: number
  degrees: number
  /** Standard normal deviate of the statistic (Wilson-Hilferty); above 3.72 is p < 1e-4. */
  z: number
  kept: boolean
}

export interface Row {
  weights: readonly number[]
  counts: readonly number[]
}

const LEAST_EXPECTED = 5
const LIMIT_Z = 3.72

/** Cells with an expectation below 5 are put together within their row. */
export function judgeMix(rows: readonly Row[]): MixVerdict {
  let statistic = 0
  let degrees = 0
  for (const { weights, counts } of rows) {
    const total = counts.reduce((sum, count) => sum + count, 0)
    const weight = weights.reduce((sum, value) => sum + value, 0)
    const cells: { expected: number; seen: number }[] = []
    const small = { expected: 0, seen: 0 }
    for (const [i, value] of weights.entries()) {
      const cell = { expected: (total * value) / weight, seen: counts[i] ?? 0 }
      if (cell.expected >= LEAST_EXPECTED) cells.push(cell)
      else {
        small.expected += cell.expected
        small.seen += cell.seen
      }
    }
    if (small.expected >= LEAST_EXPECTED) cells.push(small)
    if (cells.length < 2) continue
    degrees += cells.length - 1
    for (const { expected, seen } of cells) statistic += (seen - expected) ** 2 / expected
  }
  if (degrees === 0) return { statistic: 0, degrees: 0, z: 0, kept: true }
  const spread = 2 / (9 * degrees)
  const z = (Math.cbrt(statistic / degrees) - (1 - spread)) / Math.sqrt(spread)
  return { statistic, degrees, z, kept: z <= LIMIT_Z }
}
