/** PostgreSQL, Redis and memcached as processes of ours: own data folder, own user when root, nothing left behind. */
import { execa } from 'execa'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import type { BackendName } from '../documents/manifest.ts'
import { maskSecret } from '../kit/secrets.ts'
import { BackendProblem, lookAt, type BackendAddress, type BackendState } from './backend-probes.ts'
import { guard, guardFolder, guardLeader } from './watchdog.ts'

interface Recipe {
  program: string
  /** Package of Debian and its kin. */
  package: string
  /** Its fast and orderly shutdown. */
  stopSignal: NodeJS.Signals
  /** A SIGKILL leaves shared memory behind: at a forced end it gets SIGQUIT, and the watchdog does the rest. */
  sharesMemory?: boolean
  args(folder: string, port: number): string[]
}

export const RECIPES: Readonly<Record<BackendName, Recipe>> = {
  postgres: {
    program: 'postgres',
    package: 'postgresql',
    stopSignal: 'SIGINT',
    sharesMemory: true,
    args: (folder, port) =>
      [
        ...['-D', join(folder, 'data'), '-p', String(port)],
        // No socket file: its path would be too long in a deep temporary folder. No durability: the data is ours and short-lived.
        ...['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200', 'fsync=off'],
        ...['synchronous_commit=off', 'full_page_writes=off', 'dynamic_shared_memory_type=mmap']
      ].flatMap((word, i) => (i < 4 ? [word] : ['-c', word]))
  },
  redis: {
    program: 'redis-server',
    package: 'redis-server',
    stopSignal: 'SIGTERM',
    args: (folder, port) => [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
      ...['--save', '', '--appendonly', 'no', '--daemonize', 'no']
    ]
  },
  memcached: {
    program: 'memcached',
    package: 'memcached',
    stopSignal: 'SIGTERM',
    // Room enough that nothing is evicted: an eviction would look like a lost write.
    args: (_, port) => ['-p', String(port), '-U', '0', '-l', '127.0.0.1', '-m', '1024', '-c', '1024']
  }
}

const START_MS = 30_000
const LOOK_MS = 1000
const STOP_MS = 3000
const TRIES = 5
const PORT_TAKEN = /address already in use|failed to listen|could not bind|bind\(\)/i
const DATABASE_USER = 'probatorium'

/** The program on PATH or where distributions put it. */
export async function findProgram(name: string): Promise<string | undefined> {
  const base = '/usr/lib/postgresql'
  const versions = existsSync(base) ? await readdir(base) : []
  versions.sort((a, b) => Number(b) - Number(a))
  const folders = [
    ...versions.map((version) => join(base, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...['/usr/sbin', '/usr/local/bin', '/usr/bin']
  ]
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path))
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

interface User {
  uid: number
  gid: number
}

/** Somebody without rights, for servers that refuse root or should not have it. */
async function unprivileged(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    const ids = await Promise.all(['-u', '-g'].map((flag) => execa('id', [flag, name], { reject: false })))
    if (ids.every((result) => !result.failed))
      return { uid: Number(ids[0]!.stdout), gid: Number(ids[1]!.stdout) }
  }
  return undefined
}

/** A program under the watchdog, in a process group of its own. */
class Watched {
  readonly exited: Promise<void>
  readonly pid: number | undefined
  ended = false
  output = ''
  readonly #watch = guard()

  constructor(program: string, args: readonly string[], folder: string, user: User | undefined) {
    // Nothing of our environment is its business; a locale that is not installed would stop it.
    const child = spawn(program, args, {
      cwd: folder,
      env: { PATH: process.env['PATH'], LC_ALL: 'C', ...this.#watch.env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(user ?? {})
    })
    this.pid = child.pid
    if (child.pid !== undefined) this.#watch.group(child.pid)
    for (const stream of [child.stdout, child.stderr])
      stream
        .setEncoding('utf8')
        .on('data', (text: string) => (this.output = (this.output + text).slice(-4000)))
    this.exited = new Promise((resolve) => {
      const end = (): void => {
        this.ended = true
        // What it left in its group goes with it.
        this.#watch.kill()
        this.#watch.release()
        resolve()
      }
      child.on('exit', end)
      child.on('error', (error) => ((this.output += error.message), end()))
    })
  }

  kill(): void {
    if (!this.ended) this.#watch.kill()
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.ended && this.pid !== undefined) process.kill(this.pid, signal)
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    this.signal(signal)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => (timer = setTimeout(resolve, STOP_MS)))
    await Promise.race([this.exited, late])
    clearTimeout(timer)
    this.kill()
    await this.exited
  }

  /** Its last words, for a reason. */
  said(): string {
    const lines = this.output.split('\n').filter((line) => line.trim() !== '')
    return lines.length === 0 ? 'it printed nothing' : lines.slice(-3).join(' | ').slice(-400)
  }
}

