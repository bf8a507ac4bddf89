/** The property loop: one sample a second beside the traffic, predicates over the samples at the end. */
import type { CoverageEntry } from '../../documents/result.ts'
import type { ExitInfo, Target } from '../../target/types.ts'
import type { FindingDraft, Vitals } from '../contracts.ts'
import { ObserverDatabase } from './database.ts'
import { HANG_AFTER, OWN_STALL, PREDICATES, type Judgement } from './predicates.ts'
import { closeWait, get, readPublished } from './probe.ts'
import { judgeQuiet, level, type Level, type QuietOptions } from './quiet.ts'
import { lookUp, PUBLISHED, type Published, type Sample } from './sample.ts'

export interface PropertyOptions {
  target: Target
  /** `refapp/engine/arch` */
  cell: string
  /** Path of observer.sqlite. */
  database: string
  healthPath: string
  /** On the side listener when the target has one, on the server itself otherwise. */
  debugVarsPath: string
  /** Slices that run in this cell. */
  slices: ReadonlySet<string>
  vitals: Vitals
  walkers: (counter: string) => number
  reported: () => ReadonlySet<string>
  report(finding: FindingDraft): void
  signal: AbortSignal
}

export interface PropertyReport {
  evaluations: number
  poll_errors: number
  samples: number
  passed: string[]
  failed: string[]
  coverage: CoverageEntry
  details: { id: string; reason: string }[]
  by_design: string[]
  not_instrumented: string[]
  not_judged: string[]
  failure_summaries: Record<string, string>
  /** Published counters at the end, for the document. */
  published: Record<string, number>
}

const EVERY_MS = 1000
const HEALTH_TIMEOUT = 5000
const VARS_TIMEOUT = 500
const QUIET_ID = 'I-FD-1'
const QUIET_TITLE = 'after the load, descriptors and goroutines come back'

/** The finding of a process that ended though nobody stopped it. */
export function processEnded(exit: ExitInfo, target: Target): FindingDraft {
  const how = exit.signal === null ? `exit code ${exit.code ?? 'unknown'}` : `signal ${exit.signal}`
  return {
    predicate: 'I-LIVENESS',
    severity: 'HIGH',
    case: 'process',
    title: `the server process ended during the run (${how})`,
    evidence: { how, last_output: target.output().slice(-20).join('\n') },
    repeats: { k: 1, n: 1 },
    symptom: how
  }
}

/** Starts the loop; the baseline is taken at once, so the target must be idle. */
export async function startProperties(options: PropertyOptions): Promise<PropertyLoop> {
  const database = await ObserverDatabase.open(options.database)
  const loop = new PropertyLoop(options, database)
  await loop.begin()
  return loop
}

export class PropertyLoop {
  readonly #options: PropertyOptions
  readonly #database: ObserverDatabase
  readonly #samples: Sample[] = []
  readonly #begun = performance.now()
  readonly #vars: { host: string; port: number }
  #phase: Sample['phase'] = 'idle'
  #first?: Published
  #last?: Published
  #missing = 'no /debug/vars'
  #base: Level = {}
  #pollErrors = 0
  #evaluations = 0
  #hangs = 0
  #told = new Set<string>()
  #timer?: NodeJS.Timeout
  #running?: Promise<void>
  #lastTick = performance.now()

  constructor(options: PropertyOptions, database: ObserverDatabase) {
    this.#options = options
    this.#database = database
    this.#vars = options.target.debug ?? { host: options.target.host, port: options.target.port }
  }

