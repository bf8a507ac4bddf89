/** PostgreSQL, Redis and memcached: started by the suite with data of their own, or named by URL. */
import { execa } from 'execa'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { BackendName } from '../documents/manifest.ts'
import { onCleanup } from '../kit/cleanup.ts'
import { UserError } from '../kit/errors.ts'
import { guard, guardFolder } from './watchdog.ts'
import type { NotRun } from './toolchain.ts'

export type NamedBackends = Partial<Record<BackendName, string>>

const VARIABLE: Record<BackendName, string> = {
  postgres: 'PROBATORIUM_POSTGRES',
  redis: 'PROBATORIUM_REDIS',
  memcached: 'PROBATORIUM_MEMCACHED'
}
const PROGRAM: Record<BackendName, string> = {
  postgres: 'postgres',
  redis: 'redis-server',
  memcached: 'memcached'
}
const PACKAGE: Record<BackendName, string> = {
  postgres: 'postgresql',
  redis: 'redis-server',
  memcached: 'memcached'
}
const START_MS = 20_000
const TRIES = 3

/** The program on PATH or where distributions put it. */
export async function findProgram(name: string): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const base = '/usr/lib/postgresql'
  const versions = existsSync(base) ? (await readdir(base)).sort().reverse() : []
  for (const folder of [
    ...versions.map((version) => join(base, version, 'bin')),
    ...folders,
    '/usr/sbin',
    '/usr/local/bin',
    '/usr/bin'
  ]) {
    const path = join(folder, name)
    if (folder !== '' && existsSync(path)) return path
  }
  return undefined
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 500 })
    const done = (ok: boolean): void => {
      socket.destroy()
      resolve(ok)
    }
    socket.on('connect', () => done(true))
    socket.on('error', () => done(false))
    socket.on('timeout', () => done(false))
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

/** All backends of a run: each is started at most once, when first asked for. */
export class Backends {
  readonly #named: NamedBackends
  readonly #started = new Map<BackendName, Promise<string | NotRun>>()
  readonly #stops: (() => Promise<void>)[] = []
  readonly #off: () => void

  constructor(named: NamedBackends) {
    this.#named = named
    if (named.postgres !== undefined && !/^postgres(ql)?:\/\//.test(named.postgres)) {
      throw new UserError({
        where: '--postgres',
        what: 'the value is no PostgreSQL URL',
        fix: 'write postgres://USER@HOST:PORT/DATABASE'
      })
    }
    this.#off = onCleanup({ name: 'backends', stop: () => this.stop() })
  }

  /** Environment variables for a refapp that needs these backends, or why one is missing. */
  async environment(names: readonly BackendName[]): Promise<Record<string, string> | NotRun> {
    const env: Record<string, string> = {}
    for (const name of names) {
      const address = await this.#address(name)
      if (typeof address !== 'string') return address
      env[VARIABLE[name]] = address
    }
    return env
  }

  #address(name: BackendName): Promise<string | NotRun> {
    const named = this.#named[name]
    if (named !== undefined)
      return Promise.resolve(
        name === 'postgres' ? named : named.replace(/^\w+:\/\//, '').replace(/\/.*$/, '')
      )
    const known = this.#started.get(name)
    if (known !== undefined) return known
    const fresh = this.#start(name)
    this.#started.set(name, fresh)
    return fresh
  }

  async #start(name: BackendName): Promise<string | NotRun> {
    const program = await findProgram(PROGRAM[name])
    const fix = `apt-get install ${PACKAGE[name]}, or name a running one with --${name}`
    if (program === undefined) return { reason: `${PROGRAM[name]} is not installed`, fix }
    const user = await unprivileged()
    const folder = await mkdtemp(join(tmpdir(), `probatorium-${name}-`))
    const offFolder = guardFolder(folder)
    if (user !== undefined) await chown(folder, user.uid, user.gid)
    await chmod(folder, 0o700)
    let last = ''
    // The port is free when it is looked for, not when it is bound.
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const port = await freePort()
      const started = await this.#run(name, program, folder, port, user)
      if (typeof started === 'string') last = started
      else {
        this.#stops.push(async () => {
          await started()
          await rm(folder, { recursive: true, force: true })
          offFolder()
        })
        return name === 'postgres'
          ? `postgres://probatorium@127.0.0.1:${port}/postgres?sslmode=disable`
          : `127.0.0.1:${port}`
      }
    }
    await rm(folder, { recursive: true, force: true })
    offFolder()
    return { reason: `${PROGRAM[name]} did not start: ${last.slice(-300)}`, fix }
  }

  async #run(
    name: BackendName,
    program: string,
    folder: string,
    port: number,
    user: User | undefined
  ): Promise<string | (() => Promise<void>)> {
    const data = join(folder, 'data')
    if (name === 'postgres' && !existsSync(data)) {
      const init = await execa(
        join(program, '..', 'initdb'),
        ['-D', data, '-U', 'probatorium', '-A', 'trust', '-E', 'UTF8', '--no-sync'],
        { reject: false, all: true, cwd: folder, stdin: 'ignore', ...(user ?? {}) }
      )
      if (init.failed) return init.all ?? init.shortMessage
    }
    const args = {
      postgres: [
        '-D',
        data,
        '-p',
        String(port),
        '-c',
        'listen_addresses=127.0.0.1',
        '-c',
        `unix_socket_directories=${folder}`,
        '-c',
        'fsync=off',
        '-c',
        'max_connections=200'
      ],
      redis: [
        '--port',
        String(port),
        '--bind',
        '127.0.0.1',
        '--dir',
        folder,
        '--save',
        '',
        '--appendonly',
        'no',
        '--daemonize',
        'no'
      ],
      memcached: [
        '-p',
        String(port),
        '-U',
        '0',
        '-l',
        '127.0.0.1',
        '-m',
        '64',
        ...(user === undefined && process.getuid?.() === 0 ? ['-u', 'root'] : [])
      ]
    }[name]
    const watch = guard()
    const child: ChildProcess = spawn(program, args, {
      cwd: folder,
      env: { ...process.env, ...watch.env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(user ?? {})
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4000)))
    let ended = false
    const exited = new Promise<void>((resolve) => {
      child.on('exit', () => ((ended = true), resolve()))
      child.on('error', (error) => ((ended = true), (output += error.message), resolve()))
    })
    const pid = child.pid
    if (pid !== undefined) watch.group(pid)
    const stop = async (): Promise<void> => {
      if (!ended && pid !== undefined) {
        // SIGINT is PostgreSQL's fast shutdown.
        child.kill(name === 'postgres' ? 'SIGINT' : 'SIGTERM')
        await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 3000))])
        watch.kill()
        await exited
      }
      watch.release()
    }
    const end = performance.now() + START_MS
    while (!ended && performance.now() < end) {
      if (await answers(port)) {
        const ready =
          name !== 'postgres' || !/starting up/.test(output) || /ready to accept connections/.test(output)
        if (ready && !ended) return stop
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await stop()
    return output.trim() === '' ? 'it printed nothing' : output.trim()
  }

  /** Stops what was started, the data with it. */
  async stop(): Promise<void> {
    this.#off()
    await Promise.all(this.#stops.splice(0).map((stop) => stop()))
  }
}
