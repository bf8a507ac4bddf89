/** One cell: launch, preflight, slices beside the property loop, quiet window, stop. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Finding } from '../documents/finding.ts'
import type { Replay } from '../documents/replay.ts'
import type { Cell } from '../documents/result.ts'
import type { FailOn } from '../documents/severity.ts'
import type { Log } from '../kit/log.ts'
import type { RandomStreams } from '../kit/random.ts'
import type { StopOutcome, Target } from '../target/types.ts'
import { Forensics } from './aftermath/forensics.ts'
import { Lives, type Told } from './aftermath/lives.ts'
import { planOnly, type Ground } from './aftermath/play.ts'
import { SlowDeath } from './aftermath/slow-death.ts'
import { coverageOf, propertyFields, tier1Of, verdictOf, type Books } from './cell-report.ts'
import { CoverageBook, FindingBook, TallyBook, type Believed } from './collector.ts'
import type { Capabilities, FindingDraft, Slice, SliceName } from './contracts.ts'
import { Watcher } from './oracles/passive/watch.ts'
import { preflight } from './preflight/index.ts'
import { processEnded, startProperties, type PropertyReport } from './properties/index.ts'
import { replayOf } from './replay/record.ts'
import { LoopVitals } from './vitals.ts'

export interface CellOptions {
  refapp: string
  engine: string
  arch: string
  /** Launches the server, or attaches to it. */
  start(signal: AbortSignal): Promise<Target>
  /** The slices to run, made after the preflight has learned what the server can do. */
  slices(capabilities: Capabilities): Slice[]
  sliceNames: readonly SliceName[]
  random: RandomStreams
  /** Length of the traffic window, ms; slices that need longer for their first pass get it. */
  trafficMs: number
  concurrency: number
  /** The cases to run; default all. */
  wants?: (slice: SliceName | 'passive', caseId: string) => boolean
  /** The whole catalogue is played, however long it takes; else what the time allows beyond the core. */
  whole?: boolean
  /** Told of each finding that can be done again. */
  onReplay?: (finding: Finding, replay: Replay) => void
  debugVarsPath: string
  stopGraceMs: number
  incidentsFolder: string
  /** observer.sqlite */
  database: string
  facts: Readonly<Record<string, string>>
  failOn: FailOn
  strict: boolean
  log: Log
  signal: AbortSignal
}

/** Past the deadline, how long the core of the catalogue, and the whole of it, may still take. */
const CORE_GRACE_MS = 25_000
const WHOLE_GRACE_MS = 3 * 60_000

/** Runs the cell. Throws what is not the server's: InfraError, AbortedError before traffic, UserError of attach. */
export async function runCell(options: CellOptions): Promise<Cell> {
  const name = `${options.refapp}/${options.engine}/${options.arch}`
  const startedAt = new Date()
  const first = await options.start(options.signal)
  const books: Books = {
    tallies: new Map(options.sliceNames.map((slice) => [slice, new TallyBook()])),
    ledgers: new Map(options.sliceNames.map((slice) => [slice, new CoverageBook()])),
    notes: [],
    findings: undefined!,
    passive: new CoverageBook(),
    watcher: new Watcher({
      report: (draft) => books.findings.report('passive', draft),
      wants: (rule) => options.wants?.('passive', rule) ?? true
    })
  }
  let capabilities: Capabilities | undefined
  let lives: Lives | undefined
  let slow: SlowDeath | undefined
  const targetNow = (): Target => lives?.target ?? first
  const vitals = new LoopVitals(() => targetNow().pid)
  const forensics = new Forensics({
    folder: options.incidentsFolder,
    cell: name,
    facts: options.facts,
    samples: () => lives?.loop?.recent(30) ?? [],
    note: (text) => void books.notes.push(text)
  })
  const owned: Promise<void>[] = []
  const onFirst = ({ finding, draft }: Believed): void => {
    options.log.progress(`${name}: ${finding.severity} ${finding.predicate} ${finding.case ?? ''}`)
    const replay = replayOf({ finding, draft, target: targetNow(), capabilities, facts: options.facts })
    if (typeof replay === 'string') finding.evidence = { ...finding.evidence, not_replayable: replay }
    else options.onReplay?.(finding, replay)
    const file = typeof replay === 'string' ? undefined : replay
    owned.push(forensics.believed(finding, draft, targetNow(), file))
  }
  books.findings = new FindingBook(name, onFirst)

  let properties: PropertyReport | undefined
  let told: Told | undefined
  let aborted = false
  let stopped: { outcome: StopOutcome; told: boolean }
  try {
    const learned = await preflight(first, {
      random: options.random.child('preflight'),
      signal: options.signal
    })
    capabilities = learned
    const ground: Ground = {
      cell: name,
      refapp: options.refapp,
      engine: options.engine,
      capabilities: learned,
      random: options.random,
      concurrency: options.concurrency,
      vitals,
      slices: () => options.slices(learned),
      signal: options.signal
    }
    const { nature } = learned
    if (nature !== undefined) {
      await planOnly(ground, first, options.slices, nature, (slice) => books.ledgers.get(slice)!)
    } else {
      lives = livesOf(options, ground, first, books, forensics, (draft) => slow?.holds(draft) ?? false)
      told = await lives.run()
      books.watcher.finish(books.passive)
      slow = slowDeathOf(options, ground, lives.target, books, told)
      if (!options.signal.aborted) await delay(200)
      lives.loop?.phase('quiet')
      await slow.look()
      properties = await lives.loop?.finish(!options.signal.aborted)
      await slow.search()
      if (properties !== undefined) slow.addTo(properties)
    }
  } catch (error) {
    if (!options.signal.aborted) throw error
    aborted = true
  } finally {
    await Promise.all(owned)
    vitals.stop()
    stopped = (await lives?.stop()) ?? { outcome: await first.stop(options.stopGraceMs), told: false }
  }
  aborted ||= options.signal.aborted
  judgeStop(stopped, targetNow(), options, books, aborted)
  await Promise.all(owned)

  const coverage = coverageOf(
    books,
    options.sliceNames,
    aborted ? 'stopped before it was reached' : 'not reached'
  )
  const believed = books.findings.all()
  const cell: Cell = {
    refapp: options.refapp,
    engine: options.engine,
    arch: options.arch,
    started_at: startedAt.toISOString(),
    finished_at: new Date().toISOString(),
    traffic_seconds: Math.round((told?.seconds ?? 0) * 10) / 10,
    restarts: told?.restarts ?? 0,
    tier_1: tier1Of(books, options.sliceNames, targetNow(), properties),
    findings: believed.map(({ finding }) => finding),
    finding_repeats: Object.fromEntries(
      believed.map(({ finding, times }) => [finding.fingerprint ?? '', times])
    ),
    coverage: { ...coverage, ...(properties === undefined ? {} : { properties: properties.coverage }) },
    ...(capabilities === undefined ? {} : { capabilities: { ...capabilities } }),
    ...(properties === undefined ? {} : propertyFields(properties)),
    incidents: forensics.incidents,
    notes: books.notes
  }
  return { ...cell, ...verdictOf(cell, options, aborted, books) }
}

