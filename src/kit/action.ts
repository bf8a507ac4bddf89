/** An action from start to end: inputs, log, outcome output, exit code. */
import type { Outcome } from './errors.ts'
import { readActionInputs, type ReadInputs } from './inputs.ts'
import { createLog, type Log } from './log.ts'
import { setOutputs, stepState, type StepState } from './outputs.ts'
import { runMain, type MainContext } from './run.ts'
import type { ActionSpec, Fields, OutputsOf } from './spec.ts'

export interface ActionContext<F extends Fields, O extends Record<string, string>>
  extends ReadInputs<F>, Readonly<MainContext> {
  setOutputs(values: OutputsOf<O>): void
  readonly state: StepState
}

function writeOutputs(log: Log, values: Record<string, string | number | boolean | undefined>): void {
  for (const name of setOutputs(values)) log.warn(`output ${name} was left out: it holds a secret`)
}

/**
 * The main step: reads the inputs (every problem in one message), runs, sets `outcome` before it fails.
 * Ends the process.
 */
export async function runAction<const F extends Fields, const O extends Record<string, string>>(
  spec: ActionSpec<F, O>,
  main: (context: ActionContext<F, O>) => Promise<Outcome | undefined | void>
): Promise<never> {
  const log = createLog()
  return await runMain(
    async ({ signal }) => {
      const read = readActionInputs(spec)
      for (const warning of read.warnings) log.warn(warning)
      await log.group('Inputs', async () => {
        for (const line of inputLines(spec.inputs, read)) log.info(line)
      })
      return await main({
        ...read,
        log,
        signal,
        state: stepState,
        setOutputs: (values) => {
          writeOutputs(log, values)
        }
      })
    },
    {
      log,
      onOutcome: (outcome) => {
        writeOutputs(log, { outcome })
      }
    }
  )
}

function inputLines<F extends Fields>(fields: F, { inputs, given }: ReadInputs<F>): string[] {
  return Object.entries(fields).flatMap(([name, { about }]) => {
    const value: unknown = inputs[name]
    if (value === undefined) return []
    const text = about.secret ? '***' : typeof value === 'string' ? value : JSON.stringify(value)
    const unit = about.kind === 'duration' ? ' ms' : ''
    return [`${name}: ${text}${unit}${given.has(name) ? '' : ' (default)'}`]
  })
}

/** The post step: never fails the job; a problem becomes a warning. Ends the process. */
export async function runPost(
  post: (context: { log: Log; state: StepState; signal: AbortSignal }) => Promise<void>
): Promise<never> {
  const log = createLog()
  return await runMain(
    async ({ signal }) => {
      try {
        await post({ log, state: stepState, signal })
      } catch (error) {
        log.warn(`the post step could not finish: ${error instanceof Error ? error.message : String(error)}`)
      }
    },
    { log }
  )
}
