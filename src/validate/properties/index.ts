/** The property loop: one sample a second beside the traffic, predicates over the samples at the end. */
import type { CoverageEntry } from '../../documents/result.ts'
import type { ExitInfo, Target } from '../../target/types.ts'
import type { FindingDraft, Vitals } from '../contracts.ts'
import { ObserverDatabase } from './database.ts'
import { grownMemory } from './growth.ts'
import { HANG_AFTER, HealthProbe, hung, REFUSED_AFTER, type HealthAnswer } from './health.ts'
import { inconclusive, type Judgement, type Observed } from './judgement.ts'
import { memoryRounds } from './memory.ts'
import { PREDICATES } from './predicates.ts'
import { connectionsOf, readPublished } from './probe.ts'
import { judgeQuiet, level, type Level, type QuietOptions } from './quiet.ts'
import { lookUp, PUBLISHED, type Published, type Sample } from './sample.ts'

export interface PropertyOptions {
  target: Target
  /** `refapp/engine/arch` */
  cell: string
  /** Path of observer.sqlite. */
  database: string
  healthPath: string
  /** It must answer 200; otherwise only where it does before the load. */
  healthDeclared: boolean
  /** On the side listener when the target has one, on the server itself otherwise. */
  debugVarsPath: string
  /** Slices that run in this cell. */
  slices: ReadonlySet<string>
  vitals: Vitals
  /** Counters of a slice, by document name. */
  tally: (slice: string, counter: string) => number
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

interface Judged {
  title: string
  severity: 'HIGH' | 'MED'
  judgement: Judgement
}

const EVERY_MS = 1000
const VARS_TIMEOUT = 500
/** After its end, how long the last words of a process may stay in the pipe, ms. */
const LAST_WORDS = 100
/** After the load: I-FD-1, and I-MEM-2 of the predecessor with bursts of its own in place of a long rest. */
const QUIET = [
  { id: 'I-FD-1', key: 'descriptors', title: 'after the load, descriptors and sockets come back' },
  { id: 'I-MEM-2', key: 'goroutines', title: 'after the load, goroutines or handles come back' }
] as const

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
  readonly #afterwards: NonNullable<Observed['afterwards']> = {}
  #pollErrors = 0
  #evaluations = 0
  readonly #health: HealthProbe
  #shown = 0
  #ended = false
  #told = new Set<string>()
  #timer?: NodeJS.Timeout
  #running?: Promise<void>
  #lastTick = performance.now()

