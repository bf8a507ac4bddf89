/** The questions of the preflight, each on connections of its own. */
import type { RandomStreams } from '../../kit/random.ts'
import type { Target } from '../../target/types.ts'
import { formatRequest, type HttpResponse } from '../../wire/http1.ts'
import { Connection, ConnectFailed, WriteFailed } from '../../wire/tcp.ts'
import { isSuccess, readAnswers } from '../oracles/answers.ts'
import { describes, readEcho } from '../oracles/echo.ts'
import { ask, type Reply } from './ask.ts'
import type { Probed } from './routes.ts'

export const TIMEOUT_MS = 2000
/** A server that has not answered a half sent body by then waits for the rest. */
const READS_BODY_MS = 300
const CONTINUE_MS = 500
const IDLE_LOOK_MS = 20

const BODIES = [
  { body: 'abc', type: undefined },
  { body: '{ }', type: 'application/json' },
  { body: 'a=b', type: 'application/x-www-form-urlencoded' }
]

interface Body {
  path: string
  body: string
  type: string | undefined
}

const NO_CONNECTION: Probed = { ok: false, seen: 'no connection could be had' }

/** A kept connection that asks for nothing more. */
export interface Idle {
  /** Ends the watch, at the earliest so long after its begin: whether the server closed, and after how long, ms. */
  end(leastMs: number): Promise<{ closed: boolean; watchedMs: number }>
}

export class Probe {
  readonly #target: Target
  readonly #random: RandomStreams

  constructor(target: Target, random: RandomStreams) {
    this.#target = target
    this.#random = random
  }

