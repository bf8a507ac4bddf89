/** One cell: launch, preflight, slices beside the property loop, quiet window, stop. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Finding } from '../documents/finding.ts'
import type { Cell, CoverageEntry, Tier1 } from '../documents/result.ts'
import { fails, type FailOn } from '../documents/severity.ts'
import type { Log } from '../kit/log.ts'
import type { RandomStreams } from '../kit/random.ts'
import type { Target } from '../target/types.ts'
import { CoverageBook, FindingBook, TallyBook, type Believed } from './collector.ts'
import type { Capabilities, Slice, SliceContext, SliceName } from './contracts.ts'
import { openIncident } from './incidents/index.ts'
import type { Replay } from '../documents/replay.ts'
import { replayOf } from './replay/record.ts'
import { vacuity } from './judge/gate.ts'
import { preflight } from './preflight/index.ts'
import { Watcher } from './oracles/passive/watch.ts'
import { processEnded, startProperties, type PropertyLoop, type PropertyReport } from './properties/index.ts'
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
  /** Past the deadline, how long the first pass of a slice may still take, ms; default 25 s. */
  firstPassGraceMs?: number
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

const FIRST_PASS_GRACE_MS = 25_000

/** Document name of each slice's sub-tally; the walkers' counters stand in tier_1 itself. */
const SUB_TALLY: Partial<Record<SliceName, 'adversarial' | 'h2c_churn' | 'ws_torture' | 'sse_kill'>> = {
  adversarial: 'adversarial',
  h2c: 'h2c_churn',
  ws: 'ws_torture',
  sse: 'sse_kill'
}

interface Books {
  tallies: Map<SliceName, TallyBook>
  ledgers: Map<SliceName, CoverageBook>
  findings: FindingBook
  /** The rules that look at the answers of all slices, and their book. */
  watcher: Watcher
  passive: CoverageBook
  notes: string[]
  incidents: string[]
}

/** Runs the cell. Throws what is not the server's: InfraError, AbortedError before traffic, UserError of attach. */
export async function runCell(options: CellOptions): Promise<Cell> {
  const name = `${options.refapp}/${options.engine}/${options.arch}`
  const startedAt = new Date()
  const target = await options.start(options.signal)
  const vitals = new LoopVitals()
  let opened: Promise<void> | undefined
  let loop: PropertyLoop | undefined
  const books: Books = {
    tallies: new Map(),
    ledgers: new Map(),
    notes: [],
    incidents: [],
    findings: undefined!,
    passive: new CoverageBook(),
    watcher: new Watcher({
      report: (draft) => books.findings.report('passive', draft),
      wants: (rule) => options.wants?.('passive', rule) ?? true
    })
  }
  const onFirst = (believed: Believed): void => {
    const { finding, draft } = believed
    options.log.progress(`${name}: ${finding.severity} ${finding.predicate} ${finding.case ?? ''}`)
    const replay = replayOf({ finding, draft, target, capabilities, facts: options.facts })
    if (typeof replay === 'string') finding.evidence = { ...finding.evidence, not_replayable: replay }
    else options.onReplay?.(finding, replay)
    // The first HIGH gets the forensics; later ones of the cell would see the traces of the first.
    if (finding.severity !== 'HIGH' || opened !== undefined) return
    opened = openIncident({
      folder: options.incidentsFolder,
      finding,
      draft,
      target,
      samples: loop?.recent(30) ?? [],
      facts: options.facts
    }).then((folder) => {
      if (folder === undefined) {
        books.notes.push(`the folder of an incident cannot be made below ${options.incidentsFolder}`)
        return
      }
      finding.incident = `incidents/${folder}`
      books.incidents.push(finding.incident)
    })
  }
  books.findings = new FindingBook(name, onFirst)

  let capabilities: Capabilities | undefined
  let properties: PropertyReport | undefined
  let trafficSeconds = 0
  let aborted = false
  let stopped: Awaited<ReturnType<Target['stop']>> | undefined
  try {
    const learned = await preflight(target, {
      random: options.random.child('preflight'),
      signal: options.signal
    })
    const begun = performance.now()
    capabilities = learned
    loop = await propertyLoop(options, target, learned, vitals, books, name)
    properties = await traffic(options, target, learned, vitals, books, name, loop, (seconds) => {
      trafficSeconds = seconds
    })
    if (trafficSeconds === 0) trafficSeconds = (performance.now() - begun) / 1000
  } catch (error) {
    if (!options.signal.aborted) throw error
    aborted = true
  } finally {
    await opened
    loop?.abandon()
    vitals.stop()
    stopped = await target.stop(options.stopGraceMs)
  }
  aborted ||= options.signal.aborted
  judgeStop(stopped, target, options, books, aborted)
  await opened

  const slices: Record<string, CoverageEntry> = {}
  const groups: Record<string, CoverageEntry> = {}
  const unfinished = aborted ? 'stopped before it was reached' : 'not reached'
  const cover = (name: string, book: CoverageBook): void => {
    const { whole, groups: parts } = book.summary(unfinished)
    slices[name] = whole
    for (const [group, entry] of parts) if (group !== '') groups[`${name}/${group}`] = entry
  }
  for (const slice of options.sliceNames) {
    const book = books.ledgers.get(slice) ?? new CoverageBook()
    if (book.size === 0) book.plan(slice)
    cover(slice, book)
  }
  if (books.watcher.answers > 0) cover('passive', books.passive)
  const believed = books.findings.all()
  const cell: Cell = {
    refapp: options.refapp,
    engine: options.engine,
    arch: options.arch,
    started_at: startedAt.toISOString(),
    finished_at: new Date().toISOString(),
    traffic_seconds: Math.round(trafficSeconds * 10) / 10,
    tier_1: tier1Of(books, options.sliceNames, target, properties),
    findings: believed.map(({ finding }) => finding),
    finding_repeats: Object.fromEntries(
      believed.map(({ finding, times }) => [finding.fingerprint ?? '', times])
    ),
    coverage: { slices, groups, ...(properties === undefined ? {} : { properties: properties.coverage }) },
    ...(capabilities === undefined ? {} : { capabilities: { ...capabilities } }),
    ...(properties === undefined ? {} : propertyFields(properties)),
    incidents: books.incidents,
    notes: books.notes
  }
  return { ...cell, ...verdictOf(cell, options, aborted, books) }
}

