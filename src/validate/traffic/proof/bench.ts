/**
 * What every case of the h2c, ws and sse slices stands on: time limits that follow the server, connections that are
 * counted when they cannot be had, the control request, and a connection opened earlier.
 */
import { InfraError } from '../../../kit/errors.ts'
import {
  formatRequest,
  parseResponses,
  type HttpResponse,
  type ParsedResponses
} from '../../../wire/http1.ts'
import { ConnectFailed, Connection, WriteFailed } from '../../../wire/tcp.ts'
import type { Transcript } from '../../../wire/transcript.ts'
import type { SliceContext } from '../../contracts.ts'

/** Shortest time that a server is given for an answer, ms. */
const LEAST_PATIENCE_MS = 2000
/** Multiple of the idle 95th percentile that a server is given. */
const PATIENCE_FACTOR = 20
/** A stall of ours longer than this part of the patience makes a missed deadline worthless. */
const STALL_SHARE = 0.25

/** Errors of `connect` that are this machine's: descriptors, ports, memory. */
const OURS = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', 'EACCES', 'EPERM'])

export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A way to ask the control request: undefined when it was answered as ever, else what was seen. */
export type Control = () => Promise<string | undefined>

/** A connection that was opened before a case; asked after it. */
export interface Elder {
  /** `answered`; `closed` where the server had ended an idle connection, which it may; else what went wrong. */
  ask(): Promise<'answered' | 'closed' | { wrong: string }>
  close(): void
}

export class Bench {
  readonly context: SliceContext
  /** Prefix of the slice's counters: `h2c`. */
  readonly prefix: string
  /** Longest time that anything due may take, ms. */
  readonly patienceMs: number
  /** Path of the control request. */
  readonly path: string
  /** Connections whose first answer was shown. */
  readonly #shown = new WeakSet<Transcript>()
  /** Status of the control request on the idle server. */
  status = 200
  /** Asks the control request on a fresh connection; replaced where the port speaks no HTTP/1.1. */
  control: Control = () => this.#controlHttp1()
  /** Opens a connection that is used again after the case. */
  elder: () => Promise<Elder> = () => this.#elderHttp1()

  readonly #open = new Set<Connection>()
  #abandoned = false
  readonly #onAbort = (): void => this.#drop()

