/** Programs that are run and awaited: argument lists only, never a shell, with a time limit and an output limit. */
import { execa } from 'execa'
import { onCleanup } from './cleanup.ts'
import { AbortedError, InfraError } from './errors.ts'
import { oneLine } from './escape.ts'
import { holdsSecret, redact } from './secrets.ts'

export interface ExecOptions {
  cwd?: string
  /** Added to the environment of this process; secrets go here or into `input`, never into an argument. */
  env?: Record<string, string>
  input?: string
  /** ms; default 60 s */
  timeoutMs?: number
  /** Of stdout and of stderr, each; default 16 MiB */
  maxOutputBytes?: number
  signal?: AbortSignal
  /** Exit codes that are no failure; default 0 alone. */
  okCodes?: readonly number[]
}

export interface ExecResult {
  exitCode: number
  stdout: string
  stderr: string
}

/** From SIGTERM to SIGKILL, ms. */
const GRACE_MS = 2000

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // The group has ended.
  }
}

/**
 * Runs a program in its own process group; at the time limit, on abort and on the way out the whole group is ended.
 * @throws InfraError where it cannot be started, ends with another code, or runs over a limit (its last lines are
 * in the message); AbortedError on abort.
 */
export async function exec(
  file: string,
  args: readonly string[],
  options: ExecOptions = {}
): Promise<ExecResult> {
  const { timeoutMs = 60_000, maxOutputBytes = 16 * 1024 * 1024, signal, okCodes = [0] } = options
  if (args.some(holdsSecret)) throw new InfraError(`a secret would stand in the argument list of ${file}`)
  const aborted = (): boolean => signal?.aborted === true
  if (aborted()) throw new AbortedError(`${file} was not started: the run was stopped`)
  const child = execa(file, [...args], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    detached: true,
    cleanup: false,
    reject: false,
    stripFinalNewline: false,
    maxBuffer: maxOutputBytes
  })
  let timedOut = false
  const stopped = (): boolean => signal?.aborted ?? false
  let killTimer: NodeJS.Timeout | undefined
  const end = (): void => {
    killGroup(child.pid, 'SIGTERM')
    killTimer ??= setTimeout(() => killGroup(child.pid, 'SIGKILL'), GRACE_MS)
  }
  const timer = setTimeout(() => {
    timedOut = true
    end()
  }, timeoutMs)
  signal?.addEventListener('abort', end, { once: true })
  const forget = onCleanup({
    name: file,
    async stop() {
      end()
      await child
    },
    kill: () => killGroup(child.pid, 'SIGKILL')
  })
  try {
    const result = await child
    const { exitCode } = result
    const { stdout, stderr } = result
    if (stopped()) throw new AbortedError(`${file} was stopped`)
    if (!timedOut && !result.isMaxBuffer && exitCode !== undefined && okCodes.includes(exitCode)) {
      return { exitCode, stdout, stderr }
    }
    throw new InfraError(
      {
        where: shown(file, args),
        what: reason(result, timedOut, timeoutMs, maxOutputBytes),
        ...lastLines(stderr || stdout)
      },
      { retryable: timedOut }
    )
  } finally {
    clearTimeout(timer)
    clearTimeout(killTimer)
    // What the program left running in its group outlives neither the limit nor an abort.
    if (timedOut || stopped()) killGroup(child.pid, 'SIGKILL')
    signal?.removeEventListener('abort', end)
    forget()
  }
}

function shown(file: string, args: readonly string[]): string {
  return redact(oneLine([file, ...args].join(' ')))
}

function reason(
  result: {
    exitCode?: number | undefined
    signal?: string | undefined
    isMaxBuffer: boolean
    code?: string | undefined
  },
  timedOut: boolean,
  timeoutMs: number,
  maxOutputBytes: number
): string {
  if (timedOut) return `did not end within ${timeoutMs / 1000} s`
  if (result.isMaxBuffer) return `wrote more than ${maxOutputBytes} bytes`
  if (result.code === 'ENOENT') return 'is not installed, or its folder does not exist'
  if (result.signal !== undefined) return `ended by ${result.signal}`
  if (result.exitCode !== undefined) return `ended with code ${result.exitCode}`
  return `could not be started (${result.code ?? 'unknown error'})`
}

function lastLines(output: string): { why?: string } {
  const lines = redact(output).trim().split('\n').slice(-12)
  return lines.length === 1 && lines[0] === ''
    ? {}
    : { why: lines.map((line) => oneLine(line, 400)).join('\n       ') }
}