/** A declared route is asked whatever it answered. */
function healthPathOf(target: Target, { routes }: Capabilities): string {
  return target.routes.health ?? routes.health?.path ?? routes.get?.path ?? '/'
}

function propertyLoop(
  options: CellOptions,
  target: Target,
  capabilities: Capabilities,
  vitals: LoopVitals,
  books: Books,
  name: string
): Promise<PropertyLoop> {
  return startProperties({
    target,
    cell: name,
    database: options.database,
    healthPath: healthPathOf(target, capabilities),
    healthDeclared: target.routes.health !== undefined,
    debugVarsPath: options.debugVarsPath,
    slices: new Set<SliceName>(options.sliceNames),
    vitals,
    tally: (slice, counter) => books.tallies.get(slice as SliceName)?.get(counter) ?? 0,
    reported: () => new Set(books.findings.all().map(({ finding }) => finding.predicate)),
    report: (draft) => books.findings.report('properties', draft),
    signal: options.signal
  })
}

async function traffic(
  options: CellOptions,
  target: Target,
  capabilities: Capabilities,
  vitals: LoopVitals,
  books: Books,
  name: string,
  loop: PropertyLoop,
  ended: (seconds: number) => void
): Promise<PropertyReport> {
  const begun = performance.now()
  const deadline = begun + options.trafficMs
  const hard = new AbortController()
  const timer = setTimeout(
    () => hard.abort(),
    options.trafficMs + (options.firstPassGraceMs ?? FIRST_PASS_GRACE_MS)
  )
  const signal = AbortSignal.any([options.signal, hard.signal])
  loop.phase('load')
  const ticker = setInterval(() => {
    const sent = books.tallies.get('markov')?.get('requests_sent') ?? 0
    const left = Math.max(0, Math.ceil((deadline - performance.now()) / 1000))
    options.log.progress(`${name}: ${sent.toLocaleString('en-US')} requests, ${left} s left`)
  }, 1000)
  try {
    const slices = options.slices(capabilities)
    const results = await Promise.allSettled(
      slices.map((slice) => {
        const tally = new TallyBook()
        const ledger = new CoverageBook()
        books.tallies.set(slice.name, tally)
        books.ledgers.set(slice.name, ledger)
        const context: SliceContext = {
          cell: name,
          refapp: options.refapp,
          engine: options.engine,
          target,
          capabilities,
          random: options.random.child(slice.name),
          deadline,
          signal,
          wants: (id) => options.wants?.(slice.name, id) ?? true,
          concurrency: options.concurrency,
          tally,
          ledger,
          vitals,
          watch: books.watcher,
          report: (draft) => books.findings.report(slice.name, draft),
          note: (text) => void books.notes.push(`${slice.name}: ${text}`)
        }
        return slice.run(context)
      })
    )
    const broken = results.find((result) => result.status === 'rejected')
    if (broken !== undefined && !signal.aborted) throw broken.reason
    if (hard.signal.aborted) books.notes.push('a slice was cut at the hard end of the cell')
  } finally {
    clearInterval(ticker)
    clearTimeout(timer)
    books.watcher.finish(books.passive)
    ended((performance.now() - begun) / 1000)
  }
  if (!options.signal.aborted) await delay(200)
  loop.phase('quiet')
  return loop.finish(!options.signal.aborted)
}

