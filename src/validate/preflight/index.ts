/** What can this server do? Learned before any case is judged, so that no case is judged that cannot apply. */
import { InfraError } from '../../kit/errors.ts'
import type { RandomStreams } from '../../kit/random.ts'
import { ROUTE_KINDS, type RouteKind, type Target } from '../../target/types.ts'
import type { Capabilities, PreflightProbe } from '../contracts.ts'
import { hasty, mute, PATIENT_MS, uniform, unreliable } from './nature.ts'
import { Probe, TIMEOUT_MS, told, type Idle } from './probe.ts'
import { RouteFinder, type Probed } from './routes.ts'
import { speaksHttp2, speaksSse, speaksWebSocket, upgradesToHttp2, type Seen } from './streams.ts'

export interface PreflightOptions {
  random: RandomStreams
  signal: AbortSignal
}

const BASELINE_REQUESTS = 20
/** Plain requests answered in a row that are enough, before and after its routes are looked for. */
const ANSWERED_FIRST = 2
const ANSWERED_LATER = 5
/** A kept connection is watched for at least so long, beside the other questions. */
const IDLE_MS = 500
const HTTP1_KINDS = ROUTE_KINDS.filter((kind) => kind !== 'h2c')

/** The questions, in the numbers of the reference. */
const TITLES = {
  P1: 'a plain GET is served',
  P2: 'an unknown path is told from a known one',
  P3: 'the body of a POST with a length arrives',
  P4: 'the body of a chunked POST arrives',
  P5: 'a connection is kept',
  P6: 'pipelined requests are answered in order',
  P7: 'HEAD has no body',
  P8: 'the whole body is read before the answer',
  P9: 'Connection: close closes',
  P10: 'an idle connection stays open',
  P11: 'an echo route shows what the handler saw',
  P12: 'HTTP/2 in clear',
  P13: 'a WebSocket route',
  P14: 'a stream of events',
  continue: '100 comes before a body that waits for it',
  process: 'the process can be looked at'
} as const
type ProbeId = keyof typeof TITLES

type Habits = Omit<Capabilities, 'routes' | 'missing' | 'http1' | 'h2cPrior' | 'h2cUpgrade' | 'probes'>

const NO_HABITS: Habits = {
  keepAlive: false,
  pipelining: false,
  chunked: false,
  readsBody: false,
  statusTransparent: false,
  head: false,
  continue100: false,
  baselineMs: 0
}

/** What was asked and seen, in the order of the numbers; what could not be asked says why. */
class ProbeBook {
  readonly #seen = new Map<ProbeId, { ok?: boolean; seen: string }>()

  note(id: ProbeId, { ok, seen }: { ok?: boolean; seen: string }): boolean {
    this.#seen.set(id, { ...(ok === undefined ? {} : { ok }), seen })
    return ok === true
  }

