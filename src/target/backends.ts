/** PostgreSQL, Redis and memcached for the refapps of a run: started by the suite, or named by the user. */
import { randomBytes } from 'node:crypto'
import { BACKENDS, type BackendName } from '../documents/manifest.ts'
import { onCleanup } from '../kit/cleanup.ts'
import { UserError } from '../kit/errors.ts'
import { maskSecret } from '../kit/secrets.ts'
import {
  BackendProblem,
  clearNamespace,
  lookAt,
  type BackendAddress,
  type BackendState
} from './backend-probes.ts'
import { findProgram, RECIPES, startOwn, type OwnBackend } from './backend-process.ts'
import type { NotRun } from './toolchain.ts'

export { findProgram } from './backend-process.ts'

export type NamedBackends = Partial<Record<BackendName, string>>

/** Schemas and keys of a refapp begin with its value, so that runs that share a backend stay apart. */
const NAMESPACE = 'PROBATORIUM_NAMESPACE'
const DEFAULT_PORT: Readonly<Record<BackendName, number>> = { postgres: 5432, redis: 6379, memcached: 11211 }
/** How long a named backend, or one in use, may take for its answer. */
const ANSWER_MS = 4000
const CLEAR_MS = 2500

interface Ready {
  address: BackendAddress
  state: BackendState
  own?: OwnBackend
}

/** All backends of a run: each is started, or greeted, at most once, when first asked for. */
export class Backends {
  readonly #named = new Map<BackendName, BackendAddress>()
  readonly #known = new Map<BackendName, Promise<Ready | NotRun>>()
  readonly #namespace = `probatorium_${randomBytes(4).toString('hex')}`
  readonly #stopping = new AbortController()
  readonly #running = new Set<OwnBackend>()
  readonly #off: () => void