  constructor(options: PropertyOptions, database: ObserverDatabase) {
    this.#options = options
    this.#database = database
    const { target, healthPath, vitals, tally } = options
    this.#health = new HealthProbe(
      { host: target.host, port: target.port, path: healthPath },
      vitals,
      () => tally('markov', 'requests_2xx'),
      this.#begun
    )
    // A process that dies is told at once, not at the next sample.
    void target.exited.then(() => setTimeout(() => this.#watchProcess(), LAST_WORDS))
    this.#vars = options.target.debug ?? { host: options.target.host, port: options.target.port }
  }

  async begin(): Promise<void> {
    await this.#health.ask(this.#phase)
    await this.#sample()
    this.#base = await level(this.#quietOptions())
    this.#timer = setInterval(() => {
      void this.#health.ask(this.#phase).then(() => this.#watchHealth())
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
      requests: this.#options.tally('markov', 'requests_sent'),
      connections: Math.max(0, ...this.#samples.map(({ established }) => established ?? 0)),
      published: () => this.#published(),
      goroutines: (published) => lookUp(published, PUBLISHED['goroutine_count']!),
      missing: (key) => (key === 'goroutines' ? this.#missing : this.#missingProcess(key)),
      signal: this.#options.signal
    }
  }

  /** Why the process table does not tell what it should. */
  #missingProcess(what = 'memory'): string {
    const { pid, origin } = this.#options.target
    if (pid === undefined) return 'no process id is known: name it with --pid'
    if (this.#samples.some(({ thread_count }) => thread_count !== undefined))
      return `the ${what} of process ${pid} cannot be read: run as its user, or as root`
    return `process ${pid} cannot be looked at${origin === 'attached' ? ': is it the server, on this machine?' : ''}`
  }

  async #sample(): Promise<void> {
    const { target, vitals } = this.#options
    const since = this.#lastTick
    this.#lastTick = performance.now()
    const [census, published, connections] = await Promise.all([
      target.census(),
      this.#published(),
      connectionsOf(target.port)
    ])
    const { answers } = this.#health
    const health = answers.length > this.#shown ? answers.at(-1) : undefined
    this.#shown = answers.length
    const sample: Sample = {
      t: (performance.now() - this.#begun) / 1000,
      ts: Date.now() / 1000,
      phase: this.#phase,
      walker_requests: this.#options.tally('markov', 'requests_sent'),
      harness_stall_ms: Math.round(vitals.stallSince(since)),
      health_waiting: this.#health.waiting,
      ...(health === undefined ? {} : { health_ms: health.ms }),
      ...(health?.status === undefined ? {} : { health_status: health.status }),
      ...(health?.error === undefined ? {} : { health_error: health.error }),
      ...(census?.rss === undefined ? {} : { rss_bytes: census.rss }),
      ...(census?.descriptors === undefined ? {} : { fd_count: census.descriptors }),
      ...(census?.sockets === undefined ? {} : { socket_count: census.sockets }),
      ...(census?.threads === undefined ? {} : { thread_count: census.threads }),
      ...(census?.cpuSeconds === undefined ? {} : { cpu_seconds: census.cpuSeconds }),
      ...(connections === undefined
        ? {}
        : { close_wait: connections.closeWait, established: connections.established })
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
  }

  /** The samples so far, newest last. */
  recent(count: number): readonly Sample[] {
    return this.#samples.slice(-count)
  }

  /** Told once: the process has ended though nobody stopped it. */
  #watchProcess(): void {
    const exit = this.#options.target.exit()
    if (exit === undefined || this.#ended || this.#told.has('I-LIVENESS')) return
    this.#told.add('I-LIVENESS')
    this.#options.report(processEnded(exit, this.#options.target))
  }

  #tell(predicate: string, title: string, asked: readonly HealthAnswer[]): void {
    if (this.#told.has(predicate)) return
    this.#told.add(predicate)
    this.#options.report({
      predicate,
      severity: 'HIGH',
      case: 'health',
      title,
      evidence: {
        path: this.#options.healthPath,
        waited_ms: asked.map(({ ms }) => Math.round(ms)).join(' '),
        walkers_answered_meanwhile: Math.max(...asked.map(({ walked }) => walked)),
        own_lag_ms: Math.max(...asked.map(({ stall }) => stall))
      },
      repeats: { k: asked.length, n: asked.length },
      symptom: predicate
    })
  }

  /** What cannot wait for the end: a server that answers nobody, one that no longer listens. */
  #watchHealth(): void {
    if (this.#ended || this.#options.target.exit() !== undefined) return
    const { answers, timeoutMs } = this.#health
    const asked = answers.slice(-HANG_AFTER)
    if (asked.length === HANG_AFTER && asked.every(hung)) {
      const title = `${HANG_AFTER} health requests on fresh connections in a row got no answer within ${timeoutMs / 1000} s`
      this.#tell('I-HANG', title, asked)
    }
    const refused = answers.slice(-REFUSED_AFTER)
    if (refused.length === REFUSED_AFTER && refused.every(({ error }) => error === 'refused')) {
      const title = `nobody listens any more: ${REFUSED_AFTER} connections in a row were refused`
      // The end of the process is the better word for it, and may be a moment away.
      setTimeout(() => {
        if (this.#options.target.exit() === undefined && !this.#ended)
          this.#tell('I-LIVENESS', title, refused)
      }, LAST_WORDS * 5)
    }
  }

  /** Ends the loop without a judgement, where the cell broke; does nothing after `finish`. */
  abandon(): void {
    if (this.#ended) return
    this.#ended = true
    clearInterval(this.#timer)
    // A sample may be under way.
    void (this.#running ?? Promise.resolve()).then(() => this.#database.close())
  }

  /** Traffic has ended: waits for the server to come to rest, judges everything, closes the database. */
  async finish(judgeRest: boolean): Promise<PropertyReport> {
    clearInterval(this.#timer)
    await this.#running
    this.#phase = 'quiet'
    this.#watchProcess()
    const { target, signal } = this.#options
    if (target.exit() === undefined && !signal.aborted) {
      await this.#health.settle()
      this.#watchHealth()
    }
    const alive = target.exit() === undefined
    const resting = alive && judgeRest
    const rest = resting ? await judgeQuiet(this.#base, this.#quietOptions()) : undefined
    if (resting) await this.#lookAtMemory()
    if (alive && !signal.aborted) {
      await this.#health.ask(this.#phase)
      await this.#sample()
    }
    this.#watchProcess()
    this.#ended = true
    const judgements = new Map<string, Judged>()
    for (const { id, title, severity, judge } of PREDICATES) {
      judgements.set(id, { title, severity, judgement: judge(this.#observed()) })
    }
    const unrested = inconclusive(alive ? 'stopped before the quiet window' : 'the process has ended')
    for (const { id, key, title } of QUIET) {
      judgements.set(id, { title, severity: 'HIGH', judgement: rest?.[key] ?? unrested })
    }
    this.#database.close()
    return this.#conclude(judgements)
  }

  /** Where memory grew under the load: does it grow with reads as well? */
  async #lookAtMemory(): Promise<void> {
    const { target, healthPath, signal } = this.#options
    const grew = grownMemory({ samples: this.#samples })
    if (grew.rss) {
      const rss = await memoryRounds(target, healthPath, async () => (await target.census())?.rss, signal)
      if (rss !== undefined) this.#afterwards.rss = rss
    }
    if (grew.heap) {
      const inUse = async (): Promise<number | undefined> => {
        const published = await this.#published()
        return 'missing' in published ? undefined : lookUp(published, PUBLISHED['heap_inuse_bytes']!)
      }
      const heap = await memoryRounds(target, healthPath, inUse, signal)
      if (heap !== undefined) this.#afterwards.heap = heap
    }
  }

  #observed(): Observed {
    const { target, tally, slices } = this.#options
    return {
      samples: this.#samples,
      health: this.#health.answers,
      ...(this.#first === undefined ? {} : { first: this.#first }),
      ...(this.#last === undefined ? {} : { last: this.#last }),
      missing: this.#missing,
      missingProcess: this.#missingProcess(),
      process: target.pid !== undefined,
      healthDeclared: this.#options.healthDeclared,
      afterwards: this.#afterwards,
      output: target.output(),
      tally,
      reported: new Set([...this.#options.reported(), ...this.#told]),
      slices
    }
  }

  #conclude(judgements: ReadonlyMap<string, Judged>): PropertyReport {
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
      if (judgement.state === 'fail') {
        report.failed.push(id)
        report.failure_summaries[id] = `${title}: ${detail}`
        if (!already.has(id) && !this.#told.has(id)) {
          this.#options.report({
            predicate: id,
            severity: judgement.severity ?? severity,
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
