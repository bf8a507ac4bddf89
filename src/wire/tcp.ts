/** A TCP client with control of segments, half-close and reset; what it says it did is what it did. */
import { Socket } from 'node:net'
import { Inbox } from './inbox.ts'
import { noteSent } from './recent.ts'
import { noteConnection } from './recording.ts'
import { Transcript } from './transcript.ts'

export class ConnectFailed extends Error {
  override readonly name = 'ConnectFailed'
  /** `ECONNREFUSED`, `ETIMEDOUT`, ... */
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

export class WriteFailed extends Error {
  override readonly name = 'WriteFailed'
}

export type ConnectionState = 'open' | 'eof' | 'reset'

export interface ConnectOptions {
  host: string
  port: number
  timeoutMs: number
  transcript?: Transcript
  /** Bytes kept unread before reading is paused. Default 16 MiB. */
  maxReceived?: number
}

interface Waiter {
  look(): boolean
}

/** Every read ends in a callback before the next begins, so that one buffer serves all connections. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024)
const CODES_OF_RESET = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

let lingering = 0
/** Connections of this process that the peer has closed and we have not. */
export const lingeringConnections = (): number => lingering

export class Connection {
  readonly transcript: Transcript
  readonly localPort: number
  /** Bytes that the kernel took from us. */
  bytesAccepted = 0
  /** All bytes that ever came, also those consumed. */
  bytesReceived = 0
  readonly #socket: Socket
  readonly #max: number
  readonly #inbox = new Inbox()
  #state: ConnectionState = 'open'
  #ended = false
  /** The peer has closed, and we have not. */
  #lingers = false
  #finished = false
  readonly #waiters = new Set<Waiter>()

  private constructor(socket: Socket, transcript: Transcript, maxReceived: number) {
    this.#socket = socket
    this.#max = maxReceived
    this.transcript = transcript
    this.localPort = socket.localPort ?? 0
    socket.on('end', () => this.#close('eof', 'FIN received'))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (CODES_OF_RESET.has(error.code ?? '')) this.#close('reset', `RST received (${error.code})`)
      else this.#close('reset', `error ${error.code ?? error.message}`)
    })
    socket.on('close', () => {
      this.#close('eof', 'closed')
      if (this.#lingers) lingering -= 1
    })
  }

  /** Opens a connection. @throws ConnectFailed */
  static connect(options: ConnectOptions): Promise<Connection> {
    const transcript = options.transcript ?? new Transcript()
    noteConnection(transcript)
    return new Promise((resolve, reject) => {
      let connection: Connection | undefined
      const callback = (count: number): boolean => {
        connection!.#take(READ_BUFFER.subarray(0, count))
        return true
      }
      const socket = new Socket({ allowHalfOpen: true, onread: { buffer: READ_BUFFER, callback } })
      // Each write that is under way listens for the close.
      socket.setMaxListeners(0)
      const fail = (code: string, message: string): void => {
        clearTimeout(timer)
        socket.destroy()
        reject(new ConnectFailed(code, message))
      }
      const timer = setTimeout(
        () => fail('ETIMEDOUT', `no connection within ${options.timeoutMs} ms`),
        options.timeoutMs
      )
      const onError = (error: NodeJS.ErrnoException): void => fail(error.code ?? 'EUNKNOWN', error.message)
      socket.once('error', onError)
      socket.once('connect', () => {
        clearTimeout(timer)
        socket.off('error', onError)
        socket.setNoDelay(true)
        transcript.event(`connected ${socket.localPort ?? '?'} -> ${options.host}:${options.port}`, 'connect')
        connection = new Connection(socket, transcript, options.maxReceived ?? 16 << 20)
        resolve(connection)
      })
      socket.connect(options.port, options.host)
    })
  }

