/** The first screen: what ran, what did not and why, the verdict, the worst finding, how to repeat it. */
import type { ResultDocument } from '../documents/result.ts'
import type { Verdict } from '../documents/verdict.ts'
import { subjectOf } from '../documents/waivers.ts'
import { replayCommand } from './again.ts'
import {
  caseCounts,
  grouped,
  groupLines,
  matrixView,
  plural,
  severityCounts,
  statusLabel,
  type CellLine,
  type MatrixView
} from './matrix.ts'

/** How a piece of the screen is drawn; plain text outside a terminal. */
export interface Paint {
  good(text: string): string
  bad(text: string): string
  dim(text: string): string
  bold(text: string): string
  /** Characters a line; default 120. */
  columns?: number
}

export const NO_PAINT: Paint = { good: same, bad: same, dim: same, bold: same }
function same(text: string): string {
  return text
}

const SHOWN_FINDINGS = 10
const COLUMNS = 120
const LONGEST_TEXT = 400

/** Text of a server in one line of ours. */
function flat(text: string): string {
  const line = text.replaceAll('\n', '\\n').replaceAll('\t', ' ')
  return line.length <= LONGEST_TEXT ? line : `${line.slice(0, LONGEST_TEXT - 3)}...`
}

function painted(line: Pick<CellLine, 'status'>, text: string, paint: Paint): string {
  if (line.status === 'pass') return paint.good(text)
  return line.status === 'not_run' ? paint.dim(text) : paint.bad(text)
}

/** One finished cell: `pass  shop/node-http  4.9 s  38,214 req  131/131 cases  12/12 properties`. */
export function cellText(line: CellLine, width: number, paint: Paint): string {
  const label = painted(line, statusLabel(line.status).padEnd(7), paint)
  if (line.status === 'not_run')
    return `  ${label} ${line.name.padEnd(width)}  ${line.reason ?? ''}`.trimEnd()
  const parts = [
    line.seconds === undefined ? '' : `${line.seconds.toFixed(1)} s`.padStart(7),
    requestsText(line),
    line.cases === undefined
      ? 'coverage not stated'
      : `${line.cases.exercised}/${line.cases.applicable} cases`.padStart(13),
    line.properties === undefined ? '' : `${line.properties.judged}/${line.properties.applicable} properties`,
    line.findings.length === 0 ? '' : plural(line.findings.length, 'finding')
  ].filter((part) => part !== '')
  const reason =
    line.status === 'pass' || line.status === 'fail' || line.reason === undefined ? '' : line.reason
  const first = `  ${label} ${line.name.padEnd(width)}  ${parts.join('  ')}`
  return reason === '' ? first : `${first}\n          ${reason}`
}

function requestsText({ requests }: CellLine): string {
  if (requests === null) return ''
  return requests === undefined ? 'requests not stated' : `${grouped(requests)} req`.padStart(13)
}

/** The table refapp x engine. */
export function matrixText(view: MatrixView, paint: Paint): string[] {
  const ran = view.lines.filter((line) => line.status !== 'not_run')
  const engines = view.engines.filter((engine) => ran.some((line) => line.engine === engine))
  const refapps = view.refapps.filter((refapp) => ran.some((line) => line.refapp === refapp))
  if (ran.length < 2) return []
  const first = Math.max(6, ...refapps.map((name) => name.length))
  const room = Math.max(20, (paint.columns ?? COLUMNS) - first - 2)
  return sections(engines, room).flatMap((part) => {
    const rows = refapps.map((refapp) => {
      const row = part.map(({ name, width }) => {
        const line = view.lines.find((entry) => entry.refapp === refapp && entry.engine === name)
        if (line === undefined) return ' '.repeat(width)
        return painted(line, statusLabel(line.status).padEnd(width), paint)
      })
      return `  ${[refapp.padEnd(first), ...row].join(' ')}`.trimEnd()
    })
    const head = ['refapp'.padEnd(first), ...part.map(({ name, width }) => name.padEnd(width))]
    return [`  ${head.join(' ')}`.trimEnd(), ...rows]
  })
}