  /** @throws UserError where a named backend's address is malformed */
  constructor(named: NamedBackends) {
    for (const name of BACKENDS) {
      const text = named[name]
      if (text !== undefined) this.#named.set(name, readBackendAddress(name, text))
    }
    this.#off = onCleanup({
      name: 'backends',
      stop: () => this.stop(),
      kill: () => {
        for (const own of this.#running) own.kill()
      }
    })
  }

  /**
   * Environment of a refapp that needs these backends, or why one is missing: `PROBATORIUM_POSTGRES` (URL),
   * `PROBATORIUM_REDIS` (HOST:PORT, or a URL where it has credentials or a database number),
   * `PROBATORIUM_MEMCACHED` (HOST:PORT), `PROBATORIUM_NAMESPACE`.
   */
  async environment(names: readonly BackendName[]): Promise<Record<string, string> | NotRun> {
    const env: Record<string, string> = { [NAMESPACE]: this.#namespace }
    for (const name of names) {
      const ready = await this.#ready(name)
      if ('reason' in ready) return ready
      env[`PROBATORIUM_${name.toUpperCase()}`] = ready.address.url
    }
    return env
  }

  /**
   * What happened to these backends since they were ready that takes the worth from a finding: gone, restarted, or
   * entries thrown away. Undefined where they are well; one whose connections the server has used up is well.
   */
  async trouble(names: readonly BackendName[]): Promise<string | undefined> {
    for (const name of names) {
      const ready = await this.#known.get(name)
      if (ready === undefined || 'reason' in ready) continue
      const gone = ready.own?.gone()
      if (gone !== undefined) return gone
      try {
        const { life, dropped } = await lookAt(name, ready.address, ANSWER_MS)
        if (life !== ready.state.life) return `${name} was restarted during the run`
        const lost = dropped - ready.state.dropped
        if (lost > 0) return `${name} threw ${lost} entries away or was flushed`
      } catch (error) {
        if (error instanceof BackendProblem && error.busy) continue
        return (
          ready.own?.gone() ?? `${name} stopped answering: ${error instanceof Error ? error.message : ''}`
        )
      }
    }
    return undefined
  }

  #ready(name: BackendName): Promise<Ready | NotRun> {
    let known = this.#known.get(name)
    if (known === undefined) {
      const address = this.#named.get(name)
      known = address === undefined ? this.#start(name) : greet(name, address)
      this.#known.set(name, known)
    }
    return known
  }

  async #start(name: BackendName): Promise<Ready | NotRun> {
    const { program, package: debian } = RECIPES[name]
    const path = await findProgram(program)
    const fix = `apt-get install ${debian}, or name a running one with --${name}`
    if (path === undefined) return { reason: `${program} is not installed`, fix }
    try {
      const own = await startOwn(name, path, { signal: this.#stopping.signal })
      this.#running.add(own)
      return { address: own.address, state: own.state, own }
    } catch (error) {
      return { reason: `${program} did not start: ${error instanceof Error ? error.message : ''}`, fix }
    }
  }

  /** Stops what was started, its data with it; takes our data out of named ones. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(
      [...this.#known].map(async ([name, known]) => {
        const ready = await known
        if ('reason' in ready) return
        if (ready.own === undefined) {
          // Best effort: who shares a backend with tests can live with a schema of another name.
          await clearNamespace(name, ready.address, this.#namespace, CLEAR_MS).catch(() => undefined)
          return
        }
        await ready.own.stop()
        this.#running.delete(ready.own)
      })
    )
    this.#off()
  }
}

async function greet(name: BackendName, address: BackendAddress): Promise<Ready | NotRun> {
  try {
    return { address, state: await lookAt(name, address, ANSWER_MS) }
  } catch (error) {
    const where = `${address.host}:${address.port}`
    if (error instanceof BackendProblem && error.busy)
      return { reason: `${name} at ${where} has no free connection`, fix: 'close others, or raise its limit' }
    return {
      reason: `${name} at ${where}: ${error instanceof Error ? error.message : ''}`,
      fix: `correct --${name}, or leave it out: then the suite starts one of its own`
    }
  }
}

/**
 * Reads `--postgres URL`, `--redis HOST:PORT|redis://[[USER]:PASSWORD@]HOST:PORT[/NUMBER]`, `--memcached HOST:PORT`.
 * Passwords are masked from here on, and no message repeats the text. @throws UserError
 */
export function readBackendAddress(name: BackendName, text: string): BackendAddress {
  const refuse = (what: string): never => {
    const fix = {
      postgres: 'write postgres://USER@HOST:PORT/DATABASE',
      redis: 'write HOST:PORT, or redis://USER:PASSWORD@HOST:PORT',
      memcached: 'write HOST:PORT'
    }[name]
    throw new UserError({ where: `--${name}`, what, fix })
  }
  const schemes = { postgres: ['postgres:', 'postgresql:'], redis: ['redis:'], memcached: ['memcached:'] }[
    name
  ]
  const full = /^[a-z][a-z+]*:\/\//i.test(text) ? text : `${schemes[0]}//${text}`
  if (text.includes('@')) maskSecret(full)
  if (name === 'postgres' && full !== text) refuse('the value is no PostgreSQL URL')
  if (!URL.canParse(full)) refuse('the value is no address')
  const url = new URL(full)
  if (!schemes.includes(url.protocol))
    refuse(`the scheme ${url.protocol}// is not one of ${schemes.join(', ')}`)
  if (url.hostname === '' || /\s/.test(text)) refuse('the value names no host')
  if (name !== 'postgres' && url.port === '') refuse('the value has no port')
  const plainText = (part: string): string => {
    try {
      return decodeURIComponent(part)
    } catch {
      return refuse('a % in the value is not followed by two hexadecimal digits')
    }
  }
  const path = plainText(url.pathname.slice(1))
  if (name === 'redis' && !/^\d*$/.test(path)) refuse('the path of a Redis URL is the number of a database')
  if (name === 'memcached' && (path !== '' || url.username !== ''))
    refuse('the value holds more than HOST:PORT')
  const host = url.hostname.replaceAll(/[[\]]/g, '')
  const port = url.port === '' ? DEFAULT_PORT[name] : Number(url.port)
  if (port === 0) refuse('port 0 is no port')
  const plain = url.username === '' && url.password === '' && path === ''
  return {
    host,
    port,
    ...(url.username === '' ? {} : { user: plainText(url.username) }),
    ...(url.password === '' ? {} : { password: plainText(url.password) }),
    ...(path === '' ? {} : { database: path }),
    url: name === 'postgres' || !plain ? full : url.host
  }
}
