/** Which toolchains are here, asked once a run. */
import { execa } from 'execa'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { release } from 'node:os'

/** Why something cannot run here, and what would change that. */
export interface NotRun {
  reason: string
  fix: string
}

export interface Tool {
  /** Program to call. */
  path: string
  version: string
}

const answers = new Map<string, Promise<Tool | NotRun>>()

/** Runs a program and gives its output; undefined where it is missing or fails. */
export async function ask(
  program: string,
  args: readonly string[],
  timeoutMs = 10_000
): Promise<string | undefined> {
  const result = await execa(program, args, { reject: false, timeout: timeoutMs, all: true, stdin: 'ignore' })
  return result.failed ? undefined : result.all
}

function once(name: string, look: () => Promise<Tool | NotRun>): Promise<Tool | NotRun> {
  const known = answers.get(name)
  if (known !== undefined) return known
  const fresh = look()
  answers.set(name, fresh)
  return fresh
}

/** The Go toolchain, at least the given version (`1.26.4`). */
export function goToolchain(atLeast = '1.24'): Promise<Tool | NotRun> {
  return once(`go ${atLeast}`, async () => {
    const text = await ask('go', ['env', 'GOVERSION'])
    const version = /go(\d+(?:\.\d+)*)/.exec(text ?? '')?.[1]
    const fix = `install Go ${atLeast} or newer: https://go.dev/dl/`
    if (version === undefined) return { reason: 'the Go toolchain is missing', fix }
    if (older(version, atLeast)) return { reason: `Go ${version} is older than ${atLeast}`, fix }
    return { path: 'go', version }
  })
}

/** Python 3 with venv. */
export function pythonToolchain(): Promise<Tool | NotRun> {
  return once('python', async () => {
    const fix = 'install Python 3.10 or newer with venv: apt-get install python3 python3-venv'
    for (const program of ['python3', 'python']) {
      const version = /Python (3\.\d+\.\d+)/.exec((await ask(program, ['--version'])) ?? '')?.[1]
      if (version === undefined) continue
      if (older(version, '3.10')) return { reason: `Python ${version} is older than 3.10`, fix }
      if ((await ask(program, ['-c', 'import venv, ensurepip'])) === undefined)
        return { reason: 'Python has no venv module', fix }
      return { path: program, version }
    }
    return { reason: 'Python 3 is missing', fix }
  })
}

/** npm, to install what a Node server needs. */
export function npmToolchain(): Promise<Tool | NotRun> {
  return once('npm', async () => {
    const version = (await ask('npm', ['--version']))?.trim()
    if (version === undefined)
      return { reason: 'npm is missing', fix: 'install Node.js with npm: https://nodejs.org/en/download' }
    return { path: 'npm', version }
  })
}

/** Compares dotted versions as numbers. */
export function older(version: string, than: string): boolean {
  const a = version.split('.').map(Number)
  const b = than.split('.').map(Number)
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) < (b[i] ?? 0)
  }
  return false
}

/** Whether this kernel can run a celeris engine; undefined where it can. */
export async function engineObstacle(engine: string): Promise<NotRun | undefined> {
  if (engine === 'std') return undefined
  if (process.platform !== 'linux')
    return { reason: `the engine ${engine} needs Linux`, fix: 'run it on Linux' }
  if (engine !== 'iouring') return undefined
  const kernel = /^(\d+\.\d+)/.exec(release())?.[1] ?? '0'
  if (older(kernel, '5.10'))
    return { reason: `io_uring needs kernel 5.10, this is ${kernel}`, fix: 'run it on a newer kernel' }
  const disabled = '/proc/sys/kernel/io_uring_disabled'
  if (existsSync(disabled)) {
    const value = (await readFile(disabled, 'latin1')).trim()
    if (value === '2' || (value === '1' && process.getuid?.() !== 0)) {
      return {
        reason: `io_uring is disabled here (kernel.io_uring_disabled=${value})`,
        fix: 'sysctl kernel.io_uring_disabled=0'
      }
    }
  }
  return undefined
}
