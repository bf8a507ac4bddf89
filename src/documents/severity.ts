/** Order of severities and of thresholds. */
import type { Severity } from './finding.ts'

export const FAIL_ON = ['high', 'med', 'low', 'never'] as const
export type FailOn = (typeof FAIL_ON)[number]

const RANK: Record<Severity, number> = { LOW: 1, MED: 2, HIGH: 3 }

/** The worst first. */
export function bySeverity(a: { severity: Severity }, b: { severity: Severity }): number {
  return RANK[b.severity] - RANK[a.severity]
}

/** Whether a severity fails a gate; `strict` lowers the threshold to MED. */
export function fails(severity: Severity, failOn: FailOn, strict: boolean): boolean {
  if (failOn === 'never') return false
  const threshold = { high: 3, med: 2, low: 1 }[failOn]
  return RANK[severity] >= (strict ? Math.min(threshold, RANK.MED) : threshold)
}