  constructor(context: SliceContext, prefix: string) {
    const { routes, baselineMs } = context.capabilities
    this.context = context
    this.prefix = prefix
    this.patienceMs = Math.max(LEAST_PATIENCE_MS, PATIENCE_FACTOR * baselineMs)
    this.path = routes.get?.path ?? routes.health?.path ?? '/'
    // Whoever waits on a connection is woken by its end, so that a stop is at once.
    context.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  #drop(): void {
    for (const connection of this.#open) connection.destroy()
    this.#open.clear()
  }

  /** The server serves nobody any more: whoever waits for it is woken, and no connection is kept from now on. */
  abandon(): void {
    this.#abandoned = true
    this.#drop()
  }

  /** Ends every connection that is left. */
  close(): void {
    this.context.signal.removeEventListener('abort', this.#onAbort)
    this.#drop()
  }

  #keep(connection: Connection): Connection {
    this.#open.add(connection)
    // With it go its transcript and what it received.
    connection.whenClosed(() => this.#open.delete(connection))
    if (this.aborted || this.#abandoned) connection.destroy()
    return connection
  }

  /** No more rounds are begun. */
  get over(): boolean {
    return this.context.signal.aborted || performance.now() >= this.context.deadline
  }

  get aborted(): boolean {
    return this.context.signal.aborted
  }

  /** How the launched process ended, in words; undefined while it lives (or is not ours to know). */
  ended(): string | undefined {
    const exit = this.context.target.exit()
    if (exit === undefined) return undefined
    return exit.signal === null ? `exit code ${exit.code ?? '?'}` : `signal ${exit.signal}`
  }

  /** True where our own process was too busy since then for a missed deadline to mean anything. */
  stalled(since: number): boolean {
    return this.context.vitals.stallSince(since) > this.patienceMs * STALL_SHARE
  }

  /**
   * Opens a connection to the server.
   * @throws ConnectFailed the server takes none (counted as `_dial_fail`)
   * @throws InfraError this machine has no descriptor or port left
   */
  async connect(transcript?: Transcript): Promise<Connection> {
    const { host, port } = this.context.target
    try {
      const options = { host, port, timeoutMs: this.patienceMs }
      return this.#keep(
        await Connection.connect(transcript === undefined ? options : { ...options, transcript })
      )
    } catch (error) {
      if (!(error instanceof ConnectFailed)) throw error
      if (OURS.has(error.code)) {
        throw new InfraError({
          what: `no connection can be opened from this machine: ${error.code}`,
          why: error.message,
          fix: 'raise the limit of open files (ulimit -n) or lower the concurrency'
        })
      }
      this.context.tally.add(`${this.prefix}_dial_fail`)
      throw error
    }
  }

  /** Writes; false (counted as `_write_fail`) where the peer had closed. */
  async write(connection: Connection, ...segments: readonly Buffer[]): Promise<boolean> {
    try {
      await connection.writeSegments(segments)
      return true
    } catch (error) {
      if (!(error instanceof WriteFailed)) throw error
      this.context.tally.add(`${this.prefix}_write_fail`)
      return false
    }
  }

  /** A GET with the given fields (Host is there already). */
  get(path: string, headers: readonly (readonly [string, string])[] = []): Buffer {
    return formatRequest({
      method: 'GET',
      target: path,
      headers: [['Host', this.context.target.authority], ...headers]
    })
  }

  /** Reads HTTP/1.1 responses until each method has its final one, the peer closes, or time is up. */
  async responses(
    connection: Connection,
    methods: readonly string[],
    timeoutMs = this.patienceMs
  ): Promise<ParsedResponses> {
    const look = (closed: boolean): ParsedResponses => parseResponses(connection.received, methods, closed)
    const whole = await connection.waitFor((_, state) => {
      const parsed = look(state !== 'open')
      const done = parsed.responses.length >= methods.length || parsed.error !== undefined
      return done || parsed.rest.length > 0 ? parsed : undefined
    }, timeoutMs)
    const parsed = whole ?? look(connection.state !== 'open')
    if (methods.length === 1) this.#show(connection, parsed)
    return parsed
  }

  /** The first answer of a connection, for the passive rules: of a later one it is not known which request it is to. */
  #show({ transcript }: Connection, { responses, error }: ParsedResponses): void {
    const { watch } = this.context
    if (this.#shown.has(transcript)) return
    this.#shown.add(transcript)
    const [answer] = responses
    if (answer !== undefined) watch.answer(answer, transcript.sentBytes())
    else if (error !== undefined)
      watch.broken(error, transcript.sentBytes(), transcript.receivedBytes(), false)
  }

  /** Learns what the control request answers. Undefined when it was answered, else what was seen. */
  async learn(): Promise<string | undefined> {
    let seen: string | undefined
    for (let attempt = 0; attempt < 3; attempt++) {
      const answer = await this.ask(this.path)
      if (typeof answer !== 'string') {
        this.status = answer.status
        return undefined
      }
      seen = answer
    }
    return seen
  }

  /** One GET on a connection of its own: the response, or what was seen in its place. */
  async ask(
    path: string,
    headers: readonly (readonly [string, string])[] = [['Connection', 'close']]
  ): Promise<HttpResponse | string> {
    let connection: Connection
    try {
      connection = await this.connect()
    } catch (error) {
      if (error instanceof ConnectFailed) return `no connection: ${error.code}`
      throw error
    }
    try {
      if (!(await this.write(connection, this.get(path, headers))))
        return 'the connection was closed before the request was written'
      return this.#answer(connection, await this.responses(connection, ['GET']))
    } finally {
      connection.destroy()
    }
  }

  #answer(connection: Connection, parsed: ParsedResponses): HttpResponse | string {
    const response = parsed.responses[0]
    if (response !== undefined) return response
    if (parsed.error !== undefined) return `not HTTP: ${parsed.error.message}`
    if (connection.state === 'eof') return 'closed without an answer'
    if (connection.state === 'reset') return 'reset without an answer'
    return `no answer within ${this.patienceMs} ms`
  }

  async #controlHttp1(): Promise<string | undefined> {
    const answer = await this.ask(this.path)
    if (typeof answer === 'string') return answer
    return answer.status === this.status ? undefined : `status ${answer.status} in place of ${this.status}`
  }

  async #elderHttp1(): Promise<Elder> {
    const connection = await this.connect()
    let asked = 0
    if (this.context.capabilities.keepAlive && (await this.write(connection, this.get(this.path)))) {
      asked = 1
      await this.responses(connection, ['GET'])
    }
    return {
      ask: async () => {
        if (connection.state !== 'open') return 'closed'
        if (!(await this.write(connection, this.get(this.path)))) return 'closed'
        asked += 1
        const before = connection.bytesReceived
        const parsed = await this.responses(
          connection,
          Array.from({ length: asked }, () => 'GET')
        )
        if (parsed.responses.length === asked) return 'answered'
        // An idle connection that the server ends at this very moment is no loss.
        if (connection.state !== 'open' && connection.bytesReceived === before) return 'closed'
        return { wrong: this.#answer(connection, { ...parsed, responses: [] }) as string }
      },
      close: () => connection.destroy()
    }
  }
}