/** A server that we launched must end by itself after SIGTERM. */
function judgeStop(
  stopped: Awaited<ReturnType<Target['stop']>>,
  target: Target,
  options: CellOptions,
  books: Books,
  aborted: boolean
): void {
  if (stopped.how === 'gone' && stopped.exit !== undefined) {
    books.findings.report('properties', processEnded(stopped.exit, target))
  }
  if (stopped.how !== 'killed' || aborted) return
  books.findings.report('properties', {
    predicate: 'I-STOP',
    severity: 'MED',
    case: 'sigterm',
    title: `the server did not stop within ${options.stopGraceMs / 1000} s of SIGTERM and was killed`,
    evidence: { grace_ms: options.stopGraceMs },
    repeats: { k: 1, n: 1 }
  })
}

function tier1Of(
  books: Books,
  names: readonly SliceName[],
  target: Target,
  properties: PropertyReport | undefined
): Tier1 {
  const tier1: Tier1 = {
    ready_at: target.readyAt.toISOString(),
    refapp_stderr_tail: target.output().slice(-80)
  }
  for (const slice of names) {
    const entries = books.tallies.get(slice)?.entries() ?? []
    const group = SUB_TALLY[slice]
    if (group === undefined) {
      const walkers: Record<string, number> = {}
      for (const [counter, value] of entries) {
        if (/^(requests_|walker_(re)?log|invariant_)/.test(counter))
          Object.assign(tier1, { [counter]: value })
        else walkers[counter] = value
      }
      tier1.walkers = walkers
      continue
    }
    const plain = entries.filter(([counter]) => !counter.startsWith('ws_echo_'))
    tier1[group] = Object.fromEntries(plain.map(([counter, value]) => [counter, Math.round(value)]))
    const echo = entries.filter(([counter]) => counter.startsWith('ws_echo_'))
    if (echo.length > 0) tier1.ws_echo = Object.fromEntries(echo)
  }
  if (books.watcher.answers > 0) tier1['passive'] = books.watcher.counts()
  if (properties !== undefined) {
    tier1.property_evaluations = properties.evaluations
    tier1.property_violations = properties.failed.length
    tier1.property_violation_ids = properties.failed
    tier1.property_poll_errors = properties.poll_errors
    if (Object.keys(properties.published).length > 0) tier1['published'] = properties.published
  }
  return tier1
}

function propertyFields(report: PropertyReport): Partial<Cell> {
  return {
    properties_passed: report.passed.length,
    properties_failed: report.failed.length,
    properties_not_instrumented: report.not_instrumented,
    properties_not_judged: report.not_judged,
    properties_not_judged_by_design: report.by_design,
    property_details: report.details,
    failure_summaries: report.failure_summaries
  }
}

function verdictOf(
  cell: Cell,
  options: CellOptions,
  aborted: boolean,
  books: Books
): Pick<Cell, 'status' | 'failure_reason'> {
  const failOn = options.failOn === 'never' ? 'high' : options.failOn
  const failing = (cell.findings ?? []).filter(({ severity }) => fails(severity, failOn, options.strict))
  if (failing.length > 0) {
    return {
      status: 'fail',
      failure_reason: `${failing.length} findings, first: ${failing[0]!.title ?? failing[0]!.predicate}`
    }
  }
  if (aborted) return { status: 'aborted', failure_reason: 'the run was stopped' }
  const gaps = Object.entries(cell.coverage?.slices ?? {}).flatMap(([slice, entry]) => {
    const ran = entry.planned - entry.inapplicable.length
    // Every chosen slice must say why it had nothing to do; the route it needs may be missing.
    return ran > 0 ? (vacuity(slice, entry) ?? []) : []
  })
  const sent = books.tallies.get('markov')?.get('requests_sent')
  if (options.sliceNames.includes('markov') && (sent ?? 0) === 0) gaps.push('markov: no request was sent')
  const slices = Object.values(cell.coverage?.slices ?? {})
  if (gaps.length === 0 && slices.length > 0 && slices.every(({ exercised }) => exercised === 0)) {
    const [first] = slices.flatMap(({ inapplicable }) => inapplicable)
    gaps.push(`nothing was exercised${first === undefined ? '' : `: ${first.reason}`}`)
  }
  return gaps.length > 0 ? { status: 'vacuous', failure_reason: gaps.join('; ') } : { status: 'pass' }
}
