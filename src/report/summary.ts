/** The job summary: the story of the first screen as Markdown. Everything a server sent is escaped. */
import type { ResultDocument, CoverageEntry } from '../documents/result.ts'
import type { Verdict } from '../documents/verdict.ts'
import { subjectOf } from '../documents/waivers.ts'
import { replayCommand } from './again.ts'
import { codeSpan, markdown } from './markdown.ts'
import { grouped, groupLines, matrixView, plural, statusLabel } from './matrix.ts'
import { casesLine, isLetPass, verdictLine } from './screen.ts'

const SHOWN_ROWS = 20
const SHOWN_FINDINGS = 50

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => ' --- ').join('|')}|`,
    ...rows.map((row) => `| ${row.join(' | ')} |`)
  ]
}

function folded(title: string, lines: readonly string[]): string[] {
  return lines.length === 0
    ? []
    : ['', `<details><summary>${title}</summary>`, '', ...lines, '', '</details>']
}

const MARK: Record<string, string> = {
  pass: '✅',
  fail: '❌',
  vacuous: '⚠️',
  error: '💥',
  aborted: '⏹️',
  not_run: '⏸️'
}

/** The summary as Markdown. */
export function summaryMarkdown(document: ResultDocument, verdict: Verdict): string {
  const view = matrixView(document)
  const run = document.validation_results.run
  const mark = MARK[isLetPass(verdict) ? 'vacuous' : verdict.outcome] ?? MARK['fail']
  const lines = [`## ${mark} probatorium: ${markdown(verdictLine(document, verdict))}`, '']
  if (run !== undefined) {
    lines.push(
      `Tier ${run.tiers.join(', ')}, slices ${run.slices.join(', ')}, ${run.duration_ms / 1000} s, ` +
        `seed ${codeSpan(run.seed)}, version ${markdown(run.suite_version)}`,
      ''
    )
  }
  const rows = view.lines
    .filter((line) => line.status !== 'not_run')
    .map((line) => [
      `${MARK[line.status ?? ''] ?? ''} ${statusLabel(line.status)}`,
      markdown(`${line.refapp}/${line.engine}/${line.arch}`),
      line.seconds === undefined ? '' : `${line.seconds.toFixed(1)} s`,
      line.requests === null ? '' : line.requests === undefined ? 'not stated' : grouped(line.requests),
      line.cases === undefined ? 'not stated' : `${line.cases.exercised}/${line.cases.applicable}`,
      line.properties === undefined ? '' : `${line.properties.judged}/${line.properties.applicable}`,
      line.findings.length === 0 ? '' : String(line.findings.length)
    ])
  const head = ['verdict', 'cell', 'traffic', 'requests', 'cases', 'properties', 'findings']
  if (rows.length > 0) lines.push(...table(head, rows.slice(0, SHOWN_ROWS)))
  lines.push(
    ...folded(
      `${rows.length - SHOWN_ROWS} more cells`,
      rows.length > SHOWN_ROWS ? table(head, rows.slice(SHOWN_ROWS)) : []
    )
  )

  if (view.findings.length > 0) {
    lines.push('', `### Findings`, '')
    for (const finding of view.findings.slice(0, SHOWN_FINDINGS)) {
      const repeats = finding.repeats === undefined ? '' : ` (${finding.repeats.k} of ${finding.repeats.n})`
      lines.push(
        `- **${finding.severity}** ${codeSpan(finding.predicate)} ${codeSpan(finding.case ?? 'case not stated')} in ` +
          `${codeSpan(finding.cell)}: ${markdown(finding.title ?? 'title not stated')}${repeats}` +
          (finding.standard === undefined ? '' : `. ${markdown(finding.standard)}`)
      )
      const again = replayCommand(finding, document, '')
      if (again !== undefined) lines.push(`  <br>again: ${codeSpan(again)}`)
    }
    if (view.findings.length > SHOWN_FINDINGS) {
      lines.push(`- and ${view.findings.length - SHOWN_FINDINGS} more in validate-results.json`)
    }
  }
  const other = verdict.refusals.filter(({ rule }) => rule !== 'finding')
  if (other.length > 0) {
    lines.push('', '### Why the gate refuses', '')
    for (const { rule, cell, text } of other.slice(0, SHOWN_FINDINGS)) {
      lines.push(`- ${codeSpan(rule)} ${cell === undefined ? '' : `${codeSpan(cell)}: `}${markdown(text)}`)
    }
  }
  if (view.notRun.length > 0) {
    lines.push('', '### Not run', '')
    for (const { cells, reason, fix } of view.notRun) {
      lines.push(
        `- ${plural(cells.length, 'cell')} (${markdown(cells.join(', '), 1500)}): ${markdown(reason)}` +
          (fix === undefined ? '' : `. Fix: ${markdown(fix)}`)
      )
    }
  }
  lines.push(...folded('Coverage by slice', coverageLines(document)))
  lines.push(...folded('Cases by group', groupTable(document)))
  const waivers = [
    ...verdict.waived.map(
      ({ finding, cell, waiver }) =>
        `- waived until ${waiver.expires}: ${codeSpan(finding.predicate)} in ${codeSpan(cell)}: ${markdown(waiver.reason)}`
    ),
    ...verdict.expired.map(
      (waiver) => `- expired ${waiver.expires}: ${codeSpan(subjectOf(waiver))}: ${markdown(waiver.reason)}`
    ),
    ...verdict.unused.map((waiver) => `- unused: ${codeSpan(subjectOf(waiver))}: ${markdown(waiver.reason)}`)
  ]
  if (waivers.length > 0) lines.push('', '### Waivers', '', ...waivers)
  return `${lines.join('\n')}\n`
}

function coverageLines(document: ResultDocument): string[] {
  const rows: string[][] = []
  for (const cell of document.validation_results.cells) {
    for (const [slice, entry] of Object.entries(cell.coverage?.slices ?? {})) {
      rows.push([
        markdown(`${cell.refapp}/${cell.engine}`),
        slice,
        ...numbers(entry),
        markdown(reasons(entry))
      ])
    }
  }
  if (rows.length === 0) return []
  return table(
    ['cell', 'slice', 'planned', 'exercised', 'inapplicable', 'inconclusive', 'reasons'],
    rows.slice(0, 200)
  )
}

function groupTable(document: ResultDocument): string[] {
  const rows = groupLines(document).flatMap(({ slice, groups }) =>
    groups.map(({ name, exercised, applicable }) => [slice, markdown(name), `${exercised}/${applicable}`])
  )
  return rows.length === 0 ? [] : [casesLine(document), '', ...table(['slice', 'group', 'exercised'], rows)]
}

function numbers(entry: CoverageEntry): string[] {
  return [entry.planned, entry.exercised, entry.inapplicable.length, entry.inconclusive.length].map(String)
}

/** The reasons of one book, each once, the most frequent first. */
function reasons(entry: CoverageEntry): string {
  const counts = new Map<string, number>()
  for (const { reason } of [...entry.inconclusive, ...entry.inapplicable]) {
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([reason, count]) => `${reason} (${count})`)
    .join('; ')
    .slice(0, 300)
}
