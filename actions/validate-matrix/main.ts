import { runAction, type ActionContext } from '../../src/kit/action.ts'
import { uploadArtifact } from '../../src/kit/artifact.ts'
import type { Outcome } from '../../src/kit/errors.ts'
import { appendSummary } from '../../src/kit/summary.ts'
import { tellValidation } from '../../src/cli/validate.ts'
import { runMark } from '../../src/target/watchdog.ts'
import { verdictLine } from '../../src/report/screen.ts'
import spec from './spec.ts'

type Context = ActionContext<typeof spec.inputs, typeof spec.outputs>

/** Runs the matrix and hands out what it found. */
export async function validateMatrix({
  inputs,
  given,
  log,
  signal,
  state,
  setOutputs
}: Context): Promise<Outcome> {
  state.save('run', runMark)
  const { document, verdict, resultsPath, summaryPath, summary, seed, out } = await tellValidation(
    inputs,
    given,
    log,
    signal,
    { named: (input) => `input ${input}` }
  )
  const { counts, cells, outcome } = verdict
  setOutputs({
    verdict: verdictLine(document, verdict),
    'results-path': resultsPath,
    'summary-path': summaryPath,
    'findings-high': counts.high,
    'findings-med': counts.med,
    'findings-low': counts.low,
    cells: cells.total,
    'cells-run': cells.ran,
    'cells-not-run': cells.not_run,
    'cells-vacuous': cells.vacuous,
    seed
  })
  if (inputs.summary === 'always' || (inputs.summary === 'on-failure' && outcome !== 'pass'))
    await appendSummary(summary).catch((error: unknown) => {
      log.warn(`the job summary was not written: ${error instanceof Error ? error.message : String(error)}`)
    })
  for (const { rule, cell, text, finding } of verdict.refusals) {
    log.error(`${cell === undefined ? '' : `${cell}: `}${finding?.title ?? text}`, {
      title: finding?.predicate ?? rule
    })
  }
  if (inputs['upload-artifact'] && !signal.aborted) {
    const job = [process.env['GITHUB_JOB'] ?? 'job', process.env['GITHUB_RUN_ATTEMPT'] ?? '1', seed].join('-')
    const name = inputs['artifact-name'] ?? `probatorium-${job}`
    const uploaded = await uploadArtifact({ name, folder: out, retentionDays: inputs['retention-days'] }, log)
    if (uploaded !== undefined) setOutputs({ 'artifact-id': uploaded.id, 'artifact-url': uploaded.url })
  }
  return outcome
}

export const validateMatrixMain = (): Promise<never> => runAction(spec, validateMatrix)
