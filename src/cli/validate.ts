/** `probatorium validate`, and the story that the action tells too. */
import { relative } from 'node:path'
import type { Cell } from '../documents/result.ts'
import type { Outcome } from '../kit/errors.ts'
import { UserError } from '../kit/errors.ts'
import type { Log } from '../kit/log.ts'
import { formatDuration } from '../kit/duration.ts'
import { cellText, endText, notRunText, type Paint } from '../report/screen.ts'
import { cellLine, matrixView, plural } from '../report/matrix.ts'
import { summaryMarkdown } from '../report/summary.ts'
import { SCHEMA_VERSION } from '../documents/result.ts'
import { validate, writeSummary, type ValidateHooks, type ValidateInputs } from '../validate/run.ts'
import type { Named } from '../validate/plan.ts'
import type { MatrixResult, PlannedCell } from '../validate/matrix.ts'

export interface Told extends MatrixResult {
  seed: string
  out: string
  summaryPath: string
  summary: string
}

/** The log's colours as the screen wants them. */
export function paintOf({ style, columns }: Log): Paint {
  return {
    good: style.green,
    bad: style.red,
    dim: style.dim,
    bold: style.bold,
    ...(columns === undefined ? {} : { columns })
  }
}

/** What differs where the catalogue is played alone. */
export interface CatalogueStory {
  wants: NonNullable<ValidateHooks['catalogue']>['wants']
  /** `262 cases of h1, 160 of h2c` */
  cases: string
}

/** Runs a validation and tells its story on the log. */
export async function tellValidation(
  inputs: ValidateInputs,
  given: ReadonlySet<string>,
  log: Log,
  signal: AbortSignal,
  { named, catalogue }: { named?: Named; catalogue?: CatalogueStory } = {}
): Promise<Told> {
  const paint = paintOf(log)
  let width = 0
  const result = await validate(inputs, given, {
    log,
    signal,
    ...(named === undefined ? {} : { named }),
    ...(catalogue === undefined ? {} : { catalogue }),
    onPlanned: ({ runnable, notRun, seed, durationMs }) => {
      width = Math.max(12, ...runnable.map(nameOf).map((name) => name.length))
      const cells = `${plural(runnable.length + notRun.length, 'cell')}, ${formatDuration(durationMs)}, tier ${inputs.tiers.join(', ')}, seed ${seed}`
      if (catalogue === undefined) {
        log.info(`${paint.bold('probatorium validate')}   ${cells}`)
        for (const [refapp, engines] of byRefapp(runnable))
          log.info(`  ${refapp.padEnd(14)} ${engines.join('  ')}`)
      } else {
        log.info(`${paint.bold('probatorium catalogue')}   ${catalogue.cases}, seed ${seed}`)
      }
      const document = { schema_version: SCHEMA_VERSION, validation_results: { cells: notRun } }
      for (const line of notRunText(matrixView(document), paint)) log.info(line)
      log.info('')
    },
    onCell: (cell: Cell) => log.info(cellText(cellLine(cell), width, paint))
  })
  const { document, verdict, resultsPath, out, seed } = result
  const ran = document.validation_results.cells.filter((cell) => cell.status !== 'not_run')
  const summary = summaryMarkdown(document, verdict)
  const summaryPath = await writeSummary(out, summary)
  if (!signal.aborted && inputs['expect-cells'] === undefined)
    refuseNothing(document.validation_results.cells, ran, resultsPath)
  const here = (path: string): string => relative(process.cwd(), path) || path
  for (const line of endText(document, verdict, paint, here(out))) log.result(line)
  log.result(`Summary: ${here(summaryPath)}    Results: ${here(resultsPath)}`)
  log.result(paint.dim(`again: ${document.validation_results.run?.command ?? ''}`))
  return { ...result, summary, summaryPath, seed, out }
}

function nameOf({ refapp, engine }: Pick<PlannedCell, 'refapp' | 'engine'>): string {
  return `${refapp}/${engine}`
}

function byRefapp(cells: readonly PlannedCell[]): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const { refapp, engine } of cells) found.set(refapp, [...(found.get(refapp) ?? []), engine])
  return found
}

/** Nothing that could be judged is a usage error with every reason: a server that never came up, a toolchain missing. */
function refuseNothing(cells: readonly Cell[], ran: readonly Cell[], resultsPath: string): void {
  const up = ran.filter((cell) => cell.coverage !== undefined || cell.status === 'error')
  if (up.length > 0) return
  const reasons = new Map<string, Cell[]>()
  for (const cell of cells) {
    const reason = cell.failure_reason ?? 'no reason stated'
    reasons.set(reason, [...(reasons.get(reason) ?? []), cell])
  }
  const lines = [...reasons].map(([reason, [first, ...more]]) => {
    const others = more.length === 0 ? '' : ` (and ${more.length} more)`
    const fix = first!.fix === undefined ? '' : `\n  fix: ${first!.fix}`
    return `${first!.refapp}/${first!.engine}${others}: ${reason}${fix}`
  })
  throw new UserError({
    what: `no cell ran\n${lines.join('\n')}`,
    fix: `probatorium doctor; the reasons are also in ${relative(process.cwd(), resultsPath)}`
  })
}

/** `probatorium validate` */
export async function runValidate(
  inputs: ValidateInputs,
  given: ReadonlySet<string>,
  log: Log,
  signal: AbortSignal
): Promise<Outcome> {
  const { document, verdict } = await tellValidation(inputs, given, log, signal)
  if (log.json) log.document(document)
  return verdict.outcome
}
