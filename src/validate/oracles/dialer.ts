/** Where all connections of a slice come from: counted, ended on abort, and honest about whose fault a failure is. */
import { InfraError } from '../../kit/errors.ts'
import { ConnectFailed, Connection } from '../../wire/tcp.ts'

/** Errors of connect that are this machine's: descriptors, ports, memory, permissions. */
const OURS = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', 'EACCES', 'EPERM'])

export interface DialerOptions {
  host: string
  port: number
  signal: AbortSignal
  onOpen?: () => void
}

export class Dialer {
  readonly #options: DialerOptions
  readonly #open = new Set<Connection>()
  readonly #onAbort = (): void => this.closeAll()

  constructor(options: DialerOptions) {
    this.#options = options
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /**
   * A fresh connection.
   * @throws ConnectFailed where the server did not take it, InfraError where this machine could not make it
   */
  async connect(timeoutMs: number): Promise<Connection> {
    const { host, port, signal, onOpen } = this.#options
    let connection: Connection
    try {
      connection = await Connection.connect({ host, port, timeoutMs })
    } catch (error) {
      if (error instanceof ConnectFailed && OURS.has(error.code)) {
        throw new InfraError({
          what: `no connection could be opened: ${error.code}`,
          why: 'this machine is out of descriptors, ports or memory, or forbids it',
          fix: 'raise `ulimit -n`, lower the concurrency'
        })
      }
      throw error
    }
    onOpen?.()
    this.#open.add(connection)
    if (signal.aborted) this.release(connection)
    return connection
  }

  /** Closes a connection and forgets it. */
  release(connection: Connection): void {
    this.#open.delete(connection)
    connection.destroy()
  }

  closeAll(): void {
    for (const connection of [...this.#open]) this.release(connection)
  }

  dispose(): void {
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.closeAll()
  }
}
