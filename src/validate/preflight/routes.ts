/** Where a route of a kind is looked for that nobody named. */
import type { RouteKind, RouteMap } from '../../target/types.ts'
import type { Capabilities, ProbedRoute } from '../contracts.ts'

const USUAL: Record<RouteKind, readonly string[]> = {
  get: ['/', '/health', '/healthz', '/index.html', '/ping', '/status', '/version', '/echo', '/api', '/docs'],
  post: ['/echo', '/post', '/upload', '/'],
  echo: ['/echo', '/api/echo', '/'],
  upload: ['/upload', '/api/upload'],
  ws: ['/ws', '/websocket', '/socket', '/echo', '/'],
  sse: ['/events', '/sse', '/stream', '/api/events'],
  h2c: ['/'],
  health: ['/healthz', '/health', '/livez', '/readyz', '/ping', '/status', '/']
}

export interface Probed {
  ok: boolean
  /** Not declined but done, and wrongly: what goes with it is judged by cases and not left out. */
  wrong?: boolean
  /** What was asked and what was seen, in words. */
  seen: string
}

/** Fills in routes and the reasons for those that are missing. */
export class RouteFinder {
  readonly routes: Capabilities['routes'] = {}
  readonly missing: Capabilities['missing'] = {}
  readonly #declared: RouteMap
  readonly #signal: AbortSignal

  constructor(declared: RouteMap, signal: AbortSignal) {
    this.#declared = declared
    this.#signal = signal
  }

  /**
   * The declared path alone, or else the usual ones in turn.
   * @param known a route of another kind that serves this kind too, as found
   */
  async find(kind: RouteKind, test: (path: string) => Promise<Probed>, known?: ProbedRoute): Promise<void> {
    const declared = this.#declared[kind]
    const first = known === undefined ? [] : [known.path]
    const seen: string[] = []
    for (const path of declared === undefined ? new Set([...first, ...USUAL[kind]]) : [declared]) {
      if (this.#signal.aborted) break
      const probed = await test(path)
      if (probed.ok) {
        this.routes[kind] = { path, declared: declared !== undefined, seen: probed.seen }
        return
      }
      seen.push(probed.seen)
    }
    this.missing[kind] =
      declared === undefined
        ? `not declared and not found (${seen.join('; ')})`
        : `declared, but ${seen.join('; ')}`
  }

  /** Nothing of these kinds can be found. */
  lack(kinds: readonly RouteKind[], reason: string): void {
    for (const kind of kinds) this.missing[kind] = reason
  }
}
