/** The way out of a program: every error becomes its exit code and its words, and nothing printed is lost. */
import { killAll } from './cleanup.ts'
import { EXIT, outcomeOf, type Outcome } from './errors.ts'
import { explainWriteError } from './files.ts'
import type { Log } from './log.ts'
import { withSignals } from './signals.ts'

export interface MainContext {
  log: Log
  /** Aborts at SIGINT, SIGTERM and SIGHUP. */
  signal: AbortSignal
}

export interface RunOptions {
  log: Log
  /** Told the outcome before the process ends, also after an error. */
  onOutcome?: (outcome: Outcome, error?: unknown) => void
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve()
    else stream.write('', () => resolve())
  })
}

async function leave(outcome: Outcome): Promise<never> {
  await Promise.all([drained(process.stdout), drained(process.stderr)])
  process.exit(EXIT[outcome])
}

/** Text of an error: ours teach and have no stack; an unknown one is a defect and shows where it came from. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const ours = ['UserError', 'GateError', 'InfraError', 'AbortedError'].includes(error.name)
  return ours ? error.message : `defect of the suite: ${error.stack ?? error.message}`
}

/** Runs a program to its end and exits with the code of its outcome; no outcome is a pass. */
export async function runMain(
  main: (context: MainContext) => Promise<Outcome | undefined | void>,
  { log, onOutcome }: RunOptions
): Promise<never> {
  const broken = (error: unknown): void => {
    killAll()
    const explained = explainWriteError(error, 'output')
    const outcome = outcomeOf(explained)
    log.error(errorText(explained))
    onOutcome?.(outcome, explained)
    void leave(outcome)
  }
  process.on('uncaughtException', broken)
  process.on('unhandledRejection', broken)
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // A reader that went away (`| head`) is no defect.
      if (error.code !== 'EPIPE') throw error
    })
  }
  let outcome: Outcome
  let failure: unknown
  try {
    outcome = (await withSignals((signal) => main({ log, signal }))) ?? 'pass'
  } catch (error) {
    failure = explainWriteError(error, 'output')
    outcome = outcomeOf(failure)
    log.error(errorText(failure))
  }
  log.close()
  onOutcome?.(outcome, failure)
  return leave(outcome)
}
