/** One connection and the answers on it, read as they come (O5); also those behind an announced close. */
import { ResponseParser, type HttpResponse, type ParseError } from '../../../../wire/http1.ts'
import { WriteFailed, type Connection } from '../../../../wire/tcp.ts'

/** More answers than were asked for that are still read as answers. */
const EXTRA = 8
const INTERIM = Buffer.from('HTTP/1.1 1')

export class Line {
  readonly connection: Connection
  readonly answers: HttpResponse[] = []
  error: ParseError | undefined
  readonly #methods: readonly string[]
  #parser: ResponseParser
  /** Bytes handed to the parsers, and where the present one began. */
  #fed = 0
  #begun = 0
  /** Bytes of whole answers. */
  #whole = 0

  /** @param due answers that may come @param heads positions of HEAD requests */
  constructor(connection: Connection, due: number, heads: readonly number[]) {
    this.connection = connection
    this.#methods = Array.from({ length: due + EXTRA }, (_, i) => (heads.includes(i) ? 'HEAD' : 'GET'))
    this.#parser = this.#start()
  }

  #start(): ResponseParser {
    const parser = new ResponseParser({
      onResponse: (response) => {
        this.answers.push(response)
        this.#whole += response.interim.reduce(
          (sum, one) => sum + one.headBytes,
          response.headBytes + response.bodyBytes
        )
      },
      onError: (error) => void (this.error = error)
    })
    for (const method of this.#methods.slice(this.answers.length)) parser.expect(method)
    return parser
  }

  get open(): boolean {
    return this.connection.state === 'open'
  }

  /** Reads what came. */
  read(): void {
    const { received, state } = this.connection
    if (received.length > this.#fed) {
      const piece = received.subarray(this.#fed)
      this.#fed = received.length
      this.#parser.push(piece)
    }
    while (this.error?.rule === 'after-close' && this.#whole > this.#begun) {
      this.error = undefined
      this.#begun = this.#whole
      this.#parser = this.#start()
      this.#parser.push(received.subarray(this.#whole))
    }
    if (state !== 'open') this.#parser.finish(true)
  }

  /** An interim answer has come and nothing behind it. */
  get interim(): boolean {
    const rest = this.connection.received.subarray(this.#whole, this.#whole + INTERIM.length)
    return rest.equals(INTERIM)
  }

  /** An answer has begun and is not whole. */
  get midway(): boolean {
    return this.#parser.midway
  }

  /** Waits until the test holds, the connection closes, or time is up. True when the test holds. */
  async until(test: () => boolean, timeoutMs: number): Promise<boolean> {
    const found = await this.connection.waitFor(() => {
      this.read()
      return test() ? true : undefined
    }, timeoutMs)
    if (found === true) return true
    // Where our own process stood still, time is up before what has come is looked at.
    await new Promise((resolve) => setImmediate(resolve))
    this.read()
    return test()
  }

  /** True when the kernel took all bytes. */
  async write(bytes: Buffer): Promise<boolean> {
    try {
      await this.connection.write(bytes)
      return true
    } catch (error) {
      if (error instanceof WriteFailed) return false
      throw error
    }
  }
}
