/** What can this server do? Learned before any case is judged, so that no case is judged that cannot apply. */
import type { RandomStreams } from '../../kit/random.ts'
import { InfraError } from '../../kit/errors.ts'
import type { RouteKind, Target } from '../../target/types.ts'
import type { Capabilities, ProbedRoute } from '../contracts.ts'
import { formatRequest, type HttpResponse } from '../../wire/http1.ts'
import { ask, type Reply } from './ask.ts'
import { readEcho } from './echo.ts'
import { speaksHttp2, speaksSse, speaksWebSocket, upgradesToHttp2 } from './streams.ts'

export interface PreflightOptions {
  random: RandomStreams
  signal: AbortSignal
}

/** Paths that are tried for a kind that nobody named. */
const USUAL: Record<RouteKind, readonly string[]> = {
  get: ['/', '/health', '/healthz', '/index.html'],
  post: ['/echo', '/post', '/'],
  echo: ['/echo', '/'],
  upload: ['/upload'],
  ws: ['/ws', '/websocket', '/socket', '/echo', '/'],
  sse: ['/events', '/sse', '/stream'],
  h2c: ['/'],
  health: ['/healthz', '/health', '/livez', '/']
}

const TIMEOUT_MS = 3000
const BASELINE_REQUESTS = 20

/** Probes the server. Throws InfraError only where the server cannot be reached at all. */
export async function preflight(target: Target, { random, signal }: PreflightOptions): Promise<Capabilities> {
  const probe = new Probe(target, random)
  const routes: Capabilities['routes'] = {}
  const missing: Capabilities['missing'] = {}
  const find = async (
    kind: RouteKind,
    test: (path: string) => Promise<{ ok: boolean; seen: string }>
  ): Promise<void> => {
    const declared = target.routes[kind]
    const tried: string[] = []
    for (const path of declared === undefined ? USUAL[kind] : [declared]) {
      if (signal.aborted) break
      const { ok, seen } = await test(path)
      if (ok) {
        routes[kind] = { path, declared: declared !== undefined, seen }
        return
      }
      tried.push(seen)
    }
    missing[kind] =
      declared === undefined
        ? `not declared and not found (${tried.join('; ')})`
        : `declared, but ${tried.join('; ')}`
  }

  const first = await probe.request('GET', target.routes.get ?? '/')
  if (
    first.failed !== undefined &&
    first.responses.length === 0 &&
    target.exit() === undefined &&
    /ECONNREFUSED/.test(first.failed)
  ) {
    throw new InfraError({
      what: `nothing listens on ${target.host}:${target.port}`,
      fix: 'look at the last output of the server',
      why: target.output().slice(-3).join(' | ')
    })
  }
  const http1 = first.responses.length > 0
  const h2c = await speaksHttp2(target, TIMEOUT_MS)
  if (http1) {
    await find('get', (path) => probe.answers2xx('GET', path))
    await find('health', (path) => probe.answers2xx('GET', path))
    await find('echo', (path) => probe.echoes(path))
    await find('post', (path) => probe.answers2xx('POST', path))
    await find('upload', (path) => probe.answers2xx('POST', path))
    await find('ws', (path) => speaksWebSocket(target, path, random.stream(`ws ${path}`), TIMEOUT_MS))
    await find('sse', (path) => speaksSse(target, path, TIMEOUT_MS))
  } else {
    for (const kind of ['get', 'post', 'echo', 'upload', 'ws', 'sse', 'health'] as const)
      missing[kind] = 'the port does not answer HTTP/1.1'
  }
  const get = routes.get?.path ?? target.routes.get ?? '/'
  const upgrade = http1
    ? await upgradesToHttp2(target, get, TIMEOUT_MS)
    : { ok: false, seen: 'the port does not answer HTTP/1.1' }
  if (h2c.ok || upgrade.ok)
    routes.h2c = {
      path: target.routes.h2c ?? get,
      declared: target.routes.h2c !== undefined,
      seen: `${h2c.seen}; ${upgrade.seen}`
    }
  else missing.h2c = `${h2c.seen}; ${upgrade.seen}`
  return {
    routes,
    missing,
    http1,
    h2cPrior: h2c.ok,
    h2cUpgrade: upgrade.ok,
    ...(await probe.habits(get, routes.echo ?? routes.post))
  }
}

class Probe {
  readonly #target: Target
  readonly #random: RandomStreams

  constructor(target: Target, random: RandomStreams) {
    this.#target = target
    this.#random = random
  }

