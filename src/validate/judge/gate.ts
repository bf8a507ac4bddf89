/** The absolute gate: may this document be called green? Pure; every refusal names its rule and its cell. */
import { statusOf, type Cell, type CoverageEntry, type ResultDocument } from '../../documents/result.ts'
import type { Finding } from '../../documents/finding.ts'
import { bySeverity, fails, type FailOn } from '../../documents/severity.ts'
import type { Refusal, Rule, Verdict } from '../../documents/verdict.ts'
import type { Waiver } from '../../documents/waivers.ts'
import type { Outcome } from '../../kit/errors.ts'
import { gated, silentPredicates, states } from './legacy.ts'

export interface GateOptions {
  failOn: FailOn
  /** MED fails too. */
  strict: boolean
  waivers: readonly Waiver[]
  /** Number of cells that must have run. */
  expectCells?: number
  /** YYYY-MM-DD; a waiver holds until the end of its day. */
  today: string
}

/** Share of what could be exercised that must have been. */
export const EXERCISED_SHARE = 0.95

/** `refapp/engine/arch` */
export function cellName(cell: Pick<Cell, 'refapp' | 'engine' | 'arch'>): string {
  return `${cell.refapp}/${cell.engine}/${cell.arch}`
}

/** Why a slice's book makes a cell vacuous, or undefined. */
export function vacuity(slice: string, entry: CoverageEntry): string | undefined {
  const applicable = entry.planned - entry.inapplicable.length
  if (entry.planned !== entry.exercised + entry.inapplicable.length + entry.inconclusive.length)
    return `${slice}: the book of ${entry.planned} planned cases does not add up`
  if (applicable <= 0) return undefined
  if (entry.exercised / applicable >= EXERCISED_SHARE) return undefined
  const first = entry.inconclusive[0]
  const because = first === undefined ? '' : `; first: ${first.case}: ${first.reason}`
  return `${slice}: ${entry.exercised} of ${applicable} exercised${because}`
}

/** The slices that send; rules for every answer watch what comes, be it of the preflight alone. */
export const sendingSlices = (cell: Pick<Cell, 'coverage'>): CoverageEntry[] =>
  Object.entries(cell.coverage?.slices ?? {}).flatMap(([slice, entry]) =>
    slice === 'passive' ? [] : [entry]
  )

const isIdle = (cell: Cell): boolean => sendingSlices(cell).every(({ exercised }) => exercised === 0)

function vacuityOf(cell: Cell): string | undefined {
  const slices = Object.entries(cell.coverage?.slices ?? {})
  const reasons = slices.flatMap(([slice, entry]) => vacuity(slice, entry) ?? [])
  if (statusOf(cell) === 'vacuous') return cell.failure_reason ?? (reasons.join('; ') || 'vacuous')
  if (reasons.length > 0) return reasons.join('; ')
  if (slices.length > 0 && isIdle(cell)) return 'nothing was exercised'
  // What a cell without findings must state is the matter of `gated`.
  if (cell.findings === undefined) return undefined
  const tier1 = cell.tier_1
  if (tier1 === null || tier1 === undefined) {
    return cell.tier_3 === null || cell.tier_3 === undefined ? 'the cell holds no tier' : undefined
  }
  const asked = cell.coverage === undefined || cell.coverage.slices['markov'] !== undefined
  if (!asked) return undefined
  if (tier1.requests_sent === undefined) return 'requests_sent is not stated'
  return tier1.requests_sent === 0 ? 'no request was sent' : undefined
}

function cellRan(cell: Cell): boolean {
  return !['not_run', 'error', 'aborted'].includes(statusOf(cell) ?? '')
}

function covers(waiver: Waiver, finding: Finding, cell: string): boolean {
  if (waiver.predicate === undefined && finding.severity === 'HIGH') return false
  if (waiver.predicate !== undefined && waiver.predicate !== finding.predicate) return false
  if (waiver.case !== undefined && waiver.case !== finding.case) return false
  if (waiver.cell === undefined) return true
  const parts = cell.split('/')
  const wanted = waiver.cell.split('/')
  return parts.every((part, i) => wanted[i] === undefined || wanted[i] === '*' || wanted[i] === part)
}

