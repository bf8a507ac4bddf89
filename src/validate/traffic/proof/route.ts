/** A slice whose route is not there, or has nothing to show. */
import type { RouteKind } from '../../../target/types.ts'
import type { SliceContext } from '../../contracts.ts'

/**
 * Books all cases. A route that was declared and does not answer as its kind was not reached, which is no pass; one
 * that was only looked for and not found is no fault.
 */
export function noRoute(
  { ledger, capabilities, target }: SliceContext,
  kind: RouteKind,
  cases: readonly { id: string }[],
  what: string
): void {
  const reason = `${what}: ${capabilities.missing[kind] ?? capabilities.routes[kind]?.seen ?? 'not probed'}`
  for (const { id } of cases) {
    if (target.routes[kind] === undefined || (!capabilities.http1 && capabilities.h2cPrior))
      ledger.inapplicable(id, reason)
    else ledger.inconclusive(id, reason)
  }
}
