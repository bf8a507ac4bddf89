/**
 * One walker: one raw keep-alive connection, its own session, one step after another. Callbacks and no promises on
 * the way of a request: this is what makes it cheaper than a client library.
 */
import { Socket } from 'node:net'
import type { RandomStream } from '../../../kit/random.ts'
import { ResponseParser, type HttpResponse, type ParseError } from '../../../wire/http1.ts'
import type { Step } from './model.ts'
import type { Route } from './path.ts'
import { Answer, Session } from './session.ts'

export interface Exchange {
  step: Step
  token: string
  /** Request as latin1 text. */
  sent: string
  /** `performance.now()` */
  at: number
  /** In flight with others before it. */
  pipelined: boolean
  retried: boolean
}

/** What a walker tells of; the judge decides what it means. */
export interface WalkerEvents {
  answered(walker: Walker, exchange: Exchange, answer: Answer): void
  /** The answer breaks the framing rules. */
  malformed(walker: Walker, exchange: Exchange | undefined, error: ParseError): void
  /** The connection ended with requests unanswered. */
  lost(walker: Walker, exchange: Exchange, how: string): void
  refused(walker: Walker, code: string): void
  /** Requests that we gave up ourselves, behind a malformed answer. */
  abandoned(count: number): void
  sent(count: number): void
  retried(count: number): void
  loggedIn(again: boolean): void
  loggedOut(): void
}

const BUFFER_BYTES = 64 * 1024
const RING_BYTES = 16 * 1024
const KEPT_REQUESTS = 16
const RECONNECT_MS = 100
const DEEPEST_PIPELINE = 8

export class Walker {
  readonly session: Session
  readonly #random: RandomStream
  readonly #route: Route
  readonly #place: { host: string; port: number; authority: string }
  readonly #events: WalkerEvents
  readonly #pipelines: boolean
  #socket?: Socket
  #parser!: ResponseParser
  #open = false
  /** In flight, oldest first. */
  #flight: Exchange[] = []
  /** To be sent again on a new connection. */
  #again: Exchange[] = []
  #setup: string[] = []
  #current: Step
  #stopping = false
  #settled: (() => void) | undefined
  #answersOnThis = 0
  #requests: string[] = []
  readonly #ring = Buffer.allocUnsafe(RING_BYTES)
  #ringAt = 0
  #ringFull = false
  #loggedIn = false

  constructor(options: {
    index: number
    random: RandomStream
    route: Route
    place: { host: string; port: number; authority: string }
    events: WalkerEvents
    pipelines: boolean
  }) {
    this.session = new Session(options.index, options.random)
    this.#random = options.random
    this.#route = options.route
    this.#place = options.place
    this.#events = options.events
    this.#pipelines = options.pipelines
    this.#setup = [...options.route.model.setup]
    this.#current = options.route.step(options.route.model.start)
  }

  start(): void {
    this.#connect()
  }

