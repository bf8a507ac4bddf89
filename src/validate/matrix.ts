/** The matrix: prepare every cell, run what can run one after another, write the document after each, judge. */
import { join } from 'node:path'
import {
  formatResultDocument,
  SCHEMA_VERSION,
  statusOf,
  type Cell,
  type ResultDocument
} from '../documents/result.ts'
import type { Verdict } from '../documents/verdict.ts'
import { InfraError, UserError } from '../kit/errors.ts'
import { writeFileAtomic } from '../kit/files.ts'
import type { Log } from '../kit/log.ts'
import { RandomStreams } from '../kit/random.ts'
import { redact } from '../kit/secrets.ts'
import { attach } from '../target/attach.ts'
import { Backends, type NamedBackends } from '../target/backends.ts'
import { isNotRun, prepare, type Prepared } from '../target/build.ts'
import type { CelerisChoice } from '../target/celeris.ts'
import { launch, LaunchFailed } from '../target/launch.ts'
import type { ServerSpec } from '../target/manifest.ts'
import type { RouteMap, Target } from '../target/types.ts'
import { runCell, type CellOptions } from './cell.ts'
import type { Capabilities, Slice, SliceName } from './contracts.ts'
import { gate, type GateOptions } from './judge/gate.ts'
import { readResults } from './results.ts'
import { slicesFor } from './traffic/index.ts'

export const RESULTS_NAME = 'validate-results.json'

export interface MatrixOptions extends Omit<GateOptions, 'today'> {
  /** Servers of the manifest, or one that runs already. */
  servers: readonly ServerSpec[] | { url: string; pid?: number; routes: RouteMap }
  celeris?: CelerisChoice
  backends: NamedBackends
  slices: readonly SliceName[]
  /** The cases to run; default all. */
  wants?: CellOptions['wants']
  /** See `CellOptions`. */
  whole?: boolean
  tiers: readonly string[]
  durationMs: number
  concurrency: number
  seed: string
  arch: string
  /** An earlier document to take finished cells from. */
  resume?: string
  out: string
  suiteVersion: string
  /** Arguments that repeat the run. */
  command: string
  log: Log
  signal: AbortSignal
  /** See `CellOptions`. */
  onReplay?: CellOptions['onReplay']
  /** Told when the cells are known, and after each. */
  onPlanned?: (planned: { runnable: PlannedCell[]; notRun: Cell[] }) => void
  onCell?: (cell: Cell) => void
}

export interface PlannedCell {
  refapp: string
  engine: string
  start(signal: AbortSignal): Promise<Target>
  slices(names: readonly SliceName[], capabilities: Capabilities): Slice[]
  debugVarsPath: string
  stopGraceMs: number
  /** What befell the backends behind the server; undefined where they are well. */
  trouble(): Promise<string | undefined>
}

export interface MatrixResult {
  document: ResultDocument
  verdict: Verdict
  resultsPath: string
}

/** What the first cell is taken to spend outside its traffic window: launch, preflight, quiet window, stop. */
const FIRST_OVERHEAD_MS = 3500
const SHORTEST_TRAFFIC_MS = 3000
const STOPPED = 'the run was stopped before this cell'