/** Judges a document. */
export function gate(document: ResultDocument, options: GateOptions): Verdict {
  const refusals: Refusal[] = []
  const waived: Verdict['waived'] = []
  const used = new Set<Waiver>()
  const valid = options.waivers.filter((waiver) => waiver.expires >= options.today)
  const counts = { high: 0, med: 0, low: 0 }
  const cells = { total: 0, ran: 0, not_run: 0, vacuous: 0, failed: 0, unclear: 0 }
  const results = document.validation_results

  for (const cell of results.cells) {
    const name = cellName(cell)
    const status = statusOf(cell)
    cells.total += 1
    if (status === 'not_run') {
      cells.not_run += 1
      continue
    }
    cells.ran += 1
    let failed = false
    const empty: string[] = []
    const refuse = (rule: Rule, text: string, finding?: Finding): void => {
      refusals.push({ rule, cell: name, text, ...(finding === undefined ? {} : { finding }) })
      failed = true
    }
    if (status === undefined) {
      cells.unclear += 1
      // Before 5.12 no cell stated its status; an empty or unknown one is never a pass.
      if (cell.status !== undefined || (states(document.schema_version, 'status') && cell['at_top'] !== true))
        refuse('status', cell.status ? `its status "${cell.status}" is unknown` : 'its status is not stated')
    }
    for (const finding of [...(cell.findings ?? [])].sort(bySeverity)) {
      counts[finding.severity.toLowerCase() as 'high' | 'med' | 'low'] += 1
      const waiver = valid.find((entry) => covers(entry, finding, name))
      if (waiver !== undefined) {
        used.add(waiver)
        waived.push({ finding, cell: name, waiver })
      } else if (fails(finding.severity, options.failOn, options.strict)) {
        refuse('finding', `${finding.severity} ${finding.predicate} ${finding.case ?? ''}`.trimEnd(), finding)
      }
    }
    const broken = status === 'error' || status === 'aborted'
    for (const { rule, text, severity } of cell.findings === undefined && !broken
      ? gated(cell, document.schema_version)
      : []) {
      if (severity !== undefined) counts[severity.toLowerCase() as 'high' | 'med' | 'low'] += 1
      if (rule === 'counter') refuse(rule, text)
      else empty.push(text)
    }
    if (status === 'error') refuse('harness', cell.failure_reason ?? 'the cell broke')
    else if (status === 'aborted') refuse('aborted', cell.failure_reason ?? 'the cell was cut short')
    else if (status === 'fail' && (cell.findings ?? []).length === 0) {
      // A failed cell must say why; findings that are waived or below the threshold do.
      refuse('status', cell.failure_reason ?? 'the cell says it failed and not why')
    } else {
      const vacuous = vacuityOf(cell)
      if (vacuous !== undefined) empty.unshift(vacuous)
      if (empty.length > 0) {
        cells.vacuous += 1
        refuse('vacuous', empty.join('; '))
      }
    }
    if (failed) cells.failed += 1
  }

  const legacy = results.cells.filter((cell) => cell.findings === undefined && cellRan(cell))
  for (const [predicate, text] of silentPredicates(document, legacy)) {
    const waiver = valid.find((entry) => entry.predicate === predicate)
    if (waiver === undefined) refusals.push({ rule: 'silent', text })
    else used.add(waiver)
  }
  if (results.aborted === true) refusals.push({ rule: 'aborted', text: 'the run was stopped before its end' })
  if (cells.ran === 0) {
    const text = cells.total === 0 ? 'the document holds no cell' : `none of ${cells.total} cells ran`
    refusals.push({ rule: 'no-cells', text })
  }
  // The same cell twice is one cell.
  const distinct = new Set(results.cells.filter((cell) => statusOf(cell) !== 'not_run').map(cellName)).size
  if (options.expectCells !== undefined && distinct < options.expectCells) {
    const missing = results.cells.filter((cell) => statusOf(cell) === 'not_run')
    const named = missing.map((cell) => `${cellName(cell)} (${cell.failure_reason ?? 'no reason stated'})`)
    const list = named.length === 0 ? '' : `; not run: ${named.join(', ')}`
    refusals.push({
      rule: 'expect-cells',
      text: `${distinct} cells ran, ${options.expectCells} expected${list}`
    })
  }
  return {
    outcome: outcomeOf(refusals, options),
    refusals,
    waived,
    expired: options.waivers.filter((waiver) => waiver.expires < options.today),
    unused: valid.filter((waiver) => !used.has(waiver)),
    counts,
    cells
  }
}

function outcomeOf(refusals: readonly Refusal[], { failOn }: GateOptions): Outcome {
  const rules = new Set(refusals.map(({ rule }) => rule))
  // What a person asked for by name, and a run of nothing, fail even where findings may not.
  if (rules.has('expect-cells') || rules.has('no-cells')) return rules.has('aborted') ? 'aborted' : 'findings'
  if (rules.has('aborted')) return 'aborted'
  const verdict = [...rules].some((rule) => rule !== 'harness')
  if (verdict && failOn !== 'never') return 'findings'
  return rules.has('harness') ? 'infrastructure' : 'pass'
}
