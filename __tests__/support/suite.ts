/** Runs the suite as a user would: the command line as a process, documents on disk. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ResultDocument } from '../../src/documents/result.ts'

export const root = join(import.meta.dirname, '..', '..')
export const cliFile = join(root, 'src', 'cli', 'main.ts')

export interface Ran {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  all: string
}

export function scratch(): string {
  return mkdtempSync(join(tmpdir(), 'probatorium-test-'))
}

export function start(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; script?: string } = {}
): { child: ChildProcess; done: Promise<Ran> } {
  const child = spawn(process.execPath, [options.script ?? cliFile, ...args], {
    cwd: options.cwd ?? root,
    env: { ...process.env, GITHUB_ACTIONS: '', NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const done = new Promise<Ran>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr, all: stdout + stderr }))
  })
  return { child, done }
}

export function suite(args: readonly string[], options: Parameters<typeof start>[1] = {}): Promise<Ran> {
  return start(args, options).done
}

export function documentOf(folder: string): ResultDocument {
  return JSON.parse(readFileSync(join(folder, 'validate-results.json'), 'utf8')) as ResultDocument
}

/** Whether a process is there. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ')
  } catch {
    return false
  }
}
