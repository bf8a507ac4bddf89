/** Starts a driver refapp of celeris as its own process, on backends of the suite's own, and talks to it. */
import type { BackendName } from '../../src/documents/manifest.ts'
import { Backends } from '../../src/target/backends.ts'
import { isNotRun, prepare, type Prepared } from '../../src/target/build.ts'
import { launch } from '../../src/target/launch.ts'
import { loadManifest } from '../../src/target/manifest.ts'
import type { Target } from '../../src/target/types.ts'
import { root } from '../support/suite.ts'

/** The folder of a celeris checkout: without it these tests are skipped. */
export const celerisDir = process.env['CELERIS_DIR'] ?? ''

/** Builds the refapp as a run does. */
export async function build(slug: string, cacheDir: string): Promise<Prepared> {
  const server = loadManifest(`${root}/probatorium.yml`, root).servers.find(({ refapp }) => refapp === slug)!
  const ready = await prepare(server, {
    cacheDir,
    celeris: { dir: celerisDir },
    signal: new AbortController().signal
  })
  if (isNotRun(ready)) throw new Error(ready.reason)
  return ready
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  json: Record<string, unknown>
}

/** A client with a session of its own. */
export class Client {
  readonly #base: string
  cookie = ''

  constructor(target: Target) {
    this.#base = `http://${target.authority}`
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {}
  ): Promise<Answer> {
    const answer = await fetch(this.#base + path, {
      method,
      headers: { ...(this.cookie === '' ? {} : { cookie: this.cookie }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) })
    })
    const set = answer.headers.getSetCookie()[0]
    if (set !== undefined) this.cookie = set.split(';')[0]!
    const text = await answer.text()
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      json = undefined
    }
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      json: (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>
    }
  }

  async signIn(user: string, fresh = true): Promise<this> {
    const credentials = { user, password: `password of ${user}` }
    if (fresh) await this.send('POST', '/users', credentials)
    const answer = await this.send('POST', '/login', credentials)
    if (answer.status !== 200) throw new Error(`login: ${answer.status} ${answer.text}`)
    return this
  }
}

export class Stage {
  readonly #prepared: Prepared
  readonly #env: Record<string, string>
  #targets: Target[] = []

  constructor(prepared: Prepared, env: Record<string, string>) {
    this.#prepared = prepared
    this.#env = env
  }

  /** The same with other variables; what it starts is stopped with this one. */
  with(env: Record<string, string>): Stage {
    const other = new Stage(this.#prepared, { ...this.#env, ...env })
    other.#targets = this.#targets
    return other
  }

  async start(engine: string): Promise<Target> {
    const target = await launch({
      argv: this.#prepared.argv.map((word, i, all) => (all[i - 1] === '-engine' ? engine : word)),
      cwd: this.#prepared.cwd,
      env: this.#env,
      routes: {},
      readyTimeoutMs: 60_000,
      signal: new AbortController().signal
    })
    this.#targets.push(target)
    return target
  }

  async stop(): Promise<void> {
    await Promise.all(this.#targets.splice(0).map((target) => target.stop(5000)))
  }
}

export async function stage(
  prepared: Prepared,
  backends: Backends,
  names: readonly BackendName[]
): Promise<Stage> {
  const env = await backends.environment(names)
  if (isNotRun(env)) throw new Error(String(env['reason']))
  return new Stage(prepared, env)
}

/** What the refapp publishes under `probatorium`. */
export async function published(target: Target): Promise<Record<string, unknown>> {
  const { host, port } = target.debug!
  const vars = (await (await fetch(`http://${host}:${port}/debug/vars`)).json()) as {
    probatorium: Record<string, unknown>
  }
  return vars.probatorium
}
