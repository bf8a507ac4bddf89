/** What a cell gathers while it runs: counters, coverage, findings. Counters are derived, findings are believed once. */
import { createHash } from 'node:crypto'
import type { CoverageEntry } from '../documents/result.ts'
import type { Finding } from '../documents/finding.ts'
import type { FindingDraft, Ledger, SliceName, Tally } from './contracts.ts'

/** Counters by name. */
export class TallyBook implements Tally {
  readonly #counts = new Map<string, { value: number }>()
  add(counter: string, by = 1): void {
    const count = this.#counts.get(counter)
    if (count === undefined) this.#counts.set(counter, { value: by })
    else count.value += by
  }
  set(counter: string, value: number): void {
    this.#counts.set(counter, { value })
  }
  max(counter: string, value: number): void {
    if (value > (this.#counts.get(counter)?.value ?? -Infinity)) this.set(counter, value)
  }
  get(counter: string): number {
    return this.#counts.get(counter)?.value ?? 0
  }
  entries(): [string, number][] {
    return [...this.#counts].map(([counter, { value }]) => [counter, value])
  }
}

interface Line {
  group: string
  state: 'planned' | 'exercised' | 'inapplicable' | 'inconclusive' | 'left out'
  reason: string
}

/** The coverage book of one slice. */
export class CoverageBook implements Ledger {
  readonly #lines = new Map<string, Line>()

  #line(caseId: string): Line {
    let line = this.#lines.get(caseId)
    if (line === undefined) {
      line = { group: '', state: 'planned', reason: '' }
      this.#lines.set(caseId, line)
    }
    return line
  }
  plan(caseId: string, group?: string): void {
    const line = this.#line(caseId)
    if (group !== undefined) line.group = group
  }
  exercised(caseId: string): void {
    Object.assign(this.#line(caseId), { state: 'exercised', reason: '' })
  }
  inapplicable(caseId: string, reason: string): void {
    const line = this.#line(caseId)
    if (line.state !== 'exercised') Object.assign(line, { state: 'inapplicable', reason })
  }
  leaveOut(caseId: string): void {
    const line = this.#line(caseId)
    if (line.state === 'planned') line.state = 'left out'
  }
  inconclusive(caseId: string, reason: string): void {
    const line = this.#line(caseId)
    if (line.state !== 'exercised') Object.assign(line, { state: 'inconclusive', reason })
  }

  get size(): number {
    return this.#lines.size
  }
  /** Exercised, not applicable, or left out: nothing more is to be learned of it. */
  isDone(caseId: string): boolean {
    return ['exercised', 'inapplicable', 'left out'].includes(this.#lines.get(caseId)?.state ?? '')
  }
  /** The case is to be judged again: what was booked stood on another case's fault. */
  reopen(caseId: string): void {
    const line = this.#lines.get(caseId)
    if (line !== undefined) Object.assign(line, { state: 'planned', reason: '' })
  }
  /** Every case that was planned, in the order of its first mention. */
  cases(): string[] {
    return [...this.#lines.keys()]
  }

  /** The book by group; `''` holds cases without one. A case that never ended counts as inconclusive. */
  summary(unfinished: string): { whole: CoverageEntry; groups: Map<string, CoverageEntry> } {
    const blank = (): CoverageEntry => ({ planned: 0, exercised: 0, inapplicable: [], inconclusive: [] })
    const whole = blank()
    const groups = new Map<string, CoverageEntry>()
    for (const [name, line] of this.#lines) {
      const group = groups.get(line.group) ?? blank()
      groups.set(line.group, group)
      for (const entry of [whole, group]) {
        if (line.state === 'left out') {
          entry.left_out = (entry.left_out ?? 0) + 1
          continue
        }
        entry.planned += 1
        if (line.state === 'exercised') entry.exercised += 1
        else if (line.state === 'inapplicable') entry.inapplicable.push({ case: name, reason: line.reason })
        else entry.inconclusive.push({ case: name, reason: line.reason === '' ? unfinished : line.reason })
      }
    }
    return { whole, groups }
  }
}

/** What makes a finding the same finding on another day, host and seed. */
export function fingerprintOf(draft: Pick<FindingDraft, 'predicate' | 'case' | 'symptom'>): string {
  const text = [draft.predicate, draft.case, draft.symptom ?? ''].join('\n')
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

export interface Believed {
  finding: Finding
  draft: FindingDraft
  /** How often it was reported in all. */
  times: number
}

const MOST_FINDINGS = 200

/** The findings of one cell; the same (predicate, case) is listed once and counted. */
export class FindingBook {
  readonly cell: string
  readonly #byKey = new Map<string, Believed>()
  #dropped = 0
  readonly #onFirst: (believed: Believed) => void

  constructor(cell: string, onFirst: (believed: Believed) => void) {
    this.cell = cell
    this.#onFirst = onFirst
  }

  report(slice: SliceName | 'properties' | 'passive', draft: FindingDraft): void {
    const key = `${draft.predicate}\n${draft.case}`
    const known = this.#byKey.get(key)
    if (known !== undefined) {
      known.times += 1
      return
    }
    if (this.#byKey.size >= MOST_FINDINGS) {
      this.#dropped += 1
      return
    }
    const finding: Finding = {
      id: `f${this.#byKey.size + 1}`,
      predicate: draft.predicate,
      severity: draft.severity,
      cell: this.cell,
      slice,
      case: draft.case,
      title: draft.title,
      ...(draft.standard === undefined ? {} : { standard: draft.standard }),
      ...(draft.sent === undefined ? {} : { sent: clip(draft.sent).toString('base64') }),
      ...(draft.received === undefined ? {} : { received: clip(draft.received).toString('base64') }),
      ...evidenceOf(draft),
      ...(draft.repeats === undefined ? {} : { repeats: draft.repeats }),
      fingerprint: fingerprintOf(draft),
      observed_at: new Date().toISOString()
    }
    const believed = { finding, draft, times: 1 }
    this.#byKey.set(key, believed)
    this.#onFirst(believed)
  }

  /** Distinct findings that were not listed because the list is full. */
  get dropped(): number {
    return this.#dropped
  }
  all(): Believed[] {
    return [...this.#byKey.values()]
  }
}

const MOST_BYTES = 1 << 20

function clip(bytes: Buffer): Buffer {
  return bytes.length <= MOST_BYTES ? bytes : bytes.subarray(0, MOST_BYTES)
}

function evidenceOf(draft: FindingDraft): Pick<Finding, 'evidence'> {
  const cut: Record<string, string | number | boolean> = { ...draft.evidence }
  if ((draft.sent?.length ?? 0) > MOST_BYTES) cut['sent_bytes_in_all'] = draft.sent!.length
  if ((draft.received?.length ?? 0) > MOST_BYTES) cut['received_bytes_in_all'] = draft.received!.length
  return Object.keys(cut).length === 0 ? {} : { evidence: cut }
}