/** The engines in as many tables as the width asks for. */
function sections(engines: readonly string[], room: number): { name: string; width: number }[][] {
  const parts: { name: string; width: number }[][] = []
  let used = room
  for (const name of engines) {
    const width = Math.max(name.length, 7)
    if (used + 1 + width > room) {
      parts.push([])
      used = 0
    }
    parts.at(-1)!.push({ name, width })
    used += 1 + width
  }
  return parts
}

/** Cases by group: exercised of those that apply, over all cells; nothing where no document says so. */
export function groupsText(document: ResultDocument, paint: Paint): string[] {
  const lines = groupLines(document)
  if (lines.length === 0) return []
  const first = Math.max(...lines.map(({ slice }) => slice.length))
  const room = Math.max(40, (paint.columns ?? COLUMNS) - first - 4)
  return lines.flatMap(({ slice, groups }) => {
    const rows: string[] = []
    for (const { name, exercised, applicable } of groups) {
      const text = `${name} ${exercised}/${applicable}`
      const last = rows.at(-1)
      if (last !== undefined && last.length + 2 + text.length <= room)
        rows[rows.length - 1] = `${last}  ${text}`
      else rows.push(text)
    }
    return rows.map((row, i) => `  ${(i === 0 ? slice : '').padEnd(first)}  ${row}`)
  })
}

/** `640 cases: 580 right, 12 with findings, 44 inapplicable, 4 inconclusive` */
export function casesLine(document: ResultDocument): string {
  const { planned, right, withFindings, inapplicable, inconclusive, leftOut } = caseCounts(document)
  const left =
    leftOut === 0
      ? ''
      : `; ${grouped(leftOut)} more for which the cells had no time (longer --duration, or catalogue)`
  return (
    `${plural(planned, 'case')}: ${grouped(right)} right, ${grouped(withFindings)} with findings, ` +
    `${grouped(inapplicable)} inapplicable, ${grouped(inconclusive)} inconclusive${left}`
  )
}

/** It passes only because nothing was to fail: no green word and no green mark may stand over it. */
export function isLetPass({ outcome, counts, waived, cells }: Verdict): boolean {
  const waivedHigh = waived.filter(({ finding }) => finding.severity === 'HIGH').length
  return outcome === 'pass' && (counts.high > waivedHigh || cells.vacuous > 0)
}

/** `FAIL: 1 HIGH, 1 MED in 1 of 6 cells; 8 cells not run` */
export function verdictLine(document: ResultDocument, verdict: Verdict): string {
  const view = matrixView(document)
  const { cells } = verdict
  const withFindings = view.lines.filter((line) => line.findings.length > 0).length
  const found = severityCounts(view.findings)
  const parts: string[] = []
  if (cells.ran === 0) parts.push('nothing ran')
  else if (found === '') parts.push(`no findings in ${plural(cells.ran, 'cell')}`)
  else parts.push(`${found} in ${withFindings} of ${plural(cells.ran, 'cell')}`)
  const counters = verdict.refusals.filter(({ rule }) => rule === 'counter').length
  if (counters > 0) parts.push(plural(counters, 'counter') + ' above zero')
  if (cells.vacuous > 0) parts.push(`${plural(cells.vacuous, 'cell')} VACUOUS`)
  const broken = verdict.refusals.filter(({ rule }) => rule === 'harness').length
  if (broken > 0) parts.push(`${plural(broken, 'cell')} broken by the suite or the machine`)
  if (cells.not_run > 0) parts.push(`${plural(cells.not_run, 'cell')} not run`)
  if (verdict.waived.length > 0) parts.push(`${verdict.waived.length} waived`)
  if (isLetPass(verdict)) parts.push('nothing fails, on request')
  if (verdict.refusals.some(({ rule }) => rule === 'aborted')) parts.push('stopped before the end')
  const word = { pass: 'PASS', findings: 'FAIL', infrastructure: 'BROKEN', aborted: 'ABORTED', usage: 'FAIL' }
  return `${isLetPass(verdict) ? 'LET PASS' : word[verdict.outcome]}: ${parts.join('; ')}`
}

