/** The way out of a program: every error becomes its exit code and its words, nothing printed is lost, nothing is left running. */
import { killAll, runCleanups } from './cleanup.ts'
import { AbortedError, EXIT, GateError, InfraError, UserError, outcomeOf, type Outcome } from './errors.ts'
import { codeOf, explainWriteError } from './files.ts'
import type { Log } from './log.ts'
import { withSignals } from './signals.ts'
import { boundMemory } from './memory.ts'

export interface MainContext {
  log: Log
  /** Aborts at SIGINT, SIGTERM and SIGHUP. */
  signal: AbortSignal
}

export interface RunOptions {
  log: Log
  /** Told the outcome once, before the process ends, also after an error. */
  onOutcome?: (outcome: Outcome, error?: unknown) => void
}

/** From a signal to the forced exit, ms; the rest of the 6 s is for outputs and flushing. */
const HARD_LIMIT_MS = 5600
/** For the cleanups after an error that nobody caught, ms. */
const CRASH_CLEANUP_MS = 4000
/** After an abort nobody may be reading any more, ms. */
const ABORTED_FLUSH_MS = 300
/** What any write can meet, wherever it happens. */
const DISK_CODES = ['ENOSPC', 'EDQUOT', 'EROFS']

/** Text of an error: ours teach and have no stack; an unknown one is a defect and shows where it came from. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return `defect of the suite: thrown: ${String(error)}`
  const parts =
    error instanceof AggregateError ? error.errors.map((part) => `\n  - ${errorText(part)}`).join('') : ''
  const ours = [UserError, GateError, InfraError, AbortedError].some((kind) => error instanceof kind)
  return `${ours ? error.message : `defect of the suite: ${error.stack ?? error.message}`}${parts}`
}

/** Runs a program to its end and exits with the code of its outcome; no outcome is a pass. */
export async function runMain(
  main: (context: MainContext) => Promise<Outcome | undefined | void>,
  { log, onOutcome }: RunOptions
): Promise<never> {
  boundMemory()
  const streams = watchStreams()
  const crash = watchCrashes()
  let outcome: Outcome = 'pass'
  let failure: unknown
  try {
    const run = withSignals((signal) => main({ log, signal }), {
      hardLimitMs: HARD_LIMIT_MS,
      onSignal: (signal) => {
        log.warn(`${signal}: stopping`)
      }
    })
    outcome = (await Promise.race([run, crash.happened])) ?? 'pass'
  } catch (error) {
    failure = explainDisk(error)
    outcome = outcomeOf(failure)
    if (crash.seen()) await Promise.race([runCleanups(), pause(CRASH_CLEANUP_MS)])
    killAll()
  }
  if (failure === undefined && streams.failed !== undefined) {
    failure = explainDisk(streams.failed)
    outcome = outcomeOf(failure)
  }
  try {
    onOutcome?.(outcome, failure)
  } catch (error) {
    failure ??= explainDisk(error)
    if (outcome === 'pass') outcome = outcomeOf(failure)
  }
  tell(log, outcome, failure)
  const flushed = Promise.all([drained(process.stdout), drained(process.stderr)])
  await (outcome === 'aborted' ? Promise.race([flushed, pause(ABORTED_FLUSH_MS)]) : flushed)
  process.exit(EXIT[streams.failed === undefined || outcome !== 'pass' ? outcome : 'infrastructure'])
}

function explainDisk(error: unknown): unknown {
  if (!DISK_CODES.includes(codeOf(error) ?? '')) return error
  const { path } = error as { path?: unknown }
  return explainWriteError(error, typeof path === 'string' ? path : 'the output folder')
}

function tell(log: Log, outcome: Outcome, failure: unknown): void {
  if (failure === undefined) {
    log.close()
    return
  }
  if (log.json && !log.documentWritten) {
    const explained = failure instanceof UserError || failure instanceof InfraError
    log.document({ outcome, error: explained ? failure.explanation : { what: errorText(failure) } })
  }
  if (failure instanceof InfraError && failure.cause instanceof Error) {
    log.debug(failure.cause.stack ?? failure.cause.message)
  }
  log.close(errorText(failure))
}

function watchStreams(): { readonly failed: Error | undefined } {
  const seen: { failed: Error | undefined } = { failed: undefined }
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // A reader that went away (`| head`) changes nothing about the verdict.
      if (error.code !== 'EPIPE') seen.failed ??= error
    })
  }
  return seen
}

/** Errors that nobody caught, as a promise that rejects; there may be more than one. */
function watchCrashes(): { happened: Promise<never>; seen: () => boolean } {
  let crashed = false
  const { promise, reject } = Promise.withResolvers<never>()
  // Nobody waits for it once the run has ended by itself.
  promise.catch(() => undefined)
  const onCrash = (error: unknown): void => {
    crashed = true
    reject(error instanceof Error ? error : new Error(`thrown: ${String(error)}`))
  }
  process.on('uncaughtException', onCrash)
  process.on('unhandledRejection', onCrash)
  return { happened: promise, seen: () => crashed }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve()
    else stream.write('', () => resolve())
  })
}
