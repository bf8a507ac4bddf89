/**
 * One walker: one raw keep-alive connection, its own session, one step after another. Callbacks and no promises on
 * the way of a request: this is what makes it cheaper than a client library.
 */
import { Socket } from 'node:net'
import type { RandomStream } from '../../../kit/random.ts'
import { ResponseParser, type HttpResponse, type ParseError } from '../../../wire/http1.ts'
import type { Exchange, WalkerEvents } from './events.ts'
import type { Step } from './model.ts'
import type { Route } from './path.ts'
import { Recorder } from './recorder.ts'
import { Answer, Session } from './session.ts'
import { noteSent } from '../../../wire/recent.ts'

const RECONNECT_MS = 100
/** Closes after Connection: close that are waited for, and how long at least, ms. */
const WATCHED_CLOSES = 4
const CLOSE_MS = 2500
const CLOSE_FACTOR = 50
const DEEPEST_PIPELINE = 8
/** Every read ends in a callback before the next begins, so that one buffer serves all connections. */
const READ_BUFFER = Buffer.allocUnsafe(64 * 1024)
/** Beginnings of the read buffer by length: most answers have one of few lengths. */
const VIEWS = 4096
const views: Buffer[] = []

/**
 * What all walkers want to send, let go at the end of the loop's turn: a server that is woken once for many requests
 * costs both sides less than one that is woken for each.
 */
export class Outbox {
  #waiting: Walker[] = []

  post(walker: Walker): void {
    if (this.#waiting.push(walker) === 1) setImmediate(() => this.#send())
  }

  #send(): void {
    const now = performance.now()
    const waiting = this.#waiting
    this.#waiting = []
    for (const walker of waiting) walker.send(now)
  }
}

export class Walker {
  readonly session: Session
  readonly #random: RandomStream
  readonly #route: Route
  readonly #place: { host: string; port: number; authority: string }
  readonly #events: WalkerEvents
  readonly #pipelines: boolean
  readonly #outbox: Outbox
  #socket: Socket | undefined
  #parser!: ResponseParser
  #open = false
  /** In flight, oldest first. */
  #flight: Exchange[] = []
  /** Made, and waiting for the outbox. */
  #pending: Exchange[] = []
  /** To be sent again on a new connection. */
  #again: Exchange[] = []
  #setup: string[] = []
  readonly #lastOfSetup: string | undefined
  #current: Step
  #stopping = false
  #settled: (() => void) | undefined
  #readAt = 0
  #renewing = false
  #answersOnThis = 0
  #last: Step | undefined
  readonly #recorder = new Recorder()
  #loggedIn = false
  #watchedCloses = 0
  readonly #closeMs: number

  constructor(options: {
    index: number
    random: RandomStream
    route: Route
    place: { host: string; port: number; authority: string }
    events: WalkerEvents
    pipelines: boolean
    outbox: Outbox
    /** 95th percentile of the answer time on the idle server, ms. */
    baselineMs: number
  }) {
    this.#closeMs = Math.max(CLOSE_MS, CLOSE_FACTOR * options.baselineMs)
    this.session = new Session(options.index, options.random)
    this.#random = options.random
    this.#route = options.route
    this.#place = options.place
    this.#events = options.events
    this.#pipelines = options.pipelines
    this.#outbox = options.outbox
    this.#setup = [...options.route.model.setup]
    this.#lastOfSetup = options.route.model.setup.at(-1)
    this.#current = options.route.step(options.route.model.start)
  }

  start(): void {
    this.#connect()
  }

  /** Begins nothing new; resolves when nothing is in flight. */
  stop(): Promise<void> {
    this.#stopping = true
    this.#pending = []
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
    this.#settle()
    return count
  }

  /** Requests in flight, oldest first. */
  get flight(): readonly Exchange[] {
    return this.#flight
  }

  /** The last requests of this walker and the last bytes that it received. */
  recent(): { sent: Buffer; received: Buffer } {
    return this.#recorder.recent()
  }

