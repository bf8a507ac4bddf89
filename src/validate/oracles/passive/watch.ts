/**
 * O19: every answer of a cell is shown to the rules that send nothing. Answers of a shape that was seen are looked at
 * now and then only, for a walker has no time for more.
 */
import { passiveRule, PASSIVE_RULES, predicateOf } from '../../catalogue/passive/index.ts'
import type { FindingDraft, Ledger, Watch } from '../../contracts.ts'
import type { HttpResponse, ParseError } from '../../../wire/http1.ts'
import { judgeAnswer } from './answers.ts'
import { breachOf } from './breaks.ts'
import { Pairs, type PairJudgement } from './pairs.ts'
import { bytesOf, readRequest, sentOf, type Extent, type PassiveBreach, type Seen } from './seen.ts'

/** Answers of a shape that are all looked at, and the share of those that follow (one in so many, a power of two). */
const FIRST = 16
const ONE_IN = 256
/** Places of the table of shapes, a power of two; two shapes at one place share their looks. */
const SHAPES = 1 << 16
/**
 * Answers that must break a rule before it is told. The bytes prove it each time; a single one may be an accident
 * behind the server, but not where it takes the answers apart.
 */
const TOLD_AFTER = { HIGH: 1, MED: 2, LOW: 2 } as const
/** What is the absence of something, which a busy machine can feign, must come more often. */
const TOLD_AFTER_LATE: Record<string, number> = { 'answer-close stays': 3, 'answer-keep-alive closed': 5 }
const EXTENTS: readonly Extent[] = ['whole', 'head', 'malformed', 'h2']

interface Line {
  looked: number
  /** Times broken, by way. */
  broken: Map<string, number>
  told: boolean
}

export interface WatcherOptions {
  report(draft: FindingDraft): void
  wants(rule: string): boolean
}

export class Watcher implements Watch {
  readonly #options: WatcherOptions
  readonly #lines = new Map<string, Line>()
  readonly #shapes = new Uint32Array(SHAPES)
  readonly #pairs = new Pairs()
  /** Answers to which Date belongs: those with it, and a few without. */
  #dated = 0
  readonly #undated: { what: string; bytes: [sent: Buffer, received: Buffer] }[] = []
  #undatedCount = 0
  /** All answers that were shown. */
  answers = 0

  constructor(options: WatcherOptions) {
    this.#options = options
    for (const { id } of PASSIVE_RULES)
      if (options.wants(id)) this.#lines.set(id, { looked: 0, broken: new Map(), told: false })
  }

  answer(response: HttpResponse, sent: string | Buffer, extent: Extent = 'whole', kind = 0): void {
    this.answers += 1
    if (this.#known(response, kind + EXTENTS.indexOf(extent))) return
    this.#look({ sent, request: readRequest(sent, response), response, extent })
  }

  /** Counts a shape: status, method and the names of the fields. True where it need not be looked at again. */
  #known({ shape, status, method, trailers, interim }: HttpResponse, kind: number): boolean {
    const more = trailers.length + 8 * interim.length + 64 * kind + 7 * method.length
    let hash = Math.imul(shape ^ Math.imul(status + 1000 * more, 0x9e3779b1), 0x85ebca6b)
    hash ^= hash >>> 15
    const at = hash & (SHAPES - 1)
    const seen = this.#shapes[at]!
    this.#shapes[at] = seen + 1
    return seen >= FIRST && (seen & (ONE_IN - 1)) !== 0
  }

  #look(seen: Seen): void {
    const { applied, breaches } = judgeAnswer(seen)
    for (const rule of applied) this.#looked(rule)
    for (const breach of breaches) this.#broke(breach, () => [sentOf(seen), bytesOf(seen)])
    if (applied.includes('answer-date')) this.#date(seen)
    for (const judgement of this.#pairs.look(seen)) this.#pair(judgement)
  }

  #date(seen: Seen): void {
    const { response, request } = seen
    if (response.header('date') !== undefined) {
      this.#dated += 1
      return
    }
    this.#undatedCount += 1
    if (this.#undated.length >= TOLD_AFTER.MED) return
    const what = `${response.status} to ${request.method} ${request.target}`
    // The body may stand in a buffer that is used again.
    this.#undated.push({ what, bytes: [sentOf(seen), bytesOf(seen)] })
  }

  #pair({ rule, seen, breach }: PairJudgement): void {
    this.#looked(rule)
    if (breach !== undefined) this.#broke(breach, () => [sentOf(seen), bytesOf(seen)])
  }

  broken(error: ParseError, sent: Buffer, received: Buffer, alone: boolean): boolean {
    const breach = breachOf(error, alone)
    if (breach === undefined) return false
    this.answers += 1
    this.#looked(breach.rule)
    this.#broke(breach, () => [sent, received])
    return true
  }

  left(response: HttpResponse, sent: string | Buffer, how: 'closed' | 'open' | 'closed unannounced'): void {
    const rule = response.keepAlive ? 'answer-keep-alive' : 'answer-close'
    this.#looked(rule)
    if (response.keepAlive ? how !== 'closed unannounced' : how !== 'open') return
    const { status, method } = response
    const when = response.keepAlive ? 'closed' : 'stays'
    const seen: Seen = { sent, request: readRequest(sent, response), response, extent: 'whole' }
    const what = `after the ${status} to ${method} ${seen.request.target}`
    this.#broke({ rule, when, what }, () => [sentOf(seen), bytesOf(seen)])
  }

  #looked(rule: string): void {
    const line = this.#lines.get(rule)
    if (line !== undefined) line.looked += 1
  }

  #broke({ rule: id, when, what }: PassiveBreach, bytes: () => [sent: Buffer, received: Buffer]): void {
    const line = this.#lines.get(id)
    if (line === undefined) return
    const times = (line.broken.get(when) ?? 0) + 1
    line.broken.set(when, times)
    const rule = passiveRule(id)
    const wrong = rule.wrong.find((one) => one.when === when)
    if (wrong === undefined) throw new Error(`the rule ${id} has no way "${when}"`)
    if (times < (TOLD_AFTER_LATE[`${id} ${when}`] ?? TOLD_AFTER[wrong.severity]) || line.told) return
    line.told = true
    const [sent, received] = bytes()
    this.#options.report({
      predicate: predicateOf(rule),
      severity: wrong.severity,
      case: id,
      title: `${wrong.says}: ${what}`,
      standard: rule.standard,
      sent,
      received,
      evidence: { rule: id, when, seen: what, answers_broken: times, answers_looked_at: line.looked },
      repeats: { k: times, n: Math.max(times, line.looked) },
      symptom: when
    })
  }

  /** No more answers come: judges what needs them all, and books each rule. */
  finish(ledger: Ledger): void {
    for (const judgement of this.#pairs.finish()) this.#pair(judgement)
    const when = this.#dated > 0 ? 'sometimes' : 'never'
    for (const { what, bytes } of this.#undated) {
      const often = `${this.#undatedCount} answers without, ${this.#dated} with it; without: ${what}`
      this.#broke({ rule: 'answer-date', when, what: often }, () => bytes)
    }
    for (const { id, group } of PASSIVE_RULES) {
      const line = this.#lines.get(id)
      if (line === undefined) continue
      ledger.plan(id, group)
      if (line.looked > 0) ledger.exercised(id)
      else ledger.inapplicable(id, 'no such answer came')
    }
  }

  /** Answers shown, and looked at for each rule. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = { passive_answers: this.answers }
    for (const [id, { looked }] of this.#lines) if (looked > 0) counts[id] = looked
    return counts
  }
}