  #bytes(method: string, path: string, body?: Buffer | string, headers: [string, string][] = []): Buffer {
    const length: [string, string][] =
      body === undefined ? [] : [['Content-Length', String(Buffer.byteLength(body))]]
    const all: [string, string][] = [['Host', this.#target.authority], ...headers, ...length]
    return formatRequest({ method, target: path, headers: all, ...(body === undefined ? {} : { body }) })
  }

  #ask(
    bytes: Buffer,
    methods: string[],
    more: { timeoutMs?: number; waitCloseMs?: number } = {}
  ): Promise<Reply> {
    const { host, port } = this.#target
    return ask({ host, port, bytes, methods, timeoutMs: TIMEOUT_MS, ...more })
  }

  request(method: string, path: string): Promise<Reply> {
    return this.#ask(this.#bytes(method, path, method === 'POST' ? 'probe' : undefined), [method])
  }

  async answers2xx(method: 'GET' | 'POST', path: string): Promise<{ ok: boolean; seen: string }> {
    const reply = await this.request(method, path)
    const status = reply.responses[0]?.status
    return {
      ok: isSuccess(reply.responses[0]),
      seen: `${method} ${path}: ${status ?? reply.failed ?? reply.error?.message ?? 'no answer'}`
    }
  }

  async echoes(path: string): Promise<{ ok: boolean; seen: string }> {
    const body = this.#random.stream(`echo ${path}`).hex(40)
    const reply = await this.#ask(this.#bytes('POST', path, body), ['POST'])
    const response = reply.responses[0]
    if (response === undefined || !isSuccess(response))
      return { ok: false, seen: `POST ${path}: ${response?.status ?? 'no answer'}` }
    const echo = readEcho(response.body)
    if (echo === undefined) return { ok: false, seen: `POST ${path}: ${response.status}, not an echo` }
    const ok = echo.method === 'POST' && echo.body.toString('latin1') === body
    return { ok, seen: ok ? `POST ${path}: the body came back` : `POST ${path}: an echo with another body` }
  }

  /** P3 to P10: how the server treats connections, bodies and unknown paths. */
  async habits(
    get: string,
    body: ProbedRoute | undefined
  ): Promise<Omit<Capabilities, 'routes' | 'missing' | 'http1' | 'h2cPrior' | 'h2cUpgrade'>> {
    const one = this.#bytes('GET', get)
    const nonce = this.#random.stream('unknown').hex(12)
    const [pipelined, unknown, control, head] = await Promise.all([
      this.#ask(Buffer.concat([one, one]), ['GET', 'GET']),
      this.request('GET', `/no-such-path-${nonce}`),
      this.request('GET', get),
      this.#ask(this.#bytes('HEAD', get), ['HEAD'], { waitCloseMs: 50 })
    ])
    const chunkedText = 'POST-CHUNKED'
    const chunked =
      body === undefined
        ? undefined
        : await this.#ask(
            Buffer.concat([
              this.#bytes('POST', body.path, undefined, [['Transfer-Encoding', 'chunked']]),
              Buffer.from(`${chunkedText.length.toString(16)}\r\n${chunkedText}\r\n0\r\n\r\n`)
            ]),
            ['POST']
          )
    const early =
      body === undefined
        ? undefined
        : await this.#ask(
            Buffer.concat([
              this.#bytes('POST', body.path, undefined, [['Content-Length', '2']]),
              Buffer.from('a')
            ]),
            ['POST'],
            { timeoutMs: 300 }
          )
    const waiting = body === undefined ? undefined : await this.#continues(body.path)
    const keepAlive = pipelined.responses[0]?.keepAlive === true
    return {
      keepAlive,
      pipelining: pipelined.responses.length === 2 && pipelined.responses.every(isSuccess),
      chunked: chunked !== undefined && isSuccess(chunked.responses[0]),
      readsBody: early !== undefined && early.responses.length === 0 && early.failed === undefined,
      statusTransparent:
        unknown.responses[0] !== undefined && unknown.responses[0].status !== control.responses[0]?.status,
      head: head.responses[0] !== undefined && head.error === undefined && head.responses[0].status < 400,
      continue100: waiting === true,
      baselineMs: await this.#baseline(one)
    }
  }

  async #continues(path: string): Promise<boolean> {
    const bytes = this.#bytes('POST', path, undefined, [
      ['Content-Length', '2'],
      ['Expect', '100-continue']
    ])
    const { received } = await this.#ask(bytes, ['POST'], { timeoutMs: 500 })
    return received.toString('latin1', 0, 12) === 'HTTP/1.1 100'
  }

  async #baseline(bytes: Buffer): Promise<number> {
    const times: number[] = []
    for (let i = 0; i < BASELINE_REQUESTS; i++) times.push((await this.#ask(bytes, ['GET'])).ms)
    times.sort((a, b) => a - b)
    return Math.round(times[Math.floor(times.length * 0.95)]! * 100) / 100
  }
}

function isSuccess(response: HttpResponse | undefined): boolean {
  return response !== undefined && response.status >= 200 && response.status < 300
}