/** Runs the matrix. The document is on disk after every cell, also when this throws. */
export async function runMatrix(options: MatrixOptions): Promise<MatrixResult> {
  const startedAt = new Date().toISOString()
  const resultsPath = join(options.out, RESULTS_NAME)
  const prior = options.resume === undefined ? undefined : await readResults(options.resume)
  const backends = new Backends(options.backends)
  const cells: Cell[] = []
  let left: PlannedCell[] = []
  let ended = false
  /** The cells that the run has not come to; a document that is read before its end shows them. */
  const missing = (): Cell[] =>
    left
      .filter(({ refapp, engine }) => !cells.some((cell) => cell.refapp === refapp && cell.engine === engine))
      .map(({ refapp, engine }) => ({
        refapp,
        engine,
        arch: options.arch,
        status: 'not_run',
        failure_reason: STOPPED,
        fix: `--resume ${resultsPath}`
      }))
  const build = (): ResultDocument => ({
    schema_version: SCHEMA_VERSION,
    host_arch_pair: `${process.platform}/${options.arch}`,
    validation_results: {
      started_at: startedAt,
      finished_at: new Date().toISOString(),
      // Until the end is reached, what is on disk says that it was not.
      ...(ended && !options.signal.aborted ? {} : { aborted: true }),
      run: {
        suite_version: options.suiteVersion,
        seed: options.seed,
        tiers: [...options.tiers],
        slices: [...options.slices],
        duration_ms: options.durationMs,
        concurrency: options.concurrency,
        command: options.command
      },
      ...(prior === undefined ? {} : { resume: resumeOf(options, prior, cells) }),
      cells: [...cells, ...missing()]
    }
  })
  const write = async (): Promise<ResultDocument> => {
    const document = build()
    await writeFileAtomic(resultsPath, redact(formatResultDocument(document)))
    return document
  }

  try {
    // An older result in this folder is not taken for the new one; the one to resume from stays until its cells are here.
    if (prior === undefined) await write()
    const { runnable, notRun } = await planCells(options, backends)
    const inherited = inherit(prior, runnable, options)
    left = inherited.left
    cells.push(...notRun, ...inherited.cells)
    options.onPlanned?.({ runnable: left, notRun })
    await write()
    const end = performance.now() + options.durationMs
    const overheads: number[] = []
    for (const [i, planned] of left.entries()) {
      if (options.signal.aborted) break
      const begun = performance.now()
      const share = (end - begun) / (left.length - i)
      const trafficMs = Math.max(SHORTEST_TRAFFIC_MS, share - (median(overheads) ?? FIRST_OVERHEAD_MS))
      const cell = await oneCell(planned, trafficMs, options)
      overheads.push(performance.now() - begun - trafficMs)
      cells.push(cell)
      await write()
      options.onCell?.(cell)
    }
    ended = true
  } catch (error) {
    await backends.stop()
    // The first error says more than a second one about the same disk.
    await write().catch(() => undefined)
    throw error
  }
  await backends.stop()
  const document = await write()
  const verdict = gate(document, {
    failOn: options.failOn,
    strict: options.strict,
    waivers: options.waivers,
    ...(options.expectCells === undefined ? {} : { expectCells: options.expectCells }),
    today: new Date().toISOString().slice(0, 10)
  })
  return { document, verdict, resultsPath }
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

const FINAL = new Set(['pass', 'fail', 'vacuous'])

/** Why an old cell is measured again; undefined where it is taken over. */
function obstacle(old: Cell, prior: ResultDocument, options: MatrixOptions): string | undefined {
  if (old.arch !== options.arch) return `it is of ${old.arch}`
  if (!FINAL.has(statusOf(old) ?? '')) return `it was ${statusOf(old) ?? 'of no stated status'}`
  if (statusOf(old) === 'fail' && old.findings === undefined) return 'it was never judged'
  const { run } = prior.validation_results
  const same = (was: readonly string[], is: readonly string[]): boolean =>
    [...was].sort().join() === [...is].sort().join()
  if (run !== undefined && !same(run.slices, options.slices)) return `it ran ${run.slices.join(', ')}`
  if (run !== undefined && !same(run.tiers, options.tiers)) return `it ran tier ${run.tiers.join(', ')}`
  return undefined
}

function inherit(
  prior: ResultDocument | undefined,
  runnable: PlannedCell[],
  options: MatrixOptions
): { cells: Cell[]; left: PlannedCell[] } {
  const cells: Cell[] = []
  const left: PlannedCell[] = []
  for (const planned of runnable) {
    const old = prior?.validation_results.cells.find(
      (cell) =>
        cell.refapp === planned.refapp &&
        cell.engine === planned.engine &&
        obstacle(cell, prior, options) === undefined
    )
    if (old === undefined) left.push(planned)
    else cells.push({ ...old, resumed_from: old.resumed_from ?? options.resume! })
  }
  return { cells, left }
}

function resumeOf(options: MatrixOptions, prior: ResultDocument, cells: readonly Cell[]) {
  const results = prior.validation_results
  const inherited = cells.filter((cell) => cell.resumed_from !== undefined)
  const left = results.cells.filter(
    (old) =>
      !inherited.some(
        (cell) => cell.refapp === old.refapp && cell.engine === old.engine && cell.arch === old.arch
      )
  )
  return {
    from: options.resume!,
    ...(results.started_at === undefined ? {} : { prior_started_at: results.started_at }),
    ...(results.finished_at === undefined ? {} : { prior_finished_at: results.finished_at }),
    inherited_cells: inherited.length,
    ran_cells: cells.filter((cell) => cell.resumed_from === undefined && statusOf(cell) !== 'not_run').length,
    not_inherited: left.map(
      (old) => `${old.refapp}/${old.engine}: ${obstacle(old, prior, options) ?? 'it is not part of this run'}`
    )
  }
}

/** Prepares every server; what cannot run becomes a `not_run` cell with its reason. */
export async function planCells(
  options: Pick<MatrixOptions, 'servers' | 'celeris' | 'arch' | 'signal' | 'log'>,
  backends: Backends
): Promise<{ runnable: PlannedCell[]; notRun: Cell[] }> {
  const { servers, arch, log, signal } = options
  if (!('map' in servers)) {
    const { url, pid, routes } = servers
    const attached: PlannedCell = {
      refapp: 'url',
      engine: new URL(url).host.replaceAll('/', '_'),
      start: (stop) => attach({ url, routes, signal: stop, ...(pid === undefined ? {} : { pid }) }),
      slices: (names, capabilities) => slicesFor(names, capabilities, undefined),
      debugVarsPath: '/debug/vars',
      stopGraceMs: 0,
      trouble: () => Promise.resolve(undefined)
    }
    return { runnable: [attached], notRun: [] }
  }
  const runnable: PlannedCell[] = []
  const notRun: Cell[] = []
  for (const server of servers) {
    const refuse = ({ reason, fix }: { reason: string; fix: string }): void => {
      notRun.push({
        refapp: server.refapp,
        engine: server.engine,
        arch,
        status: 'not_run',
        failure_reason: reason,
        fix
      })
    }
    if (signal.aborted) {
      refuse({ reason: STOPPED, fix: 'run it again' })
      continue
    }
    const ready = await prepare(server, {
      signal,
      ...(options.celeris === undefined ? {} : { celeris: options.celeris }),
      onBuild: ({ refapp, engine }) => log.progress(`building ${refapp}/${engine}`)
    })
    if (isNotRun(ready)) {
      refuse(ready)
      continue
    }
    const env = server.backends.length === 0 ? {} : await backends.environment(server.backends)
    if (isNotRun(env)) refuse(env)
    else runnable.push(plannedCell(server, ready, env, backends))
  }
  log.progressDone()
  return { runnable, notRun }
}

function plannedCell(
  server: ServerSpec,
  ready: Prepared,
  env: Record<string, string>,
  backends: Backends
): PlannedCell {
  return {
    refapp: server.refapp,
    engine: server.engine,
    start: (signal) =>
      launch({
        argv: ready.argv,
        cwd: ready.cwd,
        env: { ...server.env, ...env },
        routes: server.routes,
        readyTimeoutMs: server.readyTimeoutMs,
        signal
      }),
    slices: (names, capabilities) => slicesFor(names, capabilities, server.markov),
    debugVarsPath: server.debugVars,
    stopGraceMs: server.stopTimeoutMs,
    trouble: () => backends.trouble(server.backends)
  }
}

async function oneCell(planned: PlannedCell, trafficMs: number, options: MatrixOptions): Promise<Cell> {
  const { refapp, engine } = planned
  const cellOptions: CellOptions = {
    refapp,
    engine,
    arch: options.arch,
    start: (signal) => planned.start(signal),
    slices: (capabilities) => planned.slices(options.slices, capabilities),
    sliceNames: options.slices,
    random: new RandomStreams(options.seed).child(`${refapp}/${engine}`),
    trafficMs,
    concurrency: options.concurrency,
    ...(options.wants === undefined ? {} : { wants: options.wants }),
    ...(options.whole === true ? { whole: true } : {}),
    ...(options.onReplay === undefined ? {} : { onReplay: options.onReplay }),
    debugVarsPath: planned.debugVarsPath,
    stopGraceMs: planned.stopGraceMs,
    incidentsFolder: join(options.out, 'incidents'),
    database: join(options.out, 'observer.sqlite'),
    facts: {
      seed: options.seed,
      arch: options.arch,
      suite_version: options.suiteVersion,
      command: options.command,
      ...(options.celeris === undefined
        ? {}
        : { celeris: 'version' in options.celeris ? options.celeris.version : options.celeris.dir })
    },
    failOn: options.failOn,
    strict: options.strict,
    log: options.log,
    signal: options.signal
  }
  const base = { refapp, engine, arch: options.arch }
  /** What a server does whose backend failed is not its fault, and no pass either. */
  const requireBackends = async (): Promise<void> => {
    const trouble = options.signal.aborted ? undefined : await planned.trouble()
    if (trouble !== undefined) throw new InfraError(trouble)
  }
  try {
    await requireBackends()
    const cell = await runCell(cellOptions)
    await requireBackends()
    return cell
  } catch (error) {
    if (options.signal.aborted) return { ...base, status: 'aborted', failure_reason: 'the run was stopped' }
    if (error instanceof UserError) throw error
    const trouble = error instanceof InfraError ? undefined : await planned.trouble()
    if (trouble !== undefined) return { ...base, status: 'error', failure_reason: trouble }
    if (error instanceof LaunchFailed) {
      const tail = error.output.slice(-15)
      const shown = tail.length === 0 ? 'it printed nothing' : `its last output:\n    ${tail.join('\n    ')}`
      return {
        ...base,
        status: 'fail',
        failure_reason: `${error.message}; ${shown}`,
        tier_1: { refapp_stderr_tail: [...error.output] }
      }
    }
    if (error instanceof InfraError) return { ...base, status: 'error', failure_reason: error.message }
    throw error
  } finally {
    options.log.progressDone()
  }
}
