/** Command line of the server: `-bind HOST:PORT -engine NAME`, in the manner of Go's flag package. */

export const ENGINES = ['node-http', 'node-http2'] as const
export type Engine = (typeof ENGINES)[number]

export interface Options {
  host: string
  /** 0 asks the system for a free port. */
  port: number
  engine: Engine
}

/** The command line cannot be understood; `message` is meant for a person. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/**
 * Reads the arguments after the script's name. One or two dashes, value after a space or `=`.
 * @throws UsageError
 */
export function parseOptions(argv: readonly string[]): Options {
  const given = new Map<string, string>([
    ['bind', '127.0.0.1:8080'],
    ['engine', 'node-http']
  ])
  for (let index = 0; index < argv.length; index++) {
    const match = /^--?([a-z]+)(?:=(.*))?$/s.exec(argv[index] ?? '')
    const name = match?.[1]
    if (name === undefined || !given.has(name)) {
      throw new UsageError(`unknown argument "${argv[index]}"; known are -bind HOST:PORT and -engine NAME`)
    }
    const value = match?.[2] ?? argv[++index]
    if (value === undefined) throw new UsageError(`-${name} needs a value`)
    given.set(name, value)
  }
  const engine = ENGINES.find((known) => known === given.get('engine'))
  if (engine === undefined) {
    throw new UsageError(`unknown engine "${given.get('engine')}"; allowed are ${ENGINES.join(', ')}`)
  }
  const bind = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(given.get('bind') ?? '')
  const port = Number(bind?.[3])
  if (bind === null || port > 65_535) {
    throw new UsageError(`-bind "${given.get('bind')}" is not HOST:PORT, for example 127.0.0.1:0`)
  }
  return { host: bind[1] ?? (bind[2] || '0.0.0.0'), port, engine }
}

/** `host:port` with an IPv6 address in brackets. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
