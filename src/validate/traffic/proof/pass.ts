/** How much of the catalogue a cell has time for: the core always, and first; the rest until its time is up. */
import type { SliceContext } from '../../contracts.ts'

type Passing = Pick<SliceContext, 'pass'>

/** The core before all others; else the order stays. */
export function coreFirst<T extends { id: string }>({ pass }: Passing, cases: readonly T[]): T[] {
  if (pass === undefined) return [...cases]
  return [...cases.filter(({ id }) => pass.core(id)), ...cases.filter(({ id }) => !pass.core(id))]
}

/** The case is not to be begun any more; say so in the ledger with `leaveOut`. */
export function tooLate({ pass }: Passing, caseId: string): boolean {
  return pass !== undefined && performance.now() >= pass.ends && !pass.core(caseId)
}