  #settle(): void {
    const socket = this.#socket
    // Our own close says nothing of the server.
    this.#socket = undefined
    socket?.destroy()
    this.#settled?.()
    this.#settled = undefined
  }

  #connect(): void {
    if (this.#stopping) return this.#settle()
    this.#answersOnThis = 0
    this.#parser = new ResponseParser({
      onResponse: (response) => this.#answer(response),
      onError: (error) => this.#malformed(error)
    })
    let code = ''
    const socket: Socket = new Socket({
      onread: { buffer: READ_BUFFER, callback: (count: number): boolean => this.#data(socket, count) }
    })
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('connect', () => {
      if (this.#socket !== socket) return
      this.#open = true
      this.#resume()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? error.message))
    socket.on('close', () => {
      if (this.#socket === socket) this.#closed(code)
    })
    socket.connect(this.#place.port, this.#place.host)
  }

  /** Leaves this connection; the next begins in the loop's next turn. @param closing its last answer, which announced the close */
  #renew(closing?: { response: HttpResponse; sent: string }): void {
    const socket = this.#socket
    this.#socket = undefined
    this.#open = false
    if (closing !== undefined && socket !== undefined && this.#watchedCloses < WATCHED_CLOSES)
      this.#watchClose(socket, closing)
    else socket?.destroy()
    if (this.#renewing) return
    this.#renewing = true
    setImmediate(() => {
      this.#renewing = false
      this.#connect()
    })
  }

  #watchClose(socket: Socket, { response, sent }: { response: HttpResponse; sent: string }): void {
    this.#watchedCloses += 1
    const begun = performance.now()
    const settle = (how: 'closed' | 'open'): void => {
      clearTimeout(timer)
      socket.off('close', onClose)
      socket.destroy()
      if (!this.#stopping || how === 'closed') this.#events.left(response, sent, how, begun)
    }
    const onClose = (): void => settle('closed')
    const timer = setTimeout(() => settle('open'), this.#closeMs)
    timer.unref()
    socket.unref()
    socket.once('close', onClose)
  }

  #data(socket: Socket, count: number): boolean {
    if (this.#socket !== socket) return true
    this.#readAt = performance.now()
    const bytes =
      count < VIEWS ? (views[count] ??= READ_BUFFER.subarray(0, count)) : READ_BUFFER.subarray(0, count)
    this.#recorder.received(bytes)
    this.#parser.push(bytes)
    return true
  }

  #closed(code: string): void {
    if (!this.#open) {
      this.#socket = undefined
      this.#events.refused(this, code)
      if (this.#stopping) this.#settle()
      else setTimeout(() => this.#connect(), RECONNECT_MS).unref()
      return
    }
    // Ends a body that goes until the close, or tells that one was cut.
    const untouched = !this.#parser.midway && !this.#parser.broken
    this.#parser.finish(true)
    const [first, ...rest] = this.#flight.splice(0)
    if (first !== undefined) {
      // Closing an idle connection races with our next request: it may go again once, on a new connection, but no
      // write may that the server could have done already (RFC 9110 9.2.2).
      if (untouched && this.#answersOnThis > 0 && !first.retried && isSafe(first.step)) {
        this.#again = [first, ...rest]
        for (const exchange of this.#again) exchange.retried = true
        this.#events.retried(this, this.#again.length, this.#parser.last)
      } else {
        const how = code === '' ? 'FIN' : code
        this.#events.lost(
          this,
          first,
          `${how}${untouched ? ', no byte of an answer' : ', in the middle of an answer'}`
        )
        for (const exchange of rest) this.#events.lost(this, exchange, `${how}, behind another`)
        if (!isSafe(first.step)) this.#restart()
      }
    }
    this.#renew()
  }

  #malformed(error: ParseError): void {
    const exchange = this.#flight.shift()
    this.#events.malformed(this, exchange, this.#last, error)
    this.#events.abandoned(this.#flight.splice(0).length)
    if (exchange !== undefined && !isSafe(exchange.step)) this.#restart()
    this.#renew()
  }

  /** A new session: what the server did with a write is not known, so that nothing can be asked of the old one. */
  #restart(): void {
    this.#loggedIn = false
    this.#begin()
  }

  #begin(): void {
    this.session.restart()
    this.#pending = []
    this.#setup = [...this.#route.model.setup]
    this.#current = this.#route.step(this.#route.model.start)
  }

  #resume(): void {
    if (this.#again.length > 0) this.#write(this.#again.splice(0), performance.now())
    else if (this.#pending.length > 0) this.#outbox.post(this)
    else if (this.#flight.length === 0) this.#advance()
  }

  /** Sends what waits; the outbox calls it. */
  send(now: number): void {
    if (this.#pending.length === 0 || !this.#open || this.#flight.length > 0) return
    if (this.#parser.midway) return this.#malformed(this.#parser.stray())
    const exchanges = this.#pending
    this.#pending = []
    this.#events.sent(exchanges.length)
    this.#write(exchanges, now)
  }

  #write(exchanges: readonly Exchange[], now: number): void {
    let text = ''
    for (const exchange of exchanges) {
      exchange.at = now
      this.#flight.push(exchange)
      this.#parser.expect(exchange.step.method)
      this.#recorder.sent(exchange.sent)
      text += exchange.sent
    }
    noteSent(this.#place.port, text, now)
    this.#socket!.write(text, 'latin1')
  }

  #make(step: Step, pipelined: boolean): Exchange {
    const token = this.session.fresh()
    return {
      step,
      token,
      seq: this.session.values['seq']!,
      sent: this.session.request(step, this.#place.authority, token),
      at: 0,
      pipelined,
      retried: false,
      overdue: 0
    }
  }

  /** Makes the next step, or several that do not depend on each other's answers. */
  #advance(): void {
    if (this.#stopping) return this.#settle()
    const first = this.#next()
    this.#pending.push(this.#make(first, false))
    if (this.#pipelines && first.pipelines && this.#setup.length === 0 && this.#route.toured) {
      const depth = this.#random.int(2, DEEPEST_PIPELINE)
      while (this.#pending.length < depth) {
        const candidate = this.#peekPipelined()
        if (candidate === undefined) break
        this.#pending.push(this.#make(candidate, true))
      }
    }
    this.#outbox.post(this)
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
    this.#last = step
    // The connection outlived its first answer.
    if (this.#answersOnThis === 2) this.#events.left(response, exchange.sent, 'open', this.#readAt)
    const answer = new Answer(response, exchange.token)
    if (response.setsCookies) this.session.takeCookies(response)
    this.session.recall(exchange)
    this.#events.answered(this, exchange, answer, this.#readAt)
    this.#remember(step, exchange, answer)
    this.#move(step, response.status, exchange.pipelined)
    if (!response.keepAlive) {
      // The server said that it closes: what stands behind was not asked for, it goes again.
      this.#again = this.#flight.splice(0)
      for (const behind of this.#again) behind.retried = true
      this.#events.retried(this, this.#again.length)
      this.#renew(response.framing === 'close' ? undefined : { response, sent: exchange.sent })
    } else if (this.#flight.length === 0) this.#advance()
  }

  #remember(step: Step, { token }: Exchange, answer: Answer): void {
    if (answer.response.status !== step.expect[0]) return
    for (const [variable, source] of step.save) {
      this.session.values[variable] = source.kind === 'token' ? token : this.session.read(source, answer)
    }
    for (const variable of step.forget) delete this.session.values[variable]
  }

  #move(step: Step, status: number, pipelined: boolean): void {
    if (step.name === this.#lastOfSetup && status < 300) {
      this.#events.loggedIn(this.#loggedIn)
      this.#loggedIn = true
    }
    const unexpected401 = status === 401 && !step.expect.includes(401)
    if (step.endsSession || unexpected401) {
      if (step.endsSession) {
        this.#events.loggedOut()
        this.#loggedIn = false
      }
      this.#begin()
      return
    }
    // Steps of the setup lead to the start; pipelined ones have drawn their way already.
    if (this.#setup.length > 0 || pipelined || step !== this.#current) return
    this.#current = this.#route.step(
      this.#route.toured ? this.#route.draw(step, this.#random) : this.#route.towardsNew(step, this.#random)
    )
  }
}

function isSafe(step: Step): boolean {
  return step.method === 'GET' || step.method === 'HEAD'
}
