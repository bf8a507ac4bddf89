/** What a cell says of itself in the document: counters, properties, verdict. */
import type { Cell, CoverageEntry, Tier1 } from '../documents/result.ts'
import { fails, type FailOn } from '../documents/severity.ts'
import type { Target } from '../target/types.ts'
import { CoverageBook, type FindingBook, type TallyBook } from './collector.ts'
import type { SliceName } from './contracts.ts'
import { sendingSlices, vacuity } from './judge/gate.ts'
import type { Watcher } from './oracles/passive/watch.ts'
import type { PropertyReport } from './properties/index.ts'

/** Document name of each slice's sub-tally; the walkers' counters stand in tier_1 itself. */
const SUB_TALLY: Partial<Record<SliceName, 'adversarial' | 'h2c_churn' | 'ws_torture' | 'sse_kill'>> = {
  adversarial: 'adversarial',
  h2c: 'h2c_churn',
  ws: 'ws_torture',
  sse: 'sse_kill'
}

/** What is gathered while a cell runs. */
export interface Books {
  tallies: Map<SliceName, TallyBook>
  ledgers: Map<SliceName, CoverageBook>
  findings: FindingBook
  /** The rules that look at the answers of all slices, and their book. */
  watcher: Watcher
  passive: CoverageBook
  notes: string[]
}

/** Coverage by slice and by `slice/group`. A chosen slice that never planned anything says so. */
export function coverageOf(
  books: Books,
  names: readonly SliceName[],
  unfinished: string
): { slices: Record<string, CoverageEntry>; groups: Record<string, CoverageEntry> } {
  const slices: Record<string, CoverageEntry> = {}
  const groups: Record<string, CoverageEntry> = {}
  const cover = (name: string, book: CoverageBook): void => {
    const { whole, groups: parts } = book.summary(unfinished)
    slices[name] = whole
    for (const [group, entry] of parts) if (group !== '') groups[`${name}/${group}`] = entry
  }
  for (const slice of names) {
    const book = books.ledgers.get(slice) ?? new CoverageBook()
    if (book.size === 0) book.plan(slice)
    cover(slice, book)
  }
  if (books.watcher.answers > 0) cover('passive', books.passive)
  return { slices, groups }
}

export function tier1Of(
  books: Books,
  names: readonly SliceName[],
  target: Target,
  properties: PropertyReport | undefined
): Tier1 {
  const tier1: Tier1 = {
    ready_at: target.readyAt.toISOString(),
    refapp_stderr_tail: target.output().slice(-80)
  }
  for (const slice of names) {
    const entries = books.tallies.get(slice)?.entries() ?? []
    const group = SUB_TALLY[slice]
    if (group === undefined) {
      const walkers: Record<string, number> = {}
      for (const [counter, value] of entries) {
        if (/^(requests_|walker_(re)?log|invariant_)/.test(counter))
          Object.assign(tier1, { [counter]: value })
        else walkers[counter] = value
      }
      tier1.walkers = walkers
      continue
    }
    const plain = entries.filter(([counter]) => !counter.startsWith('ws_echo_'))
    tier1[group] = Object.fromEntries(plain.map(([counter, value]) => [counter, Math.round(value)]))
    const echo = entries.filter(([counter]) => counter.startsWith('ws_echo_'))
    if (echo.length > 0) tier1.ws_echo = Object.fromEntries(echo)
  }
  if (books.watcher.answers > 0) tier1['passive'] = books.watcher.counts()
  if (properties !== undefined) {
    tier1.property_evaluations = properties.evaluations
    tier1.property_violations = properties.failed.length
    tier1.property_violation_ids = properties.failed
    tier1.property_poll_errors = properties.poll_errors
    if (Object.keys(properties.published).length > 0) tier1['published'] = properties.published
  }
  return tier1
}

export function propertyFields(report: PropertyReport): Partial<Cell> {
  return {
    properties_passed: report.passed.length,
    properties_failed: report.failed.length,
    properties_not_instrumented: report.not_instrumented,
    properties_not_judged: report.not_judged,
    properties_not_judged_by_design: report.by_design,
    property_details: report.details,
    failure_summaries: report.failure_summaries
  }
}

export function verdictOf(
  cell: Cell,
  options: { failOn: FailOn; strict: boolean; sliceNames: readonly SliceName[] },
  aborted: boolean,
  books: Books
): Pick<Cell, 'status' | 'failure_reason'> {
  const failOn = options.failOn === 'never' ? 'high' : options.failOn
  const failing = (cell.findings ?? []).filter(({ severity }) => fails(severity, failOn, options.strict))
  if (failing.length > 0) {
    return {
      status: 'fail',
      failure_reason: `${failing.length} findings, first: ${failing[0]!.title ?? failing[0]!.predicate}`
    }
  }
  if (aborted) return { status: 'aborted', failure_reason: 'the run was stopped' }
  const nature = cell.capabilities?.['nature']
  if (typeof nature === 'string') return { status: 'vacuous', failure_reason: nature }
  const gaps = Object.entries(cell.coverage?.slices ?? {}).flatMap(([slice, entry]) => {
    const ran = entry.planned - entry.inapplicable.length
    // Every chosen slice must say why it had nothing to do; the route it needs may be missing.
    return ran > 0 ? (vacuity(slice, entry) ?? []) : []
  })
  const sent = books.tallies.get('markov')?.get('requests_sent')
  if (options.sliceNames.includes('markov') && (sent ?? 0) === 0) gaps.push('markov: no request was sent')
  const slices = sendingSlices(cell)
  if (gaps.length === 0 && slices.length > 0 && slices.every(({ exercised }) => exercised === 0)) {
    const [first] = slices.flatMap(({ inapplicable }) => inapplicable)
    gaps.push(`nothing was exercised${first === undefined ? '' : `: ${first.reason}`}`)
  }
  return gaps.length > 0 ? { status: 'vacuous', failure_reason: gaps.join('; ') } : { status: 'pass' }
}