  probes(otherwise: string): PreflightProbe[] {
    return (Object.keys(TITLES) as ProbeId[]).map((id) => ({
      id,
      title: TITLES[id],
      ...(this.#seen.get(id) ?? { seen: `not asked: ${otherwise}` })
    }))
  }
}

/**
 * Probes the server on a handful of connections, idle. A declared path is taken at its word and tried alone: what
 * does not answer as its kind stands in `missing` with what was seen; kinds that nobody declared are looked for.
 * A server that does the same whatever it is asked is named in `nature`.
 * @throws InfraError where nothing listens and the process has not ended
 */
export async function preflight(target: Target, { random, signal }: PreflightOptions): Promise<Capabilities> {
  const probe = new Probe(target, random)
  const finder = new RouteFinder(target.routes, signal)
  const { routes, missing } = finder
  const record = new ProbeBook()
  const path = target.routes.get ?? '/'

  let first = await probe.get(path)
  if (first.failed === 'ECONNREFUSED' && target.exit() === undefined) {
    throw new InfraError({
      what: `nothing listens on ${target.host}:${target.port}`,
      why: target.output().slice(-3).join(' | ') || 'the connection was refused',
      fix: 'look at the last output of the server'
    })
  }
  record.note('process', await processOf(target))
  let nature = await hasty(target, probe, path)
  const prior = await speaksHttp2(target, TIMEOUT_MS)
  if (first.responses.length === 0 && nature === undefined)
    first = await probe.get(path, prior.ok ? TIMEOUT_MS : PATIENT_MS)
  if (first.responses.length > 0 && nature === undefined && !signal.aborted)
    nature = await unreliable(target, probe, path, { enough: ANSWERED_FIRST })
  const http1 = first.responses.length > 0 && nature === undefined
  let upgrade: Seen = { ok: false, seen: 'no HTTP/1.1 to upgrade from' }
  let habits = NO_HABITS
  let otherwise = `the port does not answer HTTP/1.1`
  if (http1) {
    const watched = await probe.idle(path)
    await find(probe, finder, target, random)
    noteRoutes(record, finder)
    const get = routes.get?.path ?? routes.health?.path ?? path
    upgrade = await upgradesToHttp2(target, get, TIMEOUT_MS)
    // A route whose handler holds the thread that serves others shows here, before each case would wait for it.
    const last = routes.sse?.seen ?? missing.sse ?? ''
    const since = ` once its routes were asked for (${last})`
    if (!signal.aborted) nature = await unreliable(target, probe, get, { enough: ANSWERED_LATER, since })
    if (!signal.aborted && nature === undefined) habits = await learn(probe, finder, get, record)
    if (routes.get !== undefined)
      routes.get.seen += `; ${record.probes('').find(({ id }) => id === 'P9')?.seen ?? ''}`
    habits = { ...habits, ...(await idleOf(watched, record, signal)) }
    if (nature === undefined && routes.echo === undefined && !habits.statusTransparent && !signal.aborted)
      nature = await uniform(target, probe, path, random.stream('uniform'))
    otherwise = 'no route of that kind'
  } else {
    if (nature === undefined && !prior.ok && !signal.aborted && target.exit() === undefined)
      nature = await mute(target, probe, path, random.stream('mute'))
    finder.lack(HTTP1_KINDS, nature ?? `the port does not answer HTTP/1.1: GET ${path}: ${told(first)}`)
    record.note('P1', { ok: false, seen: nature ?? `GET ${path}: ${told(first)}` })
  }
  record.note('P12', { ok: prior.ok || upgrade.ok, seen: `${prior.seen}; ${upgrade.seen}` })
  if (prior.ok || upgrade.ok) {
    const h2c = target.routes.h2c
    const where = h2c ?? routes.get?.path ?? path
    routes.h2c = { path: where, declared: h2c !== undefined, seen: `${prior.seen}; ${upgrade.seen}` }
  } else missing.h2c = `${prior.seen}; ${upgrade.seen}`
  return {
    routes,
    missing,
    http1,
    h2cPrior: prior.ok,
    h2cUpgrade: upgrade.ok,
    ...habits,
    probes: record.probes(otherwise),
    // What ended in the middle of it is a matter of its end.
    ...(nature === undefined || target.exit() !== undefined ? {} : { nature })
  }
}

async function find(probe: Probe, finder: RouteFinder, target: Target, random: RandomStreams): Promise<void> {
  await finder.find('get', (path) => probe.served(path))
  await finder.find('health', (path) => probe.served(path))
  await finder.find('echo', (path) => probe.echoes(path))
  await finder.find('upload', (path) => probe.takesPost(path))
  await finder.find('post', (path) => probe.takesPost(path), finder.routes.echo ?? finder.routes.upload)
  await finder.find('ws', (path) => speaksWebSocket(target, path, random.stream(`ws ${path}`), TIMEOUT_MS))
  await finder.find('sse', (path) => speaksSse(target, path, TIMEOUT_MS))
}

/** The questions that are answered by a route of a kind, found or not. */
function noteRoutes(record: ProbeBook, { routes, missing }: RouteFinder): void {
  const kinds: [ProbeId, RouteKind][] = [
    ['P1', 'get'],
    ['P3', routes.echo === undefined ? 'post' : 'echo'],
    ['P11', 'echo'],
    ['P13', 'ws'],
    ['P14', 'sse']
  ]
  for (const [id, kind] of kinds) {
    const found = routes[kind]
    record.note(id, { ok: found !== undefined, seen: found?.seen ?? missing[kind] ?? 'not asked' })
  }
}

/** How the server treats connections, bodies and unknown paths; each asked alone, for the answers must not disturb each other. */
async function learn(probe: Probe, finder: RouteFinder, get: string, record: ProbeBook): Promise<Habits> {
  const { echo, post, upload } = finder.routes
  const taker = echo ?? post ?? upload
  const body = taker === undefined ? undefined : (await probe.takesPost(taker.path)).taken
  const note = async (id: ProbeId, asked: Promise<Probed>): Promise<boolean> => {
    const probed = await asked
    return record.note(id, probed) || probed.wrong === true
  }
  const keepAlive = await note('P5', probe.keepsAlive(get))
  const echoesGet = echo?.path === get
  return {
    keepAlive,
    pipelining: keepAlive && (await note('P6', probe.pipelines(get, echoesGet))),
    chunked: body !== undefined && (await note('P4', probe.takesChunked(body, echo !== undefined))),
    readsBody: body !== undefined && (await note('P8', probe.readsBody(body))),
    statusTransparent: await note('P2', probe.statusTransparent(get)),
    head: await note('P7', probe.servesHead(get, keepAlive)),
    closes: await note('P9', probe.closes(get)),
    continue100: body !== undefined && (await note('continue', probe.continues(body))),
    baselineMs: await probe.baseline(get, BASELINE_REQUESTS)
  }
}

/** P10: what became of the connection that was kept and asked for nothing. */
async function idleOf(
  watched: Idle | string,
  record: ProbeBook,
  signal: AbortSignal
): Promise<Pick<Capabilities, 'idleCloseMs'>> {
  if (typeof watched === 'string') {
    record.note('P10', { seen: watched })
    return {}
  }
  const { closed, watchedMs } = await watched.end(signal.aborted ? 0 : IDLE_MS)
  record.note('P10', {
    ok: !closed,
    seen: closed ? `closed after ${watchedMs} ms` : `open after ${watchedMs} ms`
  })
  return closed ? { idleCloseMs: watchedMs } : {}
}

async function processOf(target: Target): Promise<{ ok: boolean; seen: string }> {
  if (target.pid === undefined) return { ok: false, seen: 'no process id is known: name it with --pid' }
  const census = await target.census()
  if (census === undefined) return { ok: false, seen: `process ${target.pid} cannot be looked at` }
  const { pids, descriptors, threads } = census
  const held = descriptors === undefined ? 'descriptors cannot be read' : `${descriptors} descriptors`
  return {
    ok: descriptors !== undefined,
    seen: `process ${pids.join(', ')}: ${held}, ${threads ?? '?'} threads`
  }
}
