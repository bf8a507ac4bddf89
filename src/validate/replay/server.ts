/** The server that a replay is played against: launched as validate does, or one that runs already. */
import { InfraError, UserError } from '../../kit/errors.ts'
import type { Log } from '../../kit/log.ts'
import { RandomStreams } from '../../kit/random.ts'
import { suiteRoot } from '../../kit/version.ts'
import type { Replay } from '../../documents/replay.ts'
import { Backends, type NamedBackends } from '../../target/backends.ts'
import { readCeleris } from '../../target/celeris.ts'
import { LaunchFailed } from '../../target/launch.ts'
import { loadManifest } from '../../target/manifest.ts'
import type { RouteMap, Target } from '../../target/types.ts'
import type { Capabilities } from '../contracts.ts'
import { planCells, type MatrixOptions, type PlannedCell } from '../matrix.ts'
import { archName, chooseServers } from '../plan.ts'
import { preflight } from '../preflight/index.ts'

export interface ServerChoice {
  url?: string
  pid?: number
  routes?: RouteMap
  refapp?: string
  engine?: string
  celeris?: string
  config?: string
  backends: NamedBackends
  /** Nobody named a server: refapp and engine are those of the file. */
  fromFile?: boolean
}

const STOP_MS = 3000

/** Where the finding came from, for what is not named. @throws UserError */
export function choiceFor(replay: Replay, given: ServerChoice): ServerChoice {
  const named = given.refapp ?? given.engine
  if (given.url !== undefined && named !== undefined)
    throw new UserError({
      where: '--url',
      what: 'it does not go with --refapp and --engine',
      fix: 'leave one of the two out'
    })
  if (given.url !== undefined) return given
  for (const [name, value] of [
    ['--route', given.routes],
    ['--pid', given.pid]
  ] as const) {
    const attached = named === undefined && replay.cell.refapp === 'url'
    if (value !== undefined && !attached)
      throw new UserError({
        where: name,
        what: 'it belongs to --url',
        fix: 'name the server too: --url http://HOST:PORT'
      })
  }
  const { refapp, engine } = replay.cell
  if (named === undefined && refapp === 'url') {
    const known: RouteMap = replay.server.routes
    return { ...given, url: replay.server.url, routes: { ...known, ...given.routes } }
  }
  const celeris = given.celeris ?? replay.server.celeris
  return {
    ...given,
    refapp: given.refapp ?? refapp,
    engine: given.engine ?? engine,
    fromFile: named === undefined,
    ...(celeris === undefined ? {} : { celeris })
  }
}

export class Server {
  readonly #planned: PlannedCell
  readonly #backends: Backends
  readonly #signal: AbortSignal
  readonly #random: RandomStreams
  /** `plain/fasthttp`, or the URL. */
  readonly name: string
  target!: Target
  capabilities!: Capabilities

  private constructor(
    planned: PlannedCell,
    backends: Backends,
    random: RandomStreams,
    name: string,
    signal: AbortSignal
  ) {
    this.#planned = planned
    this.#backends = backends
    this.#random = random
    this.#signal = signal
    this.name = name
  }

  /**
   * Starts the server, or attaches to it, and learns what it can do.
   * @throws UserError for a server that is not there, InfraError where it cannot be built or started
   */
  static async open(choice: ServerChoice, seed: string, log: Log, signal: AbortSignal): Promise<Server> {
    const { url, routes = {}, pid } = choice
    const backends = new Backends(choice.backends)
    try {
      let servers: MatrixOptions['servers']
      let celeris: MatrixOptions['celeris']
      if (url !== undefined) servers = { url, routes, ...(pid === undefined ? {} : { pid }) }
      else {
        const manifest = loadManifest(choice.config, suiteRoot())
        const version = choice.celeris ?? manifest.celerisVersion
        celeris = version === undefined ? undefined : readCeleris(version)
        if (choice.fromFile === true && !manifest.refapps.includes(choice.refapp!)) {
          throw new UserError({
            where: 'the replay file',
            what: `the finding is of ${choice.refapp!}/${choice.engine!}, which this manifest does not have`,
            fix: 'name its manifest: --config FILE; or a server: --url http://HOST:PORT'
          })
        }
        const named = (input: string): string => `--${input.replace(/s$/, '')}`
        servers = chooseServers(manifest, [choice.refapp!], [choice.engine!], named)
      }
      const { runnable, notRun } = await planCells(
        { servers, arch: archName(), log, signal, ...(celeris === undefined ? {} : { celeris }) },
        backends
      )
      const [planned] = runnable
      if (planned === undefined) {
        const [reason] = notRun
        throw new InfraError({
          where: `${choice.refapp ?? ''}/${choice.engine ?? ''}`,
          what: reason?.failure_reason ?? 'it cannot run here',
          ...(reason?.fix === undefined ? {} : { fix: reason.fix })
        })
      }
      const name = url ?? `${planned.refapp}/${planned.engine}`
      const server = new Server(planned, backends, new RandomStreams(seed), name, signal)
      await server.#start()
      return server
    } catch (error) {
      await backends.stop()
      throw error
    }
  }

  async #start(): Promise<void> {
    try {
      this.target = await this.#planned.start(this.#signal)
    } catch (error) {
      if (!(error instanceof LaunchFailed)) throw error
      throw new InfraError({
        where: this.name,
        what: error.message,
        why: error.output.slice(-5).join(' | ') || 'it printed nothing',
        fix: 'probatorium doctor; try the same cell with validate'
      })
    }
    this.capabilities = await preflight(this.target, {
      random: this.#random.child('preflight'),
      signal: this.#signal
    })
  }

  get launched(): boolean {
    return this.target.origin === 'launched'
  }

  /** A launched server that has ended or hangs is started anew; an attached one is left as it is. */
  async restart(): Promise<void> {
    if (!this.launched) return
    await this.target.stop(STOP_MS)
    await this.#start()
  }

  async close(): Promise<void> {
    await this.target?.stop(STOP_MS)
    await this.#backends.stop()
  }
}
