/** SIGINT and SIGTERM: stop, clean up, and be gone within the limit. */
import { killAll, runCleanups } from './cleanup.ts'
import { AbortedError, EXIT } from './errors.ts'

export interface SignalOptions {
  /** Runs on every way out, before the registered cleanups. */
  cleanup?: () => Promise<void> | void
  /** From the first signal to the forced exit, ms. The runner kills 7.5 s after its first signal. */
  hardLimitMs?: number
  /** Told once, at the first signal. */
  onSignal?: (signal: NodeJS.Signals) => void
}

/** Of the hard limit, what is kept for the cleanups when `run` does not heed its signal. */
const CLEANUP_SHARE = 0.4
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs with a signal that aborts at the first SIGINT, SIGTERM or SIGHUP. The caller writes its partial results
 * inside `run`. Then `cleanup` and everything registered with `onCleanup` is awaited. A second signal, or the
 * hard limit, kills what is registered and exits 130.
 * @throws AbortedError once a signal has come, whatever `run` returned.
 */
export async function withSignals<T>(
  run: (signal: AbortSignal) => Promise<T>,
  { cleanup, hardLimitMs = 6000, onSignal }: SignalOptions = {}
): Promise<T> {
  const controller = new AbortController()
  let got: NodeJS.Signals | undefined
  let hard: NodeJS.Timeout | undefined
  let early: NodeJS.Timeout | undefined
  let cleaning: Promise<void> | undefined

  const force = (): never => {
    killAll()
    process.exit(EXIT.aborted)
  }
  const cleanAll = (): Promise<void> => {
    cleaning ??= (async () => {
      try {
        await cleanup?.()
      } finally {
        await runCleanups()
      }
    })()
    return cleaning
  }
  const listener = (signal: NodeJS.Signals): void => {
    if (got !== undefined) force()
    got = signal
    hard = setTimeout(force, hardLimitMs)
    early = setTimeout(() => void cleanAll().catch(() => undefined), hardLimitMs * (1 - CLEANUP_SHARE))
    onSignal?.(signal)
    controller.abort(new AbortedError(`stopped by ${signal}`))
  }

  for (const signal of SIGNALS) process.on(signal, listener)
  try {
    let result: T
    try {
      result = await run(controller.signal)
    } finally {
      await cleanAll()
    }
    if (got !== undefined) throw new AbortedError(`stopped by ${String(got)}`)
    return result
  } catch (error) {
    if (got !== undefined) throw new AbortedError(`stopped by ${String(got)}`, { cause: error })
    throw error
  } finally {
    clearTimeout(hard)
    clearTimeout(early)
    for (const signal of SIGNALS) process.off(signal, listener)
  }
}
