/** What the walkers' answers mean: counters, coverage, findings. */
import type { FindingDraft, SliceContext } from '../../contracts.ts'
import type { HttpResponse, ParseError } from '../../../wire/http1.ts'
import { brokenClaims } from './claims.ts'
import { Histogram } from './histogram.ts'
import type { Step } from './model.ts'
import type { Route } from './path.ts'
import type { Answer } from './session.ts'
import type { Exchange, WalkerEvents } from './events.ts'
import type { Walker } from './walker.ts'

/** Connections closed under a request, without notice, before it is called a habit. */
const CLOSES_TO_TELL = 3
const TIMEOUTS_TO_TELL = 2
/** An answer that takes longer is told where most are this many times quicker. */
const SLOW_MS = 2000
const SLOW_FACTOR = 50
const SLOW_TO_TELL = 2
/** Our own stall, ms, that makes a time-out ours. */
const OWN_STALL = 1000
/** How long it may take until the end of a process is known, after its sockets have closed. */
export const HELD_MS = 1000
const STALL_WINDOW = 5000

/** Connects that fail for want of our own ports, descriptors or memory. */
const OURS = new Set(['EADDRNOTAVAIL', 'EADDRINUSE', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])

export class Judge implements WalkerEvents {
  readonly latency = new Histogram()
  /** Steps with an answer in which all was checked. */
  readonly proven = new Set<string>()
  /** Steps whose answers break the framing. */
  readonly condemned = new Set<string>()
  readonly #unproven = new Map<string, string>()
  readonly #context: SliceContext
  readonly #route: Route
  readonly #attempts = new Map<string, number>()
  readonly #failures = new Map<string, number>()
  #closes = 0
  /** Broken connections, told when it is known that the process lives. */
  #held: { at: number; tell: () => void }[] = []
  #slow = 0
  #timeouts = 0

  constructor(context: SliceContext, route: Route) {
    this.#context = context
    this.#route = route
    for (const name of route.model.steps.keys()) context.ledger.plan(name, 'states')
  }

  sent(count: number): void {
    this.#context.tally.add('requests_sent', count)
  }
  retried(walker: Walker, count: number, dropped?: HttpResponse): void {
    const { tally, vitals, target, watch } = this.#context
    tally.add('requests_sent_again', count)
    if (dropped === undefined || target.exit() !== undefined) return
    // As below: walkers are never idle for long by themselves.
    if (vitals.stallSince(performance.now() - STALL_WINDOW) > OWN_STALL) return
    const { sent } = walker.recent()
    this.#hold(() => watch.left(dropped, sent, 'closed unannounced'))
  }
  left(response: HttpResponse, sent: string, how: 'closed' | 'open', begun: number): void {
    const { vitals, target, watch } = this.#context
    if (target.exit() !== undefined || vitals.stallSince(begun) > OWN_STALL) return
    watch.left(response, sent, how)
  }
  loggedIn(again: boolean): void {
    this.#context.tally.add(again ? 'walker_relogins' : 'walker_logins')
  }
  loggedOut(): void {
    this.#context.tally.add('walker_logouts')
  }

