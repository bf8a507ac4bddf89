/** From a believed verdict to a finding. */
import type { StepCase } from '../../../catalogue/http1/steps/index.ts'
import type { FindingDraft } from '../../../contracts.ts'
import type { Rate } from '../../../oracles/repeat.ts'
import { bytesOfExchange, evidenceOf } from '../tell.ts'
import { observationOf } from './observation.ts'
import type { Seen } from './script.ts'
import type { TwinSeen } from './twin.ts'
import type { Wrong } from './verdict.ts'

const SHOWN = 80

export function twinText(twin: TwinSeen | undefined): string {
  if (twin === undefined) return 'not sent'
  return twin.ok ? `${twin.status} in ${twin.ms.toFixed(1)} ms` : twin.said
}

export function draftOf(
  entry: StepCase,
  wrong: Wrong,
  seen: Seen | undefined,
  evidence: NonNullable<FindingDraft['evidence']>,
  { k, n }: Pick<Rate, 'k' | 'n'>
): FindingDraft {
  const { each } = seen?.variant ?? {}
  return {
    predicate: wrong.predicate,
    severity: wrong.severity,
    case: entry.id,
    title: wrong.title,
    standard: entry.standard,
    ...(seen === undefined ? {} : bytesOfExchange(observationOf(seen))),
    evidence: {
      right: entry.right,
      seen: wrong.note,
      ...(each === undefined ? {} : { variant: each.length > SHOWN ? `${each.slice(0, SHOWN)}...` : each }),
      ...(seen === undefined ? {} : evidenceOf(observationOf(seen))),
      ...evidence
    },
    repeats: { k, n }
  }
}