  async begin(): Promise<void> {
    await this.#sample()
    this.#base = await level(this.#quietOptions())
    this.#timer = setInterval(() => {
      this.#running ??= this.#sample().finally(() => (this.#running = undefined!))
    }, EVERY_MS)
  }

  phase(phase: Sample['phase']): void {
    this.#phase = phase
  }

  async #published(): Promise<Published | { missing: string }> {
    const { host, port } = this.#vars
    return readPublished(host, port, this.#options.debugVarsPath, VARS_TIMEOUT)
  }

  #quietOptions(): QuietOptions {
    return {
      target: this.#options.target,
      healthPath: this.#options.healthPath,
      published: () => this.#published(),
      goroutines: (published) => lookUp(published, PUBLISHED['goroutine_count']!),
      patienceMs: 8000,
      signal: this.#options.signal
    }
  }

  async #sample(): Promise<void> {
    const { target, vitals, healthPath } = this.#options
    const since = this.#lastTick
    this.#lastTick = performance.now()
    const [health, census, published, waiting] = await Promise.all([
      get(target.host, target.port, healthPath, HEALTH_TIMEOUT),
      target.census(),
      this.#published(),
      closeWait(target.port)
    ])
    const sample: Sample = {
      t: (performance.now() - this.#begun) / 1000,
      ts: Date.now() / 1000,
      phase: this.#phase,
      harness_stall_ms: Math.round(vitals.stallSince(since)),
      health_ms: health.ms,
      ...(health.status === undefined ? {} : { health_status: health.status }),
      ...(health.error === undefined ? {} : { health_error: health.error }),
      ...(census?.rss === undefined ? {} : { rss_bytes: census.rss }),
      ...(census?.descriptors === undefined ? {} : { fd_count: census.descriptors }),
      ...(census?.sockets === undefined ? {} : { socket_count: census.sockets }),
      ...(census?.threads === undefined ? {} : { thread_count: census.threads }),
      ...(census?.cpuSeconds === undefined ? {} : { cpu_seconds: census.cpuSeconds }),
      ...(waiting === undefined ? {} : { close_wait: waiting })
    }
    if ('missing' in published) {
      this.#pollErrors += this.#last === undefined ? 0 : 1
      if (this.#last === undefined) this.#missing = published.missing
    } else {
      this.#first ??= published
      this.#last = published
      for (const [key, names] of Object.entries(PUBLISHED)) {
        const value = lookUp(published, names)
        if (value !== undefined) Object.assign(sample, { [key]: value })
      }
    }
    this.#samples.push(sample)
    this.#evaluations += 1
    this.#database.add(this.#options.cell, target.pid, sample)
    this.#watch(sample)
  }

  /** Told once: the process has ended though nobody stopped it. */
  #watchProcess(): void {
    const exit = this.#options.target.exit()
    if (exit === undefined || this.#told.has('I-LIVENESS')) return
    this.#told.add('I-LIVENESS')
    this.#options.report(processEnded(exit, this.#options.target))
  }

  /** What cannot wait for the end: a dead process, a server that answers nobody. */
  #watch(sample: Sample): void {
    this.#watchProcess()
    const hung = sample.health_error === 'timeout' && sample.harness_stall_ms < OWN_STALL
    this.#hangs = hung ? this.#hangs + 1 : 0
    if (this.#hangs >= HANG_AFTER && !this.#told.has('I-HANG')) {
      this.#told.add('I-HANG')
      this.#options.report({
        predicate: 'I-HANG',
        severity: 'HIGH',
        case: 'health',
        title: `${HANG_AFTER} health requests on fresh connections in a row got no answer within ${HEALTH_TIMEOUT / 1000} s`,
        evidence: { path: this.#options.healthPath, timeout_ms: HEALTH_TIMEOUT },
        repeats: { k: this.#hangs, n: this.#hangs }
      })
    }
  }

  /** Traffic has ended: waits for the server to come to rest, judges everything, closes the database. */
  async finish(judgeRest: boolean): Promise<PropertyReport> {
    clearInterval(this.#timer)
    await this.#running
    this.#phase = 'quiet'
    this.#watchProcess()
    const alive = this.#options.target.exit() === undefined
    if (alive && !this.#options.signal.aborted) await this.#sample()
    const judgements = new Map<string, { title: string; severity: 'HIGH' | 'MED'; judgement: Judgement }>()
    const observed = {
      samples: this.#samples,
      ...(this.#first === undefined ? {} : { first: this.#first }),
      ...(this.#last === undefined ? {} : { last: this.#last }),
      missing: this.#missing,
      walkers: this.#options.walkers,
      reported: this.#options.reported(),
      slices: this.#options.slices
    }
    for (const { id, title, severity, judge } of PREDICATES) {
      judgements.set(id, { title, severity, judgement: judge(observed) })
    }
    judgements.set(QUIET_ID, {
      title: QUIET_TITLE,
      severity: 'HIGH',
      judgement: await this.#rest(alive, judgeRest)
    })
    this.#database.close()
    return this.#conclude(judgements)
  }

  async #rest(alive: boolean, judgeRest: boolean): Promise<Judgement> {
    if (!alive) return { state: 'inconclusive', detail: 'the process has ended' }
    if (!judgeRest) return { state: 'inconclusive', detail: 'stopped before the quiet window' }
    return judgeQuiet(this.#base, this.#quietOptions())
  }

  #conclude(
    judgements: ReadonlyMap<string, { title: string; severity: 'HIGH' | 'MED'; judgement: Judgement }>
  ): PropertyReport {
    const coverage: CoverageEntry = { planned: 0, exercised: 0, inapplicable: [], inconclusive: [] }
    const report: PropertyReport = {
      evaluations: this.#evaluations,
      poll_errors: this.#pollErrors,
      samples: this.#samples.length,
      passed: [],
      failed: [],
      coverage,
      details: [],
      by_design: [],
      not_instrumented: [],
      not_judged: [],
      failure_summaries: {},
      published: Object.fromEntries([...(this.#last?.numbers ?? [])].slice(0, 300))
    }
    const already = this.#options.reported()
    for (const [id, { title, severity, judgement }] of judgements) {
      const { state, detail } = judgement
      coverage.planned += 1
      report.details.push({ id, reason: `${state}: ${detail}` })
      if (state === 'pass' || state === 'fail') coverage.exercised += 1
      if (state === 'pass') report.passed.push(id)
      if (state === 'inconclusive') {
        coverage.inconclusive.push({ case: id, reason: detail })
        report.not_judged.push(id)
      }
      if (state === 'by-design') {
        coverage.inapplicable.push({ case: id, reason: detail })
        report.by_design.push(id)
      }
      if (state === 'not-instrumented') {
        coverage.inapplicable.push({ case: id, reason: `not instrumented: ${detail}` })
        report.not_instrumented.push(id)
      }
      if (state === 'fail') {
        report.failed.push(id)
        report.failure_summaries[id] = `${title}: ${detail}`
        if (!already.has(id) && !this.#told.has(id)) {
          this.#options.report({
            predicate: id,
            severity,
            case: 'property',
            title: `not so: ${title} (${detail})`,
            evidence: { detail },
            repeats: { k: 1, n: 1 },
            symptom: id
          })
        }
      }
    }
    return report
  }
}
