/** Programs that are run to their end, such as builds: argument lists only, never a shell, and nothing outlives them. */
import { execa } from 'execa'
import { onCleanup } from '../kit/cleanup.ts'
import { guard } from './watchdog.ts'

export interface RunOptions {
  cwd: string
  /** Added to the environment of this process. */
  env?: Readonly<Record<string, string>>
  timeoutMs: number
  signal: AbortSignal
}

export interface RunResult {
  failed: boolean
  /** Why it did not end by itself. */
  cut?: 'stopped' | 'timeout'
  /** stdout and stderr as they came, up to 16 MiB. */
  output: string
}

const MOST_OUTPUT = 16 * 1024 * 1024
/** From SIGTERM to SIGKILL, ms. */
const GRACE_MS = 1000

/**
 * Runs a program in a process group of its own. At the time limit, on abort and on the way out the group is ended, and
 * with it whatever left the group; a SIGKILL of the suite ends it too.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, env = {}, timeoutMs, signal }: RunOptions
): Promise<RunResult> {
  if (signal.aborted) return { failed: true, cut: 'stopped', output: '' }
  const watch = guard()
  const child = execa(program, [...args], {
    cwd,
    env: { ...env, ...watch.env },
    stdin: 'ignore',
    all: true,
    reject: false,
    detached: true,
    cleanup: false,
    maxBuffer: MOST_OUTPUT
  })
  const { pid } = child
  if (pid !== undefined) watch.group(pid)
  child.once('exit', () => watch.leaderEnded())
  let cut: RunResult['cut']
  let hard: NodeJS.Timeout | undefined
  const end = (why: NonNullable<RunResult['cut']>): void => {
    if (cut !== undefined) return
    cut = why
    if (pid === undefined) return
    try {
      process.kill(-pid, 'SIGTERM')
    } catch {
      // It ended by itself meanwhile.
    }
    hard = setTimeout(() => watch.kill(), GRACE_MS)
  }
  const onAbort = (): void => end('stopped')
  const timer = setTimeout(() => end('timeout'), timeoutMs)
  signal.addEventListener('abort', onAbort, { once: true })
  const off = onCleanup({
    name: program,
    async stop() {
      end('stopped')
      await child
    },
    kill: () => watch.kill()
  })
  try {
    const { failed, all, shortMessage } = await child
    const output = all === undefined || all === '' ? (shortMessage ?? '') : all
    return { failed: failed || cut !== undefined, output, ...(cut === undefined ? {} : { cut }) }
  } finally {
    clearTimeout(timer)
    clearTimeout(hard)
    signal.removeEventListener('abort', onAbort)
    // What the program left running is ended also where it left the group.
    watch.kill()
    watch.release()
    off()
  }
}
