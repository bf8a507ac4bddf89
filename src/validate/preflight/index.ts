/** What can this server do? Learned before any case is judged, so that no case is judged that cannot apply. */
import { InfraError } from '../../kit/errors.ts'
import type { RandomStreams } from '../../kit/random.ts'
import { ROUTE_KINDS, type Target } from '../../target/types.ts'
import type { Capabilities } from '../contracts.ts'
import { Probe, TIMEOUT_MS, told } from './probe.ts'
import { RouteFinder } from './routes.ts'
import { speaksHttp2, speaksSse, speaksWebSocket, upgradesToHttp2, type Seen } from './streams.ts'

export interface PreflightOptions {
  random: RandomStreams
  signal: AbortSignal
}

const BASELINE_REQUESTS = 20
const HTTP1_KINDS = ROUTE_KINDS.filter((kind) => kind !== 'h2c')

type Habits = Omit<Capabilities, 'routes' | 'missing' | 'http1' | 'h2cPrior' | 'h2cUpgrade'>

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

/**
 * Probes the server on a handful of connections, idle. A declared path is taken at its word and tried alone: what
 * does not answer as its kind stands in `missing` with what was seen; kinds that nobody declared are looked for.
 * @throws InfraError where nothing listens and the process has not ended
 */
export async function preflight(target: Target, { random, signal }: PreflightOptions): Promise<Capabilities> {
  const probe = new Probe(target, random)
  const finder = new RouteFinder(target.routes, signal)
  const { routes, missing } = finder
  const path = target.routes.get ?? '/'

  let first = await probe.get(path)
  if (first.failed === 'ECONNREFUSED' && target.exit() === undefined) {
    throw new InfraError({
      what: `nothing listens on ${target.host}:${target.port}`,
      why: target.output().slice(-3).join(' | ') || 'the connection was refused',
      fix: 'look at the last output of the server'
    })
  }
  const unasked = await probe.unasked()
  if (first.responses.length === 0 && unasked === undefined) first = await probe.get(path)
  const http1 = first.responses.length > 0 && unasked === undefined
  const prior = await speaksHttp2(target, TIMEOUT_MS)
  let upgrade: Seen = { ok: false, seen: 'no HTTP/1.1 to upgrade from' }
  let habits = NO_HABITS
  if (http1) {
    await find(probe, finder, target, random)
    const get = routes.get?.path ?? routes.health?.path ?? path
    upgrade = await upgradesToHttp2(target, get, TIMEOUT_MS)
    if (!signal.aborted) habits = await learn(probe, finder, get)
    if (routes.get !== undefined) routes.get.seen += `; ${await probe.closes(get)}`
  } else {
    const seen =
      unasked === undefined ? `GET ${path}: ${told(first)}` : `it sends ${unasked} before it is asked`
    finder.lack(HTTP1_KINDS, `the port does not answer HTTP/1.1: ${seen}`)
  }
  if (prior.ok || upgrade.ok) {
    const h2c = target.routes.h2c
    const where = h2c ?? routes.get?.path ?? path
    routes.h2c = { path: where, declared: h2c !== undefined, seen: `${prior.seen}; ${upgrade.seen}` }
  } else missing.h2c = `${prior.seen}; ${upgrade.seen}`
  return { routes, missing, http1, h2cPrior: prior.ok, h2cUpgrade: upgrade.ok, ...habits }
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

/** How the server treats connections, bodies and unknown paths; each asked alone, for the answers must not disturb each other. */
async function learn(probe: Probe, finder: RouteFinder, get: string): Promise<Habits> {
  const { echo, post, upload } = finder.routes
  const taker = echo ?? post ?? upload
  const body = taker === undefined ? undefined : (await probe.takesPost(taker.path)).taken
  const keepAlive = await probe.keepsAlive(get)
  const echoesGet = echo?.path === get
  return {
    keepAlive,
    pipelining: keepAlive && (await probe.pipelines(get, echoesGet)),
    chunked: body !== undefined && (await probe.takesChunked(body, echo !== undefined)),
    readsBody: body !== undefined && (await probe.readsBody(body)),
    statusTransparent: await probe.statusTransparent(get),
    head: await probe.servesHead(get, keepAlive),
    continue100: body !== undefined && (await probe.continues(body)),
    baselineMs: await probe.baseline(get, BASELINE_REQUESTS)
  }
}