  /** Calls back once the socket is closed, by whomever. */
  whenClosed(then: () => void): void {
    if (this.#socket.closed) then()
    else this.#socket.once('close', then)
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** What came and was not consumed. */
  get received(): Buffer {
    return this.#inbox.bytes
  }

  /** @param chunk bytes that are the reader's again afterwards */
  #take(chunk: Buffer): void {
    this.transcript.received(chunk)
    this.bytesReceived += chunk.length
    this.#inbox.add(chunk)
    if (this.#inbox.length > this.#max && !this.#socket.isPaused()) {
      this.transcript.event(`reading paused: ${this.#inbox.length} bytes unread`)
      this.#socket.pause()
    }
    this.#wake()
  }

  #close(state: 'eof' | 'reset', note: string): void {
    if (this.#state !== 'open') return
    this.#state = state
    if (!this.#socket.closed) {
      this.#lingers = true
      lingering += 1
    }
    // What follows our own end is not the peer's.
    if (this.#finished) this.transcript.event(note)
    else this.transcript.event(note, state === 'eof' ? 'peer-fin' : 'peer-rst')
    this.#wake()
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) if (waiter.look()) this.#waiters.delete(waiter)
  }

  /** Resolves when the kernel has taken all bytes. @throws WriteFailed where the peer is gone. */
  write(bytes: Buffer | string): Promise<void> {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    if (data.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      if (this.#ended || this.#socket.destroyed || this.#state === 'reset') {
        reject(new WriteFailed('the connection is closed for writing'))
        return
      }
      const onClose = (): void => reject(new WriteFailed('the connection was closed while writing'))
      this.#socket.once('close', onClose)
      noteSent(this.#socket.remotePort ?? 0, data)
      this.#socket.write(data, (error) => {
        this.#socket.off('close', onClose)
        if (error) return reject(new WriteFailed(error.message))
        this.bytesAccepted += data.length
        this.transcript.sent(data)
        resolve()
      })
    })
  }

  /** Each buffer as a segment of its own: without delay on the socket and, where given, with a pause between. */
  async writeSegments(segments: readonly Buffer[], pauseMs = 0): Promise<void> {
    for (const [i, segment] of segments.entries()) {
      await this.write(segment)
      if (i < segments.length - 1)
        await new Promise<void>((resolve) =>
          pauseMs > 0 ? setTimeout(resolve, pauseMs) : setImmediate(resolve)
        )
    }
  }

  /** FIN: nothing more comes from us, the other direction stays open. */
  end(): void {
    if (this.#ended || this.#socket.destroyed) return
    this.#ended = true
    this.#socket.end()
    this.transcript.event('FIN sent', 'fin')
  }

  /** RST (SO_LINGER 0), whatever is unread or unsent. */
  reset(): void {
    if (this.#finished) return
    this.#finished = true
    this.transcript.event('RST sent', 'rst')
    this.#socket.resetAndDestroy()
  }

  /** Closes without ceremony: FIN, or RST where bytes are unread. */
  destroy(): void {
    if (this.#finished) return
    this.#finished = true
    this.transcript.event('closed by us', 'close')
    this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }

  /** Drops n bytes from the front of what was received. */
  consume(n: number): void {
    this.#inbox.drop(n)
    if (this.#socket.isPaused() && this.#inbox.length < this.#max) this.#socket.resume()
  }

  /**
   * Evaluates the test now, at every arrival and at the close. Undefined after the time limit, or when the
   * connection closed and the test still had no answer.
   */
  waitFor<T>(
    test: (received: Buffer, state: ConnectionState) => T | undefined,
    timeoutMs: number
  ): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(undefined), timeoutMs)
      const settle = (value: T | undefined): void => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
        resolve(value)
      }
      const waiter: Waiter = {
        look: () => {
          try {
            const value = test(this.received, this.#state)
            if (value === undefined && this.#state === 'open') return false
            settle(value)
          } catch (error) {
            clearTimeout(timer)
            reject(error)
          }
          return true
        }
      }
      if (!waiter.look()) this.#waiters.add(waiter)
    })
  }

  /** How the peer closed, or `open` after the time limit. */
  async waitClose(timeoutMs: number): Promise<'eof' | 'reset' | 'open'> {
    await this.waitFor((_, state) => (state === 'open' ? undefined : state), timeoutMs)
    return this.#state
  }
}