  bytes(method: string, path: string, options: { body?: string; fields?: [string, string][] } = {}): Buffer {
    const { body, fields = [] } = options
    const headers: [string, string][] = [['Host', this.#target.authority], ...fields]
    if (body !== undefined) headers.push(['Content-Length', String(Buffer.byteLength(body))])
    return formatRequest({ method, target: path, headers, ...(body === undefined ? {} : { body }) })
  }

  ask(
    bytes: Buffer,
    methods: string[],
    more: { timeoutMs?: number; waitCloseMs?: number } = {}
  ): Promise<Reply> {
    const { host, port } = this.#target
    return ask({ host, port, bytes, methods, timeoutMs: TIMEOUT_MS, ...more })
  }

  get(path: string, timeoutMs = TIMEOUT_MS): Promise<Reply> {
    return this.ask(this.bytes('GET', path), ['GET'], { timeoutMs })
  }

  async served(path: string): Promise<Probed> {
    const reply = await this.get(path)
    return { ok: isSuccess(reply.responses[0]), seen: `GET ${path}: ${told(reply)}` }
  }

  /** A POST of three bytes, of the first type that is served. */
  async takesPost(path: string): Promise<Probed & { taken?: Body }> {
    let seen = ''
    for (const { body, type } of BODIES) {
      const fields: [string, string][] = type === undefined ? [] : [['Content-Type', type]]
      const reply = await this.ask(this.bytes('POST', path, { body, fields }), ['POST'])
      if (isSuccess(reply.responses[0])) {
        const of = type === undefined ? '' : ` of ${type}`
        return { ok: true, seen: `POST ${path}${of}: ${told(reply)}`, taken: { path, body, type } }
      }
      seen ||= `POST ${path}: ${told(reply)}`
      if (
        reply.responses[0]?.status === 404 ||
        reply.responses[0]?.status === 405 ||
        reply.responses.length === 0
      )
        break
    }
    return { ok: false, seen }
  }

  /** P3: a random body comes back within the description of the request. */
  async echoes(path: string): Promise<Probed> {
    const body = this.#random.stream(`echo ${path}`).hex(40)
    const reply = await this.ask(this.bytes('POST', path, { body }), ['POST'])
    const response = reply.responses[0]
    if (response === undefined || !isSuccess(response))
      return { ok: false, seen: `POST ${path}: ${told(reply)}` }
    const echo = readEcho(response.body)
    if (echo === undefined)
      return { ok: false, seen: `POST ${path}: ${response.status}, not an echo of the request` }
    const same = echo.method === 'POST' && echo.body.toString('latin1') === body
    return {
      ok: same || describes(echo, { method: 'POST', target: path, body }),
      seen: `POST ${path}: ${same ? 'method, target, fields and body came back' : 'an echo with another body'}`
    }
  }

  /** P2: a path that no route takes does not answer like the known one. */
  async statusTransparent(known: string): Promise<Probed> {
    const unknown = await this.get(`/no-such-path-${this.#random.stream('unknown').hex(12)}`)
    const control = await this.get(known)
    const ok =
      unknown.responses[0] !== undefined && unknown.responses[0].status !== control.responses[0]?.status
    return { ok, seen: `GET of a path that is not there: ${told(unknown)}, GET ${known}: ${told(control)}` }
  }

  /** P4: the same body in two chunks is served, and by an echo given back. */
  async takesChunked(route: Body, echo: boolean): Promise<Probed> {
    const { path, type } = route
    const body = echo ? this.#random.stream('chunked').hex(24) : route.body
    const cut = echo ? 10 : 1
    const fields: [string, string][] = [['Transfer-Encoding', 'chunked']]
    if (type !== undefined && !echo) fields.unshift(['Content-Type', type])
    const chunks = [body.slice(0, cut), body.slice(cut)].map(
      (part) => `${part.length.toString(16)}\r\n${part}\r\n`
    )
    const bytes = Buffer.concat([
      this.bytes('POST', path, { fields }),
      Buffer.from(`${chunks.join('')}0\r\n\r\n`, 'latin1')
    ])
    const reply = await this.ask(bytes, ['POST'])
    const response = reply.responses[0]
    const seen = `POST ${path} in two chunks: ${told(reply)}`
    if (response === undefined || !isSuccess(response)) return { ok: false, seen }
    if (!echo) return { ok: true, seen }
    const ok = readEcho(response.body)?.body.toString('latin1') === body
    return { ok, wrong: !ok, seen: `${seen}, the echo ${ok ? 'shows the body' : 'shows another body'}` }
  }

  /** P5: a second request on a connection whose first was answered. */
  keepsAlive(path: string): Promise<Probed> {
    const one = this.bytes('GET', path)
    return this.#on(NO_CONNECTION, async (connection) => {
      await send(connection, one)
      const first = await this.#answers(connection, 'GET', 1)
      if (first.length < 1) return { ok: false, seen: 'the first request was not answered' }
      if (connection.state !== 'open') return { ok: false, seen: 'closed after the first answer' }
      await send(connection, one)
      const ok = (await this.#answers(connection, 'GET', 2)).length >= 2
      const wrong = !ok && connection.state === 'open'
      return { ok, wrong, seen: ok ? 'two answers on one connection' : 'the second request was not answered' }
    })
  }

  /** P6: two requests in one write, two answers, and in order where an echo can tell. */
  async pipelines(path: string, tells: boolean): Promise<Probed> {
    const targets = tells ? ['first', 'second'].map((name) => `${path}?probe=${name}`) : [path, path]
    const both = Buffer.concat(targets.map((target) => this.bytes('GET', target)))
    const { responses, error, closed } = await this.ask(both, ['GET', 'GET'])
    const statuses = responses.map(({ status }) => status).join(' and ')
    const seen = `two requests in one write: ${statuses === '' ? 'no answer' : statuses}`
    // A server may close after the first answer, and not pass over the second request or take it apart.
    const wrong = isSuccess(responses[0]) && (error !== undefined || closed === 'open')
    if (responses.length !== 2 || !responses.every(isSuccess)) return { ok: false, wrong, seen }
    const ok = !tells || responses.every((response, i) => readEcho(response.body)?.target === targets[i])
    return { ok, wrong: !ok, seen: `${seen}${ok ? '' : ', not in the order of the requests'}` }
  }

  /** P7: HEAD is served without a body; a second request on the connection shows where its answer ends. */
  async servesHead(path: string, keepAlive: boolean): Promise<Probed> {
    if (!keepAlive) {
      const reply = await this.ask(this.bytes('HEAD', path), ['HEAD'], { waitCloseMs: 200 })
      const wrong = isSuccess(reply.responses[0]) && reply.error !== undefined
      return { ok: isSuccess(reply.responses[0]) && !wrong, wrong, seen: `HEAD: ${told(reply)}` }
    }
    const bytes = Buffer.concat([this.bytes('HEAD', path), this.bytes('GET', path)])
    return this.#on(NO_CONNECTION, async (connection) => {
      await send(connection, bytes)
      const answers = await this.#answers(connection, 'HEAD', 2)
      const ok = answers.length === 2 && answers.every(isSuccess)
      const { error } = readAnswers(connection.received, 'HEAD', connection.state !== 'open')
      const wrong = !ok && isSuccess(answers[0]) && (error !== undefined || connection.state === 'open')
      const statuses = answers.map(({ status }) => status).join(' and ')
      const seen = `HEAD and a GET behind it: ${statuses === '' ? 'no answer' : statuses}`
      return { ok, wrong, seen: error === undefined ? seen : `${seen}, and ${error.message}` }
    })
  }

  /** P8: half a body is not answered, the whole one is. */
  readsBody(route: Body): Promise<Probed> {
    const bytes = this.#withBody(route)
    return this.#on(NO_CONNECTION, async (connection) => {
      await send(connection, bytes.subarray(0, bytes.length - 1))
      const early = await this.#answers(connection, 'POST', 1, READS_BODY_MS)
      if (early.length > 0) return { ok: false, seen: `answers ${early[0]!.status} before the body is whole` }
      if (connection.state !== 'open') return { ok: false, seen: 'closed before the body was whole' }
      await send(connection, bytes.subarray(bytes.length - 1))
      const ok = (await this.#answers(connection, 'POST', 1)).length === 1
      return { ok, seen: ok ? 'waits for the whole body' : 'does not answer the whole body' }
    })
  }

  #withBody({ path, body, type }: Body, more: [string, string][] = []): Buffer {
    const fields: [string, string][] = type === undefined ? more : [['Content-Type', type], ...more]
    return this.bytes('POST', path, { body, fields })
  }

  /** P9: whether Connection: close closes. */
  async closes(path: string): Promise<Probed> {
    const bytes = this.bytes('GET', path, { fields: [['Connection', 'close']] })
    const { responses, closed } = await this.ask(bytes, ['GET'], { waitCloseMs: 500 })
    if (responses.length === 0) return { ok: false, seen: 'no answer with Connection: close' }
    return closed === 'open'
      ? { ok: false, seen: 'stays open after Connection: close' }
      : { ok: true, seen: 'closes after Connection: close' }
  }

  /**
   * P10: begins to watch a kept connection that asks for nothing more. Where others are not served beside it, it is
   * given up at once: a server of one connection at a time would serve nobody.
   */
  async idle(path: string): Promise<Idle | string> {
    const { host, port } = this.#target
    let connection: Connection
    try {
      connection = await Connection.connect({ host, port, timeoutMs: TIMEOUT_MS })
    } catch (error) {
      if (error instanceof ConnectFailed) return NO_CONNECTION.seen
      throw error
    }
    await send(connection, this.bytes('GET', path))
    const first = await this.#answers(connection, 'GET', 1)
    const since = performance.now()
    let closedAt: number | undefined
    const look = setInterval(() => {
      if (connection.state !== 'open') closedAt ??= performance.now()
    }, IDLE_LOOK_MS)
    const beside = first.length === 0 ? undefined : await this.get(path)
    if (beside?.responses[0] === undefined) {
      clearInterval(look)
      connection.destroy()
      return first.length === 0 ? 'the first request was not answered' : 'nobody is served beside an idle one'
    }
    return {
      async end(leastMs) {
        const left = since + leastMs - performance.now()
        if (left > 0 && connection.state === 'open') await connection.waitClose(left)
        const closed = connection.state !== 'open'
        const end = closed ? (closedAt ?? performance.now()) : performance.now()
        clearInterval(look)
        connection.destroy()
        return { closed, watchedMs: Math.max(0, Math.round(end - since)) }
      }
    }
  }

  /** 100 comes before the body, a final answer after it. */
  continues(route: Body): Promise<Probed> {
    const bytes = this.#withBody(route, [['Expect', '100-continue']])
    const head = bytes.subarray(0, bytes.length - route.body.length)
    return this.#on(NO_CONNECTION, async (connection) => {
      await send(connection, head)
      const line = await connection.waitFor(
        (received) => (received.length >= 12 ? received.toString('latin1', 0, 12) : undefined),
        CONTINUE_MS
      )
      if (line !== 'HTTP/1.1 100')
        return { ok: false, seen: line === undefined ? 'no 100 before the body' : `${line} before the body` }
      await send(connection, Buffer.from(route.body))
      const ok = isSuccess((await this.#answers(connection, 'POST', 1))[0])
      return { ok, seen: ok ? '100, then the answer' : '100, and no 2xx after the body' }
    })
  }

  /** 95th percentile of so many control requests, each on a fresh connection, ms. */
  async baseline(path: string, count: number): Promise<number> {
    const bytes = this.bytes('GET', path)
    const times: number[] = []
    for (let i = 0; i < count; i++) times.push((await this.ask(bytes, ['GET'])).ms)
    times.sort((a, b) => a - b)
    return Math.round((times[Math.floor(times.length * 0.95)] ?? 0) * 100) / 100
  }

  async #answers(
    connection: Connection,
    method: string,
    count: number,
    timeoutMs = TIMEOUT_MS
  ): Promise<HttpResponse[]> {
    const look = (): HttpResponse[] =>
      readAnswers(connection.received, method, connection.state !== 'open').responses
    await connection.waitFor(() => (look().length >= count ? true : undefined), timeoutMs)
    return look()
  }

  /** Runs on a fresh connection; `otherwise` where none can be had. */
  async #on<T>(otherwise: T, work: (connection: Connection) => Promise<T>): Promise<T> {
    const { host, port } = this.#target
    let connection: Connection
    try {
      connection = await Connection.connect({ host, port, timeoutMs: TIMEOUT_MS })
    } catch (error) {
      if (error instanceof ConnectFailed) return otherwise
      throw error
    }
    try {
      return await work(connection)
    } finally {
      connection.destroy()
    }
  }
}

async function send(connection: Connection, bytes: Buffer): Promise<void> {
  await connection.write(bytes).catch((error: unknown) => {
    if (!(error instanceof WriteFailed)) throw error
  })
}

/** Status, or what came in its place. */
export function told({ responses, failed, error, closed, received }: Reply): string {
  if (responses[0] !== undefined) return String(responses[0].status)
  if (error !== undefined) return `no HTTP/1 (${error.message})`
  if (failed !== undefined) return failed
  if (closed !== 'open') return `closed (${closed}) without an answer`
  return received.length > 0 ? 'an answer that does not end' : 'no answer'
}
