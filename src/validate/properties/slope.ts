/**
 * Is a series growing? A robust slope with an interval, so that one step, a sawtooth or noise is no leak.
 *
 * Theil-Sen over the minima of time buckets: the troughs of a garbage-collected heap, blind to its peaks. The
 * interval is the distribution-free one of Sen (1968) from the ranks of the pairwise slopes. Growth must go on to
 * the end: a cache that has filled is no leak.
 */
export interface Point {
  /** Seconds. */
  t: number
  value: number
}

export interface SlopeVerdict {
  /** `too short`: neither growth nor its absence can be told from what was seen. */
  verdict: 'growing' | 'flat' | 'too short'
  /** Units per second: the median of pairwise slopes and its 95 % interval. */
  slope?: number
  low?: number
  high?: number
  /** Last trough minus first. */
  rise?: number
  detail: string
}

export interface SlopeBudget {
  /** Units per second that are no leak. */
  perSecond: number
  /** Smallest rise that counts, absolute and as a share of the mean level. */
  floor: number
  floorShare: number
  /** Seconds of observation after the warm-up below which nothing is said. */
  minSpan: number
  /** Seconds from which a series without proof of growth is flat; below, only one whose interval says so. Default: minSpan. */
  fullSpan?: number
}

const BUCKETS = 24
/** The last part of the observation, in which the growth must still go on, at this share of its pace or more. */
const END_SHARE = 0.4
const END_PACE = 0.25

/** Lowest point of each of up to 24 buckets of equal length. */
export function troughs(points: readonly Point[]): Point[] {
  const first = points[0]
  const last = points.at(-1)
  if (first === undefined || last === undefined) return []
  const width = Math.max(1, (last.t - first.t) / BUCKETS)
  const lowest: Point[] = []
  let bucket = -1
  for (const point of points) {
    const index = Math.min(BUCKETS - 1, Math.floor((point.t - first.t) / width))
    if (index !== bucket) {
      lowest.push(point)
      bucket = index
    } else if (point.value < lowest.at(-1)!.value) lowest[lowest.length - 1] = point
  }
  return lowest
}

interface Fit {
  slope: number
  low: number
  high: number
}

/** Median of the pairwise slopes and its 95 % interval. */
function theilSen(points: readonly Point[]): Fit {
  const slopes: number[] = []
  for (let i = 0; i < points.length; i++) {
    for (let j = i + 1; j < points.length; j++) {
      const dt = points[j]!.t - points[i]!.t
      if (dt > 0) slopes.push((points[j]!.value - points[i]!.value) / dt)
    }
  }
  slopes.sort((a, b) => a - b)
  const n = points.length
  // Kendall's variance of S gives the ranks of the interval's ends.
  const reach = 1.96 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18)
  const rank = (position: number): number =>
    slopes[Math.max(0, Math.min(slopes.length - 1, Math.round(position)))] ?? 0
  return {
    slope: rank((slopes.length - 1) / 2),
    low: rank((slopes.length - reach) / 2),
    high: rank((slopes.length + reach) / 2)
  }
}

export function judgeSlope(points: readonly Point[], budget: SlopeBudget): SlopeVerdict {
  const fullSpan = budget.fullSpan ?? budget.minSpan
  const span = points.length < 2 ? 0 : points.at(-1)!.t - points[0]!.t
  const lows = troughs(points)
  if (span < budget.minSpan || lows.length < 8) {
    return {
      verdict: 'too short',
      detail:
        span < budget.minSpan
          ? `${span.toFixed(0)} s after the warm-up observed, ${budget.minSpan} s needed`
          : `${lows.length} looks after the warm-up, 8 needed`
    }
  }
  const { slope, low, high } = theilSen(lows)
  const end = theilSen(lows.filter(({ t }) => t >= points.at(-1)!.t - span * END_SHARE))
  const rise = Math.min(lows.at(-1)!.value - lows[0]!.value, slope * span)
  const level = lows.reduce((sum, point) => sum + point.value, 0) / lows.length
  const floor = Math.max(budget.floor, budget.floorShare * level, budget.perSecond * Math.min(span, 600))
  const goesOn = end.slope >= Math.max(budget.perSecond, slope * END_PACE)
  const growing = low > budget.perSecond && rise >= floor && goesOn
  // A runtime that warms up grows and slows down: in a short cell neither a leak nor its absence.
  const flat = span >= fullSpan || high <= budget.perSecond || end.slope <= budget.perSecond
  const told = `slope ${short(slope)}/s [${short(low)}, ${short(high)}], rise ${short(rise)} over ${span.toFixed(0)} s`
  return {
    verdict: growing ? 'growing' : flat ? 'flat' : 'too short',
    slope,
    low,
    high,
    rise,
    detail: growing || flat ? told : `${told}; ${fullSpan} s needed to tell`
  }
}

function short(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
