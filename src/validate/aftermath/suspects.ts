/** After a death: which cases may have done it, the likeliest first. */
import type { FindingDraft, SliceName } from '../contracts.ts'
import { keyOf, type CaseName, type Timeline } from './timeline.ts'

/** What a slice or the property loop told of the server's end, kept back until it is known whose fault it was. */
export interface Accusation {
  slice: SliceName | 'properties'
  draft: FindingDraft
  /** `performance.now()` */
  at: number
}

export interface Suspect extends CaseName {
  /** What was told of it, where something was. */
  draft?: FindingDraft
}

/** Predicates whose finding is that others are not served; from a case slice they count at HIGH only. */
const OUTAGE = /^I-(LIVENESS|HANG|(ADV|H2C|WS|SSE)-(HANG|CRASHED|LIVENESS))$/
/** What walkers tell when a server goes away beside them. */
const CONSEQUENCE = /^I-(CONN-LOST|TIMEOUT|REFUSED|SLOW)$/
/** A case whose try ended longer before is no suspect, ms. */
const RECENT_MS = 3000
/** Evidence in which a slice names other cases of that moment. */
const BESIDE = ['also_in_flight', 'other_messages_of_that_time']

export function isAccusation(slice: SliceName | 'properties' | 'passive', draft: FindingDraft): boolean {
  if (slice === 'markov') return CONSEQUENCE.test(draft.predicate) || OUTAGE.test(draft.predicate)
  return draft.severity === 'HIGH' && OUTAGE.test(draft.predicate)
}

function besides({ evidence }: FindingDraft): string[] {
  return BESIDE.flatMap((name) => String(evidence?.[name] ?? '').split(/[ ,]+/)).filter(
    (id) => id !== '' && id !== 'none'
  )
}

/** Cases that were accused by name, the one with the fewest others beside it first; messages that go one at a time before all. */
export function accused(accusations: readonly Accusation[]): Suspect[] {
  const rank = ({ slice, draft }: Accusation): number =>
    slice === 'adversarial' ? 0 : 1 + besides(draft).length
  const found = new Map<string, Suspect>()
  for (const { slice, draft } of [...accusations].sort((a, b) => rank(a) - rank(b))) {
    if (slice === 'properties' || slice === 'markov') continue
    const suspect = { slice, id: draft.case, draft }
    if (!found.has(keyOf(suspect))) found.set(keyOf(suspect), suspect)
  }
  return [...found.values()]
}

/** All others that may have done it: named beside the accused, or on their way shortly before the end. */
export function bystanders(
  accusations: readonly Accusation[],
  timeline: Timeline,
  diedAt: number
): CaseName[] {
  const named = new Set(accused(accusations).map(keyOf))
  const found = new Map<string, CaseName>()
  for (const { slice, draft } of accusations) {
    if (slice === 'properties') continue
    for (const id of besides(draft)) found.set(keyOf({ slice, id }), { slice, id })
  }
  const recent = timeline.during(diedAt - RECENT_MS, diedAt).sort((a, b) => b.from - a.from)
  for (const { slice, id } of recent) found.set(keyOf({ slice, id }), { slice, id })
  return [...found.values()].filter((one) => one.slice !== 'markov' && !named.has(keyOf(one)))
}