/** The findings of the screen, worst first, each with its sentence. */
export function findingsText(document: ResultDocument, paint: Paint, folder = ''): string[] {
  const { findings } = matrixView(document)
  const lines: string[] = []
  for (const finding of findings.slice(0, SHOWN_FINDINGS)) {
    const parts = [finding.predicate, shortCell(finding.cell), finding.case, finding.standard]
      .filter((part) => part !== undefined && part !== '')
      .map((part) => flat(part!))
    const severity = finding.severity.padEnd(4)
    lines.push(
      `  ${finding.severity === 'LOW' ? paint.dim(severity) : paint.bad(severity)}  ${parts.join('  ')}`
    )
    const repeats = finding.repeats === undefined ? '' : `   ${finding.repeats.k} of ${finding.repeats.n}`
    lines.push(`        ${flat(finding.title ?? 'title not stated')}${repeats}`)
    const again = replayCommand(finding, document, folder)
    if (again !== undefined) lines.push(`        ${paint.dim(again)}`)
  }
  if (findings.length > SHOWN_FINDINGS) {
    lines.push(`  and ${findings.length - SHOWN_FINDINGS} more in the summary and the results`)
  }
  return lines
}

function shortCell(cell: string): string {
  return cell.split('/').slice(0, 2).join('/')
}

/** What did not run, and what would make it run. */
export function notRunText(view: MatrixView, paint: Paint): string[] {
  return view.notRun.flatMap(({ refapps, cells, reason, fix }) => {
    const who = refapps.length === 1 && cells.length === 1 ? cells[0]! : refapps[0]!
    const more = refapps.length > 1 ? `   (and ${plural(refapps.length - 1, 'more refapp')})` : ''
    const head = `  ${paint.dim('not run')}  ${who}: ${reason}${more}`
    return fix === undefined ? [head] : [head, `           fix: ${fix}`]
  })
}

function groupsBlock(document: ResultDocument, paint: Paint): string[] {
  const groups = groupsText(document, paint)
  return groups.length === 0 ? [] : ['', `  ${casesLine(document)}`, ...groups.map((line) => paint.dim(line))]
}

function ownerOf({ owner }: { owner?: string | undefined }): string {
  return owner === undefined ? '' : `; owner: ${owner}`
}

/** Verdict, refusals that are not findings, waivers to look at. @param folder of the document, for what is named by file */
export function endText(document: ResultDocument, verdict: Verdict, paint: Paint, folder = ''): string[] {
  const view = matrixView(document)
  const line = verdictLine(document, verdict)
  const lines = [
    ...matrixText(view, paint),
    ...groupsBlock(document, paint),
    '',
    verdict.outcome === 'pass' && !isLetPass(verdict) ? paint.good(line) : paint.bad(line),
    ...findingsText(document, paint, folder)
  ]
  for (const { rule, cell, text } of verdict.refusals) {
    if (rule === 'finding') continue
    lines.push(`  ${paint.bad(rule)}  ${cell === undefined ? '' : `${shortCell(cell)}: `}${text}`)
  }
  for (const waiver of verdict.expired) {
    lines.push(
      `  waiver expired ${waiver.expires}: ${subjectOf(waiver)} (${waiver.reason}${ownerOf(waiver)})`
    )
  }
  for (const waiver of verdict.unused) {
    lines.push(`  waiver unused: ${subjectOf(waiver)} (${waiver.reason}${ownerOf(waiver)})`)
  }
  return lines
}
