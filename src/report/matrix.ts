/** What the first screen and the job summary both show, computed once from the document. */
import { bySeverity } from '../documents/severity.ts'
import type { Finding } from '../documents/finding.ts'
import { statusOf, type Cell, type CellStatus, type ResultDocument } from '../documents/result.ts'

export interface CellLine {
  name: string
  refapp: string
  engine: string
  arch: string
  status: CellStatus | undefined
  seconds: number | undefined
  requests: number | undefined
  /** Exercised and applicable cases over all slices; absent where the document states no coverage. */
  cases: { exercised: number; applicable: number } | undefined
  properties: { judged: number; applicable: number } | undefined
  findings: Finding[]
  reason: string | undefined
}

/** Distinct reasons for which cells did not run, with what repairs them. */
export interface NotRun {
  cells: string[]
  refapps: string[]
  reason: string
  fix: string | undefined
}

export interface MatrixView {
  lines: CellLine[]
  refapps: string[]
  engines: string[]
  notRun: NotRun[]
  findings: (Finding & { cell: string })[]
}

const LABEL: Record<CellStatus, string> = {
  pass: 'pass',
  fail: 'FAIL',
  vacuous: 'VACUOUS',
  not_run: 'not run',
  aborted: 'aborted',
  error: 'ERROR'
}

/** The word for a status; a document that states none says so. */
export function statusLabel(status: CellStatus | undefined): string {
  return status === undefined ? 'not stated' : LABEL[status]
}

export function cellLine(cell: Cell): CellLine {
  const slices = Object.values(cell.coverage?.slices ?? {})
  const sum = (pick: (entry: (typeof slices)[number]) => number): number =>
    slices.reduce((total, entry) => total + pick(entry), 0)
  const properties = cell.coverage?.properties
  return {
    name: `${cell.refapp}/${cell.engine}`,
    refapp: cell.refapp,
    engine: cell.engine,
    arch: cell.arch,
    status: statusOf(cell),
    seconds: cell.traffic_seconds,
    requests: cell.tier_1?.requests_sent,
    cases:
      slices.length === 0
        ? undefined
        : {
            exercised: sum((entry) => entry.exercised),
            applicable: sum((entry) => entry.planned - entry.inapplicable.length)
          },
    properties:
      properties === undefined
        ? undefined
        : { judged: properties.exercised, applicable: properties.planned - properties.inapplicable.length },
    findings: [...(cell.findings ?? [])].sort(bySeverity),
    reason: cell.failure_reason
  }
}

/** The document as people see it. */
export function matrixView(document: ResultDocument): MatrixView {
  const cells = document.validation_results.cells
  const lines = cells.map(cellLine)
  const notRun = new Map<string, NotRun>()
  for (const cell of cells) {
    if (statusOf(cell) !== 'not_run') continue
    const reason = cell.failure_reason ?? 'no reason stated'
    const known = notRun.get(reason) ?? { cells: [], refapps: [], reason, fix: cell.fix }
    known.cells.push(`${cell.refapp}/${cell.engine}`)
    if (!known.refapps.includes(cell.refapp)) known.refapps.push(cell.refapp)
    notRun.set(reason, known)
  }
  return {
    lines,
    refapps: [...new Set(cells.map((cell) => cell.refapp))],
    engines: [...new Set(cells.map((cell) => cell.engine))],
    notRun: [...notRun.values()],
    findings: cells
      .flatMap((cell) =>
        (cell.findings ?? []).map((finding) => ({
          ...finding,
          cell: finding.cell ?? `${cell.refapp}/${cell.engine}/${cell.arch}`
        }))
      )
      .sort(bySeverity)
  }
}

/** `38,214` */
export function grouped(value: number): string {
  return value.toLocaleString('en-US')
}

/** `1 HIGH, 1 MED` in the order of their weight; empty where there are none. */
export function severityCounts(findings: readonly { severity: Finding['severity'] }[]): string {
  return (['HIGH', 'MED', 'LOW'] as const)
    .map(
      (severity) => [findings.filter((finding) => finding.severity === severity).length, severity] as const
    )
    .filter(([count]) => count > 0)
    .map(([count, severity]) => `${count} ${severity}`)
    .join(', ')
}

/** `1 cell`, `2 cells` */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`
}