/** A backend that runs and answers. */
export interface OwnBackend {
  address: BackendAddress
  state: BackendState
  /** Why it is gone; undefined while it runs. */
  gone(): string | undefined
  stop(): Promise<void>
  /** At a forced end: without waiting. */
  kill(): void
}

export interface StartOptions {
  signal: AbortSignal
  /** Where the next port to try comes from. */
  ports?: () => Promise<number>
}

/**
 * Starts a backend of our own and waits until it answers in its protocol and is the very process that we started.
 * @throws BackendProblem with its last output; nothing is left then.
 */
export async function startOwn(
  name: BackendName,
  program: string,
  options: StartOptions
): Promise<OwnBackend> {
  const user = await unprivileged()
  const folder = await mkdtemp(join(tmpdir(), `probatorium-${name}-`))
  const offFolder = guardFolder(folder)
  const remove = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    offFolder()
  }
  try {
    if (user !== undefined) await chown(folder, user.uid, user.gid)
    await chmod(folder, 0o700)
    const password = randomBytes(16).toString('hex')
    if (name === 'postgres') await initialise(program, folder, password, user, options.signal)
    let last = ''
    // A port is free when it is looked for, not when it is bound.
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const port = await (options.ports ?? freePort)()
      const url =
        name === 'postgres'
          ? `postgres://${DATABASE_USER}:${password}@127.0.0.1:${port}/postgres?sslmode=disable`
          : `127.0.0.1:${port}`
      if (name === 'postgres') maskSecret(url)
      const own = await runOnce(name, program, folder, { host: '127.0.0.1', port, url }, user, options.signal)
      if ('address' in own) {
        const stop = async (): Promise<void> => {
          await own.stop()
          await remove()
        }
        return { ...own, stop }
      }
      last = own.why
      if (!own.portTaken) break
    }
    throw new BackendProblem(last)
  } catch (error) {
    await remove()
    throw error
  }
}

async function initialise(
  program: string,
  folder: string,
  password: string,
  user: User | undefined,
  signal: AbortSignal
): Promise<void> {
  const file = join(folder, 'password')
  await writeFile(file, `${password}\n`, { mode: 0o600 })
  if (user !== undefined) await chown(file, user.uid, user.gid)
  const args = ['-D', join(folder, 'data'), '-U', DATABASE_USER, '-A', 'scram-sha-256', '--pwfile', file]
  const init = new Watched(
    join(dirname(program), 'initdb'),
    [...args, '-E', 'UTF8', '--no-locale', '--no-sync'],
    folder,
    user
  )
  const abort = (): void => init.kill()
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  await init.exited
  signal.removeEventListener('abort', abort)
  await rm(file, { force: true })
  if (signal.aborted) throw new BackendProblem('stopped while it was starting')
  if (!existsSync(join(folder, 'data', 'PG_VERSION')) || !/Success/.test(init.output))
    throw new BackendProblem(`initdb failed: ${init.said()}`)
}

type Attempt = OwnBackend | { why: string; portTaken: boolean }

async function runOnce(
  name: BackendName,
  program: string,
  folder: string,
  address: BackendAddress,
  user: User | undefined,
  signal: AbortSignal
): Promise<Attempt> {
  const recipe = RECIPES[name]
  const asRoot = name === 'memcached' && user === undefined && process.getuid?.() === 0 ? ['-u', 'root'] : []
  const child = new Watched(program, [...recipe.args(folder, address.port), ...asRoot], folder, user)
  if (recipe.sharesMemory === true && child.pid !== undefined) {
    const off = guardLeader(child.pid)
    void child.exited.then(off)
  }
  const expected = name === 'postgres' ? join(folder, 'data') : String(child.pid)
  const end = performance.now() + START_MS
  let problem = 'it does not answer'
  while (!child.ended && !signal.aborted && performance.now() < end) {
    try {
      const state = await lookAt(name, address, LOOK_MS)
      // Another server may have taken the port between our look and its bind.
      if (state.self === expected && !child.ended) {
        return {
          address,
          state,
          gone: () => (child.ended ? `${recipe.program} ended: ${child.said()}` : undefined),
          stop: () => child.stop(recipe.stopSignal),
          kill: () => {
            if (recipe.sharesMemory === true) child.signal('SIGQUIT')
            else child.kill()
          }
        }
      }
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
    }
    await Promise.race([child.exited, new Promise((resolve) => setTimeout(resolve, 50))])
  }
  const itself = child.ended
  await child.stop(recipe.stopSignal)
  if (signal.aborted) return { why: 'stopped while it was starting', portTaken: false }
  return {
    why: itself ? child.said() : `no good answer within ${START_MS / 1000} s (${problem}): ${child.said()}`,
    portTaken: PORT_TAKEN.test(child.output)
  }
}