  answered(walker: Walker, exchange: Exchange, answer: Answer, at: number): void {
    const { tally } = this.#context
    const { step } = exchange
    const { status, body } = answer.response
    this.latency.add((at - exchange.at) * 1000)
    if (at - exchange.at > SLOW_MS) this.#late(walker, exchange, at - exchange.at)
    this.#attempts.set(step.name, (this.#attempts.get(step.name) ?? 0) + 1)
    this.#route.visited.add(step.name)
    const expected = step.expect.includes(status)
    // Where there is something to check, only an answer in which it can be checked is a proof.
    if (!this.proven.has(step.name)) {
      if (status === step.expect[0] || (expected && !step.looks && status < 400)) {
        this.proven.add(step.name)
        this.#context.ledger.exercised(step.name)
      } else this.#unproven.set(step.name, `never answered ${step.expect[0]}, last ${status}`)
    }
    if (status >= 500) {
      if (expected && step.designed === 'panic') tally.add('requests_panic_expected')
      else if (expected) tally.add('requests_5xx_expected')
      else tally.add('requests_5xx')
    } else tally.add(status >= 400 ? 'requests_4xx' : status >= 300 ? 'requests_3xx' : 'requests_2xx')
    if (status === 401 || status === 404 || status === 429) tally.add(`requests_${status}`)
    this.#context.watch.answer(answer.response, exchange.sent, 'whole', kindOf(step.name))
    const breach = walker.session.validators.look(exchange.sent, answer.response)
    if (breach !== undefined) {
      const severity = status === 304 ? 'HIGH' : 'MED'
      const title = `step ${step.name}: ${breach.title}`
      this.#tell(walker, exchange, 'I-ETAG', severity, title, breach.evidence, breach.standard)
    }
    if (!expected) this.#unexpected(walker, exchange, answer)
    else if (status === step.expect[0]) {
      for (const { predicate, severity, title, evidence } of brokenClaims(step, walker.session, answer))
        this.#tell(walker, exchange, predicate, severity, title, evidence)
    }
    if (!step.shared && body.length > 0) {
      const stranger = walker.session.strangerIn(answer)
      if (stranger !== undefined) {
        this.#tell(
          walker,
          exchange,
          'I-CROSS-TALK',
          'HIGH',
          `the answer to ${step.name} (${step.method}) holds the token of another client`,
          { stranger }
        )
      }
    }
  }

  #unexpected(walker: Walker, exchange: Exchange, answer: Answer): void {
    const { step } = exchange
    const { status, body } = answer.response
    if (status >= 500) {
      const marked = body.subarray(0, 512).includes('"x-invariant"')
      if (marked) this.#context.tally.add('invariant_hits')
      this.#tell(
        walker,
        exchange,
        marked ? 'I-INVARIANT' : 'I-5XX',
        'HIGH',
        `${step.method} of step ${step.name} was answered ${status}; allowed: ${step.expect.join(', ')}`,
        { status }
      )
      return
    }
    // The walker logs in again; the property over all logins judges.
    const { setup } = this.#route.model
    if (status === 401 && setup.length > 0 && !setup.includes(step.name)) return
    if (step.lostWrite && status === 404) {
      this.#tell(
        walker,
        exchange,
        'I-LOST-WRITE',
        'HIGH',
        `step ${step.name} was answered 404 for what this client had written before`,
        { status }
      )
      return
    }
    this.#tell(
      walker,
      exchange,
      'I-STATUS',
      'MED',
      `step ${step.name} (${step.method}) was answered ${status}; allowed: ${step.expect.join(', ')}`,
      { status }
    )
  }

  malformed(
    walker: Walker,
    exchange: Exchange | undefined,
    before: Step | undefined,
    error: ParseError
  ): void {
    if (exchange !== undefined) this.#context.tally.add('requests_error')
    const name = exchange?.step.name ?? `behind the answer to ${before?.name ?? 'none'}`
    const { watch } = this.#context
    const { sent, received } = walker.recent()
    const told = (): boolean => {
      const known = watch.broken(error, sent, received, true)
      if (known && exchange !== undefined) this.condemned.add(exchange.step.name)
      return known
    }
    if (error.rule === 'truncated' && error.in === 'body') return this.#hold(() => void told())
    if (error.rule !== 'truncated' && told()) return
    const draft: FindingDraft = {
      predicate: 'I-RFC-1',
      severity: 'HIGH',
      case: error.rule,
      title: `an answer breaks the framing rules: ${error.message} (step ${name})`,
      standard: error.standard,
      sent,
      received,
      evidence: { rule: error.rule, step: name },
      repeats: { k: 1, n: 1 }
    }
    if (error.rule === 'truncated') this.#hold(() => this.#context.report(draft))
    else this.#context.report(draft)
  }

  abandoned(count: number): void {
    this.#context.tally.add('requests_error', count)
  }

  lost(walker: Walker, exchange: Exchange, how: string): void {
    this.#context.tally.add('requests_error')
    // A server that ended is told by the property loop; here it would be told once for each walker.
    if (this.#context.target.exit() !== undefined) return
    // A stall of ours may have let a keep-alive time run out.
    if (this.#context.vitals.stallSince(performance.now() - STALL_WINDOW) > OWN_STALL) return
    this.#closes += 1
    if (this.#closes < CLOSES_TO_TELL) return
    const draft: FindingDraft = {
      predicate: 'I-CONN-LOST',
      severity: 'HIGH',
      case: 'exchange-cut',
      title: `connections end with requests unanswered and without notice (${how}), ${this.#closes} times so far`,
      standard: 'RFC 9112 9.6',
      ...walker.recent(),
      evidence: { step: exchange.step.name, how },
      repeats: { k: this.#closes, n: this.#closes },
      symptom: 'exchange-cut'
    }
    this.#hold(() => this.#context.report(draft))
  }

  refused(_walker: Walker, code: string): void {
    if (this.#context.target.exit() !== undefined) return
    if (OURS.has(code)) {
      if (this.#context.tally.get('connects_failed_here') === 0)
        this.#context.note(`this machine gives no more connections (${code}); walkers wait for them`)
      this.#context.tally.add('connects_failed_here')
      return
    }
    this.#context.tally.add('connects_refused')
    const refused = this.#context.tally.get('connects_refused')
    if (refused < 10 * this.#context.concurrency) return
    this.#context.report({
      predicate: 'I-REFUSED',
      severity: 'HIGH',
      case: 'connect',
      title: `the server refuses new connections while its process lives (${code}, ${refused} times)`,
      evidence: { code },
      repeats: { k: refused, n: refused }
    })
  }

  /** Slow is no breach of a rule; it is told so that a person can ask why. */
  #late(walker: Walker, exchange: Exchange, ms: number): void {
    if (this.#context.vitals.stallSince(exchange.at) > OWN_STALL) return
    if (ms * 1000 < SLOW_FACTOR * this.latency.quantile(0.5)) return
    this.#slow += 1
    if (this.#slow < SLOW_TO_TELL) return
    const usual = (this.latency.quantile(0.5) / 1000).toFixed(1)
    this.#context.report({
      predicate: 'I-SLOW',
      severity: 'LOW',
      case: exchange.step.name,
      title: `step ${exchange.step.name} was answered after ${(ms / 1000).toFixed(1)} s; half of all answers take ${usual} ms or less`,
      sent: Buffer.from(exchange.sent, 'latin1'),
      received: walker.recent().received,
      evidence: { ms: Math.round(ms) },
      repeats: { k: this.#slow, n: this.latency.total }
    })
  }

  #hold(tell: () => void): void {
    this.#held.push({ at: performance.now(), tell })
  }

  /** Tells what was held; a server that ended is told by the property loop. */
  release(now = Infinity): void {
    const due = this.#held.filter(({ at }) => now - at >= HELD_MS)
    if (due.length === 0) return
    this.#held = this.#held.filter(({ at }) => now - at < HELD_MS)
    if (this.#context.target.exit() === undefined) for (const { tell } of due) tell()
  }

  get holds(): boolean {
    return this.#held.length > 0
  }

  /** Why a step that was answered is not proven. */
  unproven(name: string): string | undefined {
    return this.#unproven.get(name)
  }

  /** Requests are without an answer for much longer than others. */
  waiting(walkers: readonly Walker[]): boolean {
    const now = performance.now()
    return walkers.some(({ flight }) => flight[0] !== undefined && now - flight[0].at > SLOW_MS)
  }

  /** Looks for requests without an answer for too long. */
  overdue(walkers: readonly Walker[], limitMs: number): void {
    const now = performance.now()
    this.release(now)
    for (const walker of walkers) {
      const oldest = walker.flight[0]
      if (oldest === undefined || now - oldest.at < limitMs * (oldest.overdue + 1)) continue
      if (this.#context.vitals.stallSince(oldest.at) > OWN_STALL) continue
      oldest.overdue += 1
      this.#timeouts += 1
      if (this.#timeouts < TIMEOUTS_TO_TELL) continue
      this.#context.report({
        predicate: 'I-TIMEOUT',
        severity: 'HIGH',
        case: oldest.step.name,
        title: `step ${oldest.step.name} got no answer within ${(limitMs / 1000).toFixed(1)} s (${this.#timeouts} times)`,
        ...walker.recent(),
        evidence: { limit_ms: limitMs, path: oldest.step.path.texts.join('*') },
        repeats: { k: this.#timeouts, n: this.#timeouts }
      })
    }
  }

  #tell(
    walker: Walker,
    exchange: Exchange,
    predicate: string,
    severity: 'HIGH' | 'MED',
    title: string,
    evidence: Record<string, string | number>,
    standard?: string
  ): void {
    const key = `${predicate} ${exchange.step.name}`
    const failures = (this.#failures.get(key) ?? 0) + 1
    this.#failures.set(key, failures)
    const { received } = walker.recent()
    this.#context.report({
      predicate,
      severity,
      case: exchange.step.name,
      title,
      ...(standard === undefined ? {} : { standard }),
      sent: Buffer.from(exchange.sent, 'latin1'),
      received,
      evidence: { ...evidence, pipelined: exchange.pipelined, walker: walker.session.index },
      repeats: { k: failures, n: this.#attempts.get(exchange.step.name) ?? 1 },
      symptom: `${exchange.step.name} ${String(evidence['status'] ?? evidence['source'] ?? '')}`
    })
  }
}

/** A number for the kind of answer that a step gets. */
function kindOf(name: string): number {
  return name.length * 1009 + name.charCodeAt(0) * 31 + name.charCodeAt(name.length - 1)
}
