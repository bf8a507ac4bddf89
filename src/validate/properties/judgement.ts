/** What a predicate is given and how it ends. */
import type { HealthAnswer } from './health.ts'
import type { MemoryRounds } from './memory.ts'
import type { Published, Sample } from './sample.ts'

export interface Observed {
  samples: readonly Sample[]
  health: readonly HealthAnswer[]
  healthDeclared: boolean
  /** First and last `/debug/vars`; absent where none could be read. */
  first?: Published
  last?: Published
  /** Why `/debug/vars` could not be read. */
  missing: string
  /** Why the process table tells nothing, or not all. */
  missingProcess: string
  /** The process is known, so its end would be. */
  process: boolean
  /** Lines that the server printed, as far as they were kept. */
  output: readonly string[]
  /** What memory did under reads after the load; absent where it had not grown, or was not looked at. */
  afterwards?: { rss?: MemoryRounds; heap?: MemoryRounds }
  /** Counters of a slice, by document name. */
  tally: (slice: string, counter: string) => number
  /** Predicates of findings that the slices reported. */
  reported: ReadonlySet<string>
  /** Slices that ran. */
  slices: ReadonlySet<string>
}

export type Judgement =
  | { state: 'pass'; detail: string }
  /** `severity` where it differs from the predicate's own. */
  | { state: 'fail'; detail: string; severity?: 'HIGH' | 'MED' }
  | { state: 'by-design'; detail: string }
  | { state: 'not-instrumented'; detail: string }
  | { state: 'inconclusive'; detail: string }

export interface Predicate {
  id: string
  title: string
  severity: 'HIGH' | 'MED'
  judge(observed: Observed): Judgement
}

export const pass = (detail: string): Judgement => ({ state: 'pass', detail })
export const fail = (detail: string, severity?: 'HIGH' | 'MED'): Judgement => ({
  state: 'fail',
  detail,
  ...(severity === undefined ? {} : { severity })
})
export const byDesign = (detail: string): Judgement => ({ state: 'by-design', detail })
export const notInstrumented = (detail: string): Judgement => ({ state: 'not-instrumented', detail })
export const inconclusive = (detail: string): Judgement => ({ state: 'inconclusive', detail })
