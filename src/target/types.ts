/** What the rest of the suite sees of a server under test. */

/** Kinds of routes that a slice can need. `health` must answer 200 while the server is well. */
export const ROUTE_KINDS = ['get', 'post', 'echo', 'upload', 'ws', 'sse', 'h2c', 'health'] as const
export type RouteKind = (typeof ROUTE_KINDS)[number]

/** Paths by kind, as declared in the manifest or on the command line. */
export type RouteMap = Partial<Record<RouteKind, string>>

export interface ExitInfo {
  code: number | null
  signal: NodeJS.Signals | null
  at: Date
}

/** One look at the processes of a server (the launched process and all its descendants). Absent is absent, never 0. */
export interface Census {
  at: Date
  /** Process ids, the launched one first. */
  pids: number[]
  /** Open descriptors of all processes, from /proc/PID/fd. */
  descriptors?: number
  /** Descriptors that are sockets. */
  sockets?: number
  threads?: number
  /** Resident set of all processes, bytes. */
  rss?: number
  /** User and system CPU time of all processes so far, seconds. */
  cpuSeconds?: number
}

export interface StopOutcome {
  /** `graceful`: ended by itself after SIGTERM. `killed`: needed SIGKILL. `gone`: had ended before. `attached`: not ours to stop. */
  how: 'graceful' | 'killed' | 'gone' | 'attached'
  /** From SIGTERM to the end, ms. */
  tookMs: number
  exit?: ExitInfo
}

/** A server under test, launched by us or attached to. */
export interface Target {
  readonly origin: 'launched' | 'attached'
  /** Literal address, never a name that resolves elsewhere. */
  readonly host: string
  readonly port: number
  /** Value for the Host field: `127.0.0.1:8080`. */
  readonly authority: string
  /** The side listener of the server, where `/debug/vars` and pprof live. */
  readonly debug?: { host: string; port: number }
  readonly pid?: number
  readonly readyAt: Date
  readonly routes: RouteMap
  /** Last lines of stdout and stderr, merged, oldest first (up to 200). */
  output(): readonly string[]
  /** Set once the launched process has ended. */
  exit(): ExitInfo | undefined
  /** Resolves when the launched process ends; never for an attached one without pid. */
  readonly exited: Promise<ExitInfo>
  /** Absent where /proc cannot be read or no pid is known. */
  census(): Promise<Census | undefined>
  /** SIGTERM, then SIGKILL of the whole process group after graceMs. */
  stop(graceMs: number): Promise<StopOutcome>
}
