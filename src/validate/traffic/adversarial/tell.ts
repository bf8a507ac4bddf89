/** From a believed verdict to a finding: the bytes, both directions, and what each oracle saw. */
import type { ProtocolCase } from '../../catalogue/http1/index.ts'
import type { FindingDraft } from '../../contracts.ts'
import type { Observation } from '../../oracles/exchange.ts'
import type { Rate } from '../../oracles/repeat.ts'
import type { Verdict } from './judge.ts'
import type { Segmentation } from './segments.ts'
import type { Trial, TwinSeen } from './trial.ts'

type Evidence = NonNullable<FindingDraft['evidence']>

function twinText(twin: TwinSeen | undefined): string {
  if (twin === undefined) return 'not sent'
  return twin.ok ? `${twin.status} in ${twin.ms.toFixed(1)} ms` : twin.seen
}

export function answersText({ responses, error }: Observation): string {
  const list = responses.map(({ status }) => String(status))
  if (error !== undefined) list.push(`then no HTTP/1: ${error.message}`)
  return list.length === 0 ? 'none' : list.join(', ')
}

const ELDER = {
  answered: 'still served',
  closed: 'closed by the server',
  silent: 'no longer answered',
  none: 'not asked: the server keeps no connection'
} as const

/** What the oracles saw of one exchange. */
export function evidenceOf(seen: Observation, how?: Segmentation): Evidence {
  return {
    bytes_taken_by_the_kernel: seen.accepted,
    all_bytes_written: seen.complete,
    answers: answersText(seen),
    connection_at_the_end: { open: 'open', eof: 'closed with FIN', reset: 'closed with RST' }[seen.end],
    ...(how === undefined ? {} : { sent_as: how })
  }
}

export function draftOf(
  entry: ProtocolCase,
  verdict: Verdict & { kind: 'wrong' },
  trial: Trial,
  how: Segmentation,
  { k, n }: Rate
): FindingDraft {
  const { seen } = trial
  return {
    predicate: verdict.predicate,
    severity: verdict.severity,
    case: entry.id,
    title: verdict.title,
    standard: entry.standard,
    ...(seen === undefined ? {} : bytesOfExchange(seen)),
    evidence: {
      class: entry.class,
      right: entry.right,
      seen: verdict.note,
      twin_before: twinText(trial.before),
      ...(seen === undefined ? {} : evidenceOf(seen, how)),
      fresh_connection: trial.after?.ok === true ? 'served' : twinText(trial.after),
      earlier_connection: ELDER[trial.elder]
    },
    repeats: { k, n }
  }
}

export function bytesOfExchange(
  seen: Observation
): Pick<FindingDraft, 'sent' | 'received' | 'transcript' | 'wire' | 'twin'> {
  const { transcript, received, twin } = seen
  return {
    sent: transcript.sentBytes(),
    received,
    transcript: transcript.toText(),
    wire: [transcript],
    ...(twin === undefined ? {} : { twin: [twin] })
  }
}

/** A finding about everybody else: they are not served, or cut off. */
export function outageDraft(
  entry: Pick<ProtocolCase, 'id' | 'standard'>,
  predicate: 'I-LIVENESS' | 'I-ADV-HANG',
  title: string,
  rate: Pick<Rate, 'k' | 'n'>,
  seen: Observation | undefined,
  evidence: Evidence
): FindingDraft {
  return {
    predicate,
    severity: 'HIGH',
    case: entry.id,
    title,
    standard: entry.standard,
    ...(seen === undefined ? {} : bytesOfExchange(seen)),
    evidence: { ...evidence, ...(seen === undefined ? {} : evidenceOf(seen)) },
    repeats: { k: rate.k, n: rate.n }
  }
}
