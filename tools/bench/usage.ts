/** What a generator did and what it cost, from the start of its process to now. */
export interface Usage {
  answers: number
  /** Answers that were not right, and transport errors. */
  wrong: number
  /** User and system time of the whole process, its start included. */
  cpuSeconds: number
  /** Largest resident set, MiB. */
  peakMiB: number
}

export function usage(answers: number, wrong: number): Usage {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  return { answers, wrong, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMiB: maxRSS / 1024 }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