/** A declared route is asked whatever it answered. */
function healthPathOf(target: Target, { routes }: Capabilities): string {
  return target.routes.health ?? routes.health?.path ?? routes.get?.path ?? '/'
}

/** The traffic over as many processes as it needs, each with a property loop of its own. */
function livesOf(
  options: CellOptions,
  ground: Ground,
  target: Target,
  books: Books,
  forensics: Forensics,
  /** True for a finding that is told later, or not at all. */
  holds: (draft: FindingDraft) => boolean
): Lives {
  /** What the ends of processes were, as predicates: the loop of a later process must not call them well. */
  const ends = new Set<string>()
  return new Lives({
    ground,
    target,
    start: (signal) => options.start(signal),
    stopGraceMs: options.stopGraceMs,
    trafficMs: options.trafficMs,
    graceMs: options.whole === true ? WHOLE_GRACE_MS : CORE_GRACE_MS,
    whole: options.whole === true,
    wants: (slice, id) => options.wants?.(slice, id) ?? true,
    tallies: books.tallies,
    ledgers: books.ledgers,
    findings: books.findings,
    notes: books.notes,
    watch: books.watcher,
    openLoop: (process, report) => {
      const before = new Map([...books.tallies].map(([slice, book]) => [slice, new Map(book.entries())]))
      return startProperties({
        target: process,
        cell: ground.cell,
        database: options.database,
        healthPath: healthPathOf(process, ground.capabilities),
        healthDeclared: process.routes.health !== undefined,
        debugVarsPath: options.debugVarsPath,
        slices: new Set<SliceName>(options.sliceNames),
        vitals: ground.vitals,
        // Of this process alone: what the server counts begins anew with it.
        tally: (slice, counter) =>
          (books.tallies.get(slice as SliceName)?.get(counter) ?? 0) -
          (before.get(slice as SliceName)?.get(counter) ?? 0),
        reported: () => new Set([...books.findings.all().map(({ finding }) => finding.predicate), ...ends]),
        report: (draft) => {
          if (!holds(draft)) report(draft)
        },
        signal: options.signal
      })
    },
    capture: (draft, slice, process) => forensics.suspicion(draft, slice, process),
    onEnd: ({ kind }) => ends.add(kind === 'silent' ? 'I-HANG' : 'I-LIVENESS'),
    log: options.log
  })
}

function slowDeathOf(
  options: CellOptions,
  ground: Ground,
  target: Target,
  books: Books,
  { before, looks, timeline, restarts }: Told
): SlowDeath {
  return new SlowDeath({
    ground,
    target,
    before,
    looks,
    timeline,
    earlier: restarts,
    start: target.origin === 'launched' ? (signal) => options.start(signal) : undefined,
    findings: books.findings,
    note: (text) => void books.notes.push(text)
  })
}

/** A server that we launched must end by itself after SIGTERM. */
function judgeStop(
  { outcome, told }: { outcome: StopOutcome; told: boolean },
  target: Target,
  options: CellOptions,
  books: Books,
  aborted: boolean
): void {
  if (outcome.how === 'gone' && outcome.exit !== undefined && !told && !aborted) {
    books.findings.report('properties', processEnded(outcome.exit, target))
  }
  if (outcome.how !== 'killed' || aborted || told) return
  books.findings.report('properties', {
    predicate: 'I-STOP',
    severity: 'MED',
    case: 'sigterm',
    title: `the server did not stop within ${options.stopGraceMs / 1000} s of SIGTERM and was killed`,
    evidence: { grace_ms: options.stopGraceMs },
    repeats: { k: 1, n: 1 }
  })
}
