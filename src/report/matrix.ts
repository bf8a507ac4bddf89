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
  /** Undefined where the document states none; null where no walkers were to run. */
  requests: number | undefined | null
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

function walks({ coverage }: Cell): boolean {
  return coverage === undefined || coverage.slices['markov'] !== undefined
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
    requests: cell.tier_1?.requests_sent ?? (walks(cell) ? undefined : null),
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

export interface GroupLine {
  slice: string
  groups: { name: string; exercised: number; applicable: number }[]
}

/** Cases by slice and group, over all cells; a group of which nothing applies to any cell is left out. */
export function groupLines(document: ResultDocument): GroupLine[] {
  const slices = new Map<string, Map<string, { exercised: number; applicable: number }>>()
  for (const { coverage } of document.validation_results.cells) {
    for (const [name, entry] of Object.entries(coverage?.groups ?? {})) {
      const at = name.indexOf('/')
      const slice = slices.get(name.slice(0, at)) ?? new Map<string, never>()
      const sum = slice.get(name.slice(at + 1)) ?? { exercised: 0, applicable: 0 }
      sum.exercised += entry.exercised
      sum.applicable += entry.planned - entry.inapplicable.length
      slice.set(name.slice(at + 1), sum)
      slices.set(name.slice(0, at), slice)
    }
  }
  return [...slices].flatMap(([slice, groups]) => {
    const lines = [...groups]
      .map(([name, sum]) => ({ name, ...sum }))
      .filter(({ applicable }) => applicable > 0)
    return lines.length === 0 ? [] : [{ slice, groups: lines }]
  })
}

export interface CaseCounts {
  planned: number
  right: number
  withFindings: number
  inapplicable: number
  inconclusive: number
  /** Not planned: no cell had the time. */
  leftOut: number
}

/** How the cases of the document ended; every case is in one of the four. */
export function caseCounts(document: ResultDocument): CaseCounts {
  const counts = { planned: 0, right: 0, withFindings: 0, inapplicable: 0, inconclusive: 0, leftOut: 0 }
  for (const { coverage, findings = [] } of document.validation_results.cells) {
    for (const [slice, entry] of Object.entries(coverage?.slices ?? {})) {
      const left = new Set([...entry.inapplicable, ...entry.inconclusive].map((line) => line.case))
      const found = new Set(findings.flatMap((one) => (one.slice === slice ? (one.case ?? []) : [])))
      const wrong = Math.min(entry.exercised, [...found].filter((name) => !left.has(name)).length)
      counts.planned += entry.planned
      counts.withFindings += wrong
      counts.right += entry.exercised - wrong
      counts.inapplicable += entry.inapplicable.length
      counts.inconclusive += entry.inconclusive.length
      counts.leftOut += entry.left_out ?? 0
    }
  }
  return counts
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
