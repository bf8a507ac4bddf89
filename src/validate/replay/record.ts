/** From a believed finding to its replay file. */
import { arch, platform, release } from 'node:os'
import type { Finding } from '../../documents/finding.ts'
import { REPLAY_VERSION, type Judging, type RecordedExchange, type Replay } from '../../documents/replay.ts'
import type { Target } from '../../target/types.ts'
import { H2C_FRAME_CASES } from '../catalogue/h2c/index.ts'
import { http1Cases, type ProtocolCase } from '../catalogue/http1/index.ts'
import { infoOf } from '../catalogue/list.ts'
import { wsCases } from '../catalogue/ws/index.ts'
import type { Capabilities, FindingDraft } from '../contracts.ts'
import { exchangeOf, placesOf } from './steps.ts'

export interface Believed {
  finding: Finding
  draft: FindingDraft
  target: Pick<Target, 'authority'>
  capabilities: Pick<Capabilities, 'routes'> | undefined
  /** `seed`, `suite_version`, `celeris`: see `CellOptions`. */
  facts: Readonly<Record<string, string>>
}

/** The verdict depends on how the bytes are cut. */
export const SEGMENT = 'I-ADV-SEGMENT'

/** Bound of a barrier, ms. */
const ANSWER_MS = 5000

/** Verdicts of one HTTP/1 exchange, and what befalls others after it. */
const MESSAGE_PREDICATES = new Set([
  'I-ADV-ACCEPTED',
  'I-ADV-OPEN',
  'I-ADV-REFUSED',
  'I-ADV-5XX',
  'I-ADV-HANG',
  'I-LIVENESS',
  SEGMENT
])

const PASSIVE = 'passive'
const REQUEST = /^\S+ \S+ HTTP\/1\.[01]\r\n/

const PLAYED_BY_NAME: ReadonlySet<string> = new Set(['adversarial', 'h2c', 'ws', 'sse'])

/** Why a finding cannot be done again from a file; undefined where it can. */
function obstacle({ finding, draft }: Believed): string | undefined {
  if (/LEAK/.test(finding.predicate) || draft.symptom === 'leak')
    return 'it is what remains of many clients, measured over time: run validate again'
  if (finding.slice === 'markov')
    return 'it stands on all that the walkers had done before: run validate again with the same seed'
  if (finding.slice === PASSIVE) {
    if (draft.sent === undefined || !REQUEST.test(draft.sent.toString('latin1', 0, 2048)))
      return 'it was no answer of HTTP/1.1 to one request: run validate again'
    return undefined
  }
  if (!PLAYED_BY_NAME.has(finding.slice ?? ''))
    return 'it is measured over time and not in one exchange: run validate again'
  return undefined
}

function judgingOf({ finding, draft }: Believed): Judging {
  if (finding.slice === PASSIVE) return { kind: 'passive' }
  if (finding.slice === 'adversarial') {
    const record = http1Cases.find(({ id }) => id === finding.case)
    if (record !== undefined && ownPredicates(record).has(finding.predicate))
      return { kind: 'http1', record: { ...record }, sent_as: String(draft.evidence?.['sent_as'] ?? 'whole') }
  }
  return framesOf(finding) ?? { kind: 'slice' }
}

/** Lists of frames, with the whole case. */
function framesOf({ slice, case: id }: Finding): Judging | undefined {
  const protocol = slice === 'ws' || slice === 'h2c' ? slice : undefined
  if (protocol === undefined) return undefined
  const records = protocol === 'ws' ? wsCases('frames') : H2C_FRAME_CASES
  const record = records.find((one) => one.id === id)
  return record && { kind: 'frames', protocol, record: { ...record } }
}

/** Predicates that a case can be convicted of in an exchange of its own. */
function ownPredicates({ judge }: ProtocolCase): Set<string> {
  const own = [
    judge.accepted,
    judge.foreign,
    judge.canary,
    judge.unblock,
    ...(judge.reads ?? []),
    ...(judge.fields ?? [])
  ].flatMap((by) => (typeof by === 'object' ? (by.predicate ?? []) : []))
  return new Set([...MESSAGE_PREDICATES, ...own])
}

/** The replay file of a finding. A string says why there is none. */
export function replayOf(believed: Believed): Replay | string {
  const { finding, draft, target, capabilities, facts } = believed
  const reason = obstacle(believed)
  if (reason !== undefined) return reason
  const [refapp = 'url', engine = '', arch = ''] = (finding.cell ?? '').split('/')
  const exchange = draft.wire === undefined ? simpleExchange(draft) : exchangeOf(draft.wire)
  const twin = draft.twin === undefined ? undefined : exchangeOf(draft.twin)
  const judge = judgingOf(believed)
  const authority = authorityOf(draft, target.authority)
  const right = draft.evidence?.['right'] ?? infoOf(finding.slice, finding.case)?.right
  return {
    replay_version: REPLAY_VERSION,
    suite_version: facts['suite_version'] ?? 'unknown',
    recorded_at: finding.observed_at ?? new Date().toISOString(),
    cell: { refapp, engine, arch },
    slice: finding.slice!,
    case: finding.case ?? '',
    predicate: finding.predicate,
    severity: finding.severity,
    title: finding.title ?? finding.predicate,
    ...(finding.standard === undefined ? {} : { standard: finding.standard }),
    ...(right === undefined ? {} : { right: String(right) }),
    ...(draft.symptom === undefined ? {} : { symptom: draft.symptom }),
    ...(finding.evidence === undefined ? {} : { evidence: finding.evidence }),
    ...(finding.fingerprint === undefined ? {} : { fingerprint: finding.fingerprint }),
    ...(finding.repeats === undefined ? {} : { repeats: finding.repeats }),
    seed: facts['seed'] ?? '0x0',
    server: {
      url: `http://${authority}`,
      authority,
      routes: Object.fromEntries(
        Object.entries(capabilities?.routes ?? {}).map(([kind, route]) => [kind, route.path])
      ),
      ...(facts['celeris'] === undefined ? {} : { celeris: facts['celeris'] }),
      host: hostFacts()
    },
    ...(exchange === undefined ? {} : { exchange }),
    ...(twin === undefined ? {} : { twin }),
    authority_at: placesOf(authority, { case: exchange, twin }),
    judge
  }
}

/** Where only the bytes are known: one connection, one message. */
function simpleExchange({ sent, received }: FindingDraft): RecordedExchange | undefined {
  if (sent === undefined || sent.length === 0) return undefined
  return {
    steps: [
      { conn: 0, op: 'connect' },
      { conn: 0, op: 'send', bytes_b64: sent.toString('base64') },
      { conn: 0, op: 'read-until', barrier: 'answer', ms: ANSWER_MS }
    ],
    received_b64: [(received ?? Buffer.alloc(0)).toString('base64')],
    ended: ['open']
  }
}

/** What the bytes name; a server that was started again has another port than the one that was found wrong. */
function authorityOf({ wire = [] }: FindingDraft, now: string): string {
  for (const { entries } of wire) {
    const note = entries.find(({ what }) => what === 'connect')?.note
    const dialled = /-> (\d+(?:\.\d+){3}:\d+)$/.exec(note ?? '')?.[1]
    if (dialled !== undefined && /^\d+(\.\d+){3}:/.test(now)) return dialled
  }
  return now
}

/** The machine on which the suite runs: `linux 6.1.0 x64`. */
export function hostFacts(): string {
  return `${platform()} ${release()} ${arch()}`
}
