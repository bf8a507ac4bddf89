/** What the walkers' answers mean: counters, coverage, findings. */
import type { SliceContext } from '../../contracts.ts'
import type { ParseError } from '../../../wire/http1.ts'
import { Histogram } from './histogram.ts'
import type { Step } from './model.ts'
import type { Route } from './path.ts'
import type { Answer } from './session.ts'
import type { Exchange, Walker, WalkerEvents } from './walker.ts'

/** Connections closed under a request, without notice, before it is called a habit. */
const CLOSES_TO_TELL = 3
const TIMEOUTS_TO_TELL = 2
/** Our own stall, ms, that makes a time-out ours. */
const OWN_STALL = 1000

const BREAKS_RFC2 = new Set(['control-in-field', 'bare-lf', 'obs-fold'])

export class Judge implements WalkerEvents {
  readonly latency = new Histogram()
  readonly #context: SliceContext
  readonly #route: Route
  readonly #attempts = new Map<string, number>()
  readonly #failures = new Map<string, number>()
  #closes = 0
  #timeouts = 0

  constructor(context: SliceContext, route: Route) {
    this.#context = context
    this.#route = route
    for (const name of route.model.steps.keys()) context.ledger.plan(name, 'states')
  }

  sent(count: number): void {
    this.#context.tally.add('requests_sent', count)
  }
  retried(count: number): void {
    this.#context.tally.add('requests_sent_again', count)
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
    this.#attempts.set(step.name, (this.#attempts.get(step.name) ?? 0) + 1)
    if (!this.#route.visited.has(step.name)) {
      this.#route.visited.add(step.name)
      this.#context.ledger.exercised(step.name)
    }
    const expected = step.expect.includes(status)
    if (status >= 500) {
      if (expected && step.designed === 'panic') tally.add('requests_panic_expected')
      else if (expected) tally.add('requests_5xx_expected')
      else tally.add('requests_5xx')
    } else tally.add(status >= 400 ? 'requests_4xx' : status >= 300 ? 'requests_3xx' : 'requests_2xx')
    if (status === 401 || status === 404 || status === 429) tally.add(`requests_${status}`)
    if (!expected) this.#unexpected(walker, exchange, answer)
    else if (status === step.expect[0]) this.#content(walker, exchange, answer)
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
    if (status === 401) return
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

  #content(walker: Walker, exchange: Exchange, answer: Answer): void {
    const { step } = exchange
    if (step.coded && answer.content() === undefined) {
      const coding = answer.response.header('content-encoding') ?? ''
      const title = `step ${step.name}: the body is not of its Content-Encoding (${coding}; RFC 9110 8.4.1)`
      this.#tell(walker, exchange, 'I-ANSWER', 'MED', title, { source: 'header.content-encoding' })
      return
    }
    for (const [source, name] of step.has) {
      if ((walker.session.read(source, answer) ?? '') !== '') continue
      const title = `step ${step.name}: the answer has no ${name}`
      this.#tell(walker, exchange, 'I-ANSWER', 'MED', title, { source: name })
    }
    for (const [source, template, name] of step.check) {
      const wanted = template.fill(walker.session.values)
      const found = walker.session.read(source, answer)
      if (found === wanted) continue
      const predicate = step.lostWrite ? 'I-LOST-WRITE' : 'I-READ-WRITE'
      const title = `step ${step.name}: ${name} is not what this client wrote`
      this.#tell(walker, exchange, predicate, 'HIGH', title, {
        source: name,
        wanted: wanted.slice(0, 200),
        found: (found ?? 'nothing').slice(0, 200)
      })
      return
    }
  }

  malformed(
    walker: Walker,
    exchange: Exchange | undefined,
    before: Step | undefined,
    error: ParseError
  ): void {
    if (exchange !== undefined) this.#context.tally.add('requests_error')
    const predicate = BREAKS_RFC2.has(error.rule) ? 'I-RFC-2' : 'I-RFC-1'
    const name = exchange?.step.name ?? `behind the answer to ${before?.name ?? 'none'}`
    this.#context.report({
      predicate,
      severity: 'HIGH',
      case: error.rule,
      title: `an answer breaks the framing rules: ${error.message} (step ${name})`,
      standard: error.standard,
      ...walker.recent(),
      evidence: { rule: error.rule, step: name },
      repeats: { k: 1, n: 1 }
    })
  }

  abandoned(count: number): void {
    this.#context.tally.add('requests_error', count)
  }

  lost(walker: Walker, exchange: Exchange, how: string): void {
    this.#context.tally.add('requests_error')
    // A server that ended is told by the property loop; here it would be told once for each walker.
    if (this.#context.target.exit() !== undefined) return
    this.#closes += 1
    if (this.#closes < CLOSES_TO_TELL) return
    this.#context.report({
      predicate: 'I-CONN-LOST',
      severity: 'HIGH',
      case: 'exchange-cut',
      title: `connections end with requests unanswered and without notice (${how}), ${this.#closes} times so far`,
      standard: 'RFC 9112 9.6',
      ...walker.recent(),
      evidence: { step: exchange.step.name, how },
      repeats: { k: this.#closes, n: this.#closes },
      symptom: 'exchange-cut'
    })
  }

  refused(_walker: Walker, code: string): void {
    this.#context.tally.add('connects_refused')
    if (this.#context.target.exit() !== undefined) return
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

  /** Looks for requests without an answer for too long. */
  overdue(walkers: readonly Walker[], limitMs: number): void {
    const now = performance.now()
    for (const walker of walkers) {
      const oldest = walker.flight[0]
      if (oldest === undefined || now - oldest.at < limitMs) continue
      if (this.#context.vitals.stallSince(oldest.at) > OWN_STALL) continue
      oldest.at = now
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
    evidence: Record<string, string | number>
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
      sent: Buffer.from(exchange.sent, 'latin1'),
      received,
      evidence: { ...evidence, pipelined: exchange.pipelined, walker: walker.session.index },
      repeats: { k: failures, n: this.#attempts.get(exchange.step.name) ?? 1 },
      symptom: `${exchange.step.name} ${String(evidence['status'] ?? evidence['source'] ?? '')}`
    })
  }
}