  /** Begins nothing new; resolves when nothing is in flight. */
  stop(): Promise<void> {
    this.#stopping = true
    return new Promise((resolve) => {
      this.#settled = resolve
      if (this.#flight.length === 0 && this.#again.length === 0) this.#settle()
    })
  }

  /** Gives up what is in flight; returns how many requests were cut. */
  cut(): number {
    const count = this.#flight.length + this.#again.length
    this.#flight = []
    this.#again = []
    this.#stopping = true
    this.#socket?.destroy()
    this.#settle()
    return count
  }

  /** Requests in flight, oldest first. */
  get flight(): readonly Exchange[] {
    return this.#flight
  }

  /** The last requests of this walker and the last bytes that it received. */
  recent(): { sent: Buffer; received: Buffer } {
    const received = this.#ringFull
      ? Buffer.concat([this.#ring.subarray(this.#ringAt), this.#ring.subarray(0, this.#ringAt)])
      : Buffer.from(this.#ring.subarray(0, this.#ringAt))
    return { sent: Buffer.from(this.#requests.join(''), 'latin1'), received }
  }

  #settle(): void {
    this.#socket?.destroy()
    this.#settled?.()
    this.#settled = undefined
  }

  #connect(): void {
    if (this.#stopping) return this.#settle()
    this.#open = false
    this.#answersOnThis = 0
    this.#parser = new ResponseParser({
      onResponse: (response) => this.#answer(response),
      onError: (error) => this.#malformed(error)
    })
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES)
    let refused = ''
    const socket: Socket = new Socket({
      // Read into one buffer of our own: no allocation per segment.
      onread: {
        buffer,
        callback: (count: number): boolean => this.#data(socket, buffer, count)
      }
    })
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('connect', () => {
      this.#open = true
      this.#resume()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => (refused = error.code ?? error.message))
    socket.on('close', () => {
      if (this.#socket === socket) this.#closed(refused)
    })
    socket.connect(this.#place.port, this.#place.host)
  }

  #data(socket: Socket, buffer: Buffer, count: number): boolean {
    if (this.#socket !== socket) return true
    this.#keep(buffer, count)
    this.#parser.push(buffer, 0, count)
    return true
  }

  #keep(buffer: Buffer, count: number): void {
    let from = Math.max(0, count - RING_BYTES)
    while (from < count) {
      const room = Math.min(RING_BYTES - this.#ringAt, count - from)
      buffer.copy(this.#ring, this.#ringAt, from, from + room)
      this.#ringAt += room
      from += room
      if (this.#ringAt === RING_BYTES) {
        this.#ringAt = 0
        this.#ringFull = true
      }
    }
  }

  #closed(code: string): void {
    if (!this.#open) {
      this.#events.refused(this, code)
      if (this.#stopping) this.#settle()
      else setTimeout(() => this.#connect(), RECONNECT_MS).unref()
      return
    }
    this.#open = false
    this.#parser.finish(true)
    const unanswered = this.#flight
    this.#flight = []
    const [first, ...rest] = unanswered
    if (first !== undefined) {
      const untouched = !this.#parser.midway && !this.#parser.broken
      // Closing an idle connection races with our next request: it may go again once, on a new connection.
      if (untouched && this.#answersOnThis > 0 && !first.retried) {
        for (const exchange of unanswered) exchange.retried = true
        this.#again = unanswered
        this.#events.retried(unanswered.length)
      } else {
        const how = code === '' ? 'FIN' : code
        this.#events.lost(
          this,
          first,
          `${how}${untouched ? ', no byte of an answer' : ', in the middle of an answer'}`
        )
        for (const exchange of rest) this.#events.lost(this, exchange, `${how}, behind another`)
      }
    }
    this.#connect()
  }

  #malformed(error: ParseError): void {
    const exchange = this.#flight.shift()
    this.#events.malformed(this, exchange, error)
    this.#events.abandoned(this.#flight.splice(0).length)
    const socket = this.#socket
    this.#socket = undefined!
    this.#open = false
    socket?.destroy()
    setImmediate(() => this.#connect())
  }

  #resume(): void {
    if (this.#again.length > 0) {
      const again = this.#again
      this.#again = []
      for (const exchange of again) this.#write(exchange)
      return
    }
    if (this.#flight.length === 0) this.#advance()
  }

  #write(exchange: Exchange): void {
    exchange.at = performance.now()
    this.#flight.push(exchange)
    this.#parser.expect(exchange.step.method)
    if (this.#requests.length >= KEPT_REQUESTS) this.#requests.shift()
    this.#requests.push(exchange.sent)
    this.#socket!.write(exchange.sent, 'latin1')
  }

  #make(step: Step, pipelined: boolean): Exchange {
    const token = this.session.fresh()
    return {
      step,
      token,
      sent: this.session.request(step, this.#place.authority, token),
      at: 0,
      pipelined,
      retried: false
    }
  }

  /** Sends the next step, or several that do not depend on each other's answers. */
  #advance(): void {
    if (this.#stopping) return this.#settle()
    const first = this.#next()
    const exchanges = [this.#make(first, false)]
    if (this.#pipelines && first.pipelines && this.#setup.length === 0 && this.#route.toured) {
      const depth = this.#random.int(2, DEEPEST_PIPELINE)
      while (exchanges.length < depth) {
        const candidate = this.#peekPipelined()
        if (candidate === undefined) break
        exchanges.push(this.#make(candidate, true))
      }
    }
    this.#events.sent(exchanges.length)
    for (const exchange of exchanges) this.#write(exchange)
  }

  #next(): Step {
    const waiting = this.#setup.shift()
    if (waiting !== undefined) return this.#route.step(waiting)
    const step = this.#current
    // What the step needs may not be there yet: back to the start, where it can be made.
    if (this.#lacks(step)) return (this.#current = this.#route.step(this.#route.model.start))
    return step
  }

  #lacks(step: Step): boolean {
    return step.needs.some((name) => this.session.values[name] === undefined)
  }

  #peekPipelined(): Step | undefined {
    const name = this.#route.draw(this.#current, this.#random)
    this.#current = this.#route.step(name)
    return this.#current.pipelines && !this.#lacks(this.#current) ? this.#current : undefined
  }

  #answer(response: HttpResponse): void {
    const exchange = this.#flight.shift()!
    this.#answersOnThis += 1
    const { step } = exchange
    const answer = new Answer(response, exchange.token)
    if (response.header('set-cookie') !== undefined) this.session.takeCookies(response)
    this.#events.answered(this, exchange, answer)
    this.#route.visited.add(step.name)
    this.#remember(step, exchange, answer)
    this.#move(step, response.status, exchange.pipelined)
    if (!response.keepAlive) {
      // The server said that it closes: what stands behind was not asked for, it goes again.
      this.#again = this.#flight.map((behind) => ({ ...behind, retried: true }))
      this.#events.retried(this.#again.length)
      this.#flight = []
      const socket = this.#socket
      this.#socket = undefined!
      this.#open = false
      socket?.destroy()
      setImmediate(() => this.#connect())
      return
    }
    if (this.#flight.length === 0) this.#advance()
  }

  #remember(step: Step, { token }: Exchange, answer: Answer): void {
    if (answer.response.status !== step.expect[0]) return
    for (const [variable, source] of step.save) {
      this.session.values[variable] = source.kind === 'token' ? token : this.session.read(source, answer)
    }
    for (const variable of step.forget) delete this.session.values[variable]
  }

  #move(step: Step, status: number, pipelined: boolean): void {
    if (
      this.#route.model.setup.includes(step.name) &&
      step.name === this.#route.model.setup.at(-1) &&
      status < 300
    ) {
      this.#events.loggedIn(this.#loggedIn)
      this.#loggedIn = true
    }
    const unexpected401 = status === 401 && !step.expect.includes(401)
    if (step.endsSession || unexpected401) {
      if (step.endsSession) {
        this.#events.loggedOut()
        this.#loggedIn = false
      }
      this.session.restart()
      this.#setup = [...this.#route.model.setup]
      this.#current = this.#route.step(this.#route.model.start)
      return
    }
    // Steps of the setup lead to the start; pipelined ones have drawn their way already.
    if (this.#setup.length > 0 || pipelined || step !== this.#current) return
    this.#current = this.#route.step(
      this.#route.toured ? this.#route.draw(step, this.#random) : this.#route.towardsNew(step, this.#random)
    )
  }
}
