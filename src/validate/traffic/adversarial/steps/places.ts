/** Places of the server that some cases need, found by asking. */
import type { HttpResponse } from '../../../../wire/http1.ts'
import { ConnectFailed } from '../../../../wire/tcp.ts'
import type { Place } from '../../../catalogue/http1/steps/index.ts'
import { exchange } from '../../../oracles/exchange.ts'
import type { Stage } from '../trial.ts'

/** Where such places often are. Routes that are known, and other spellings of them, are tried first. */
const GUESSES: Readonly<Record<Place | 'reflecting', readonly string[]>> = {
  static: [
    '/favicon.ico',
    '/robots.txt',
    '/index.html',
    '/static/index.html',
    '/static/app.js',
    '/assets/index.html'
  ],
  redirect: ['/redirect', '/docs', '/swagger', '/static', '/admin', '/login', '/old'],
  method: [],
  auth: ['/me', '/admin', '/private', '/secure', '/account', '/profile', '/user', '/api/me', '/carts'],
  early: [],
  reflecting: [
    '/redirect',
    '/redirect-to',
    '/response-headers',
    '/download',
    '/cookie',
    '/cookies/set',
    '/header',
    '/login'
  ]
}
/** Parameters that routes reflect into Location, Set-Cookie, Content-Disposition and other fields. */
const PARAMETERS = ['to', 'url', 'next', 'redirect', 'return', 'name', 'filename', 'file', 'value', 'q', 'x']
const EARLY_MS = 500

export const LACKING: Readonly<Record<Place, string>> = {
  static: 'no static file was found',
  redirect: 'no route that redirects a POST was found',
  method: 'no route that answers POST with 405 was found',
  auth: 'no route that answers POST with 401 was found',
  early: 'no route answers a POST before its body has come and keeps the connection'
}

export interface Reflection {
  /** Path and parameter. */
  path: string
  parameter: string
  /** Field in which the value came back. */
  field: string
}

export class Places {
  readonly #stage: Stage
  readonly #found = new Map<Place, Promise<string | undefined>>()
  #reflections: Promise<Reflection[]> | undefined

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** Target of such a place, looked for once. */
  find(place: Place): Promise<string | undefined> {
    let found = this.#found.get(place)
    if (found === undefined) this.#found.set(place, (found = this.#find(place)))
    return found
  }

  /** Routes that write a value of the query into a field, looked for once. */
  reflections(): Promise<Reflection[]> {
    this.#reflections ??= this.#reflect()
    return this.#reflections
  }

  get #known(): string[] {
    const { routes } = this.#stage.scene.capabilities
    const { get, post } = this.#stage.scene
    const paths = [
      get.path,
      post?.path,
      routes.get?.path,
      routes.health?.path,
      routes.upload?.path,
      routes.sse?.path,
      routes.ws?.path
    ]
    return [...new Set(paths.flatMap((path) => (path === undefined ? [] : [path.split('?', 1)[0]!])))]
  }

  async #find(place: Place): Promise<string | undefined> {
    const known = this.#known
    const [first = '/'] = known
    if (place === 'early') {
      // Most wait in vain: all at once.
      const early = await Promise.all(known.map((path) => this.#is(place, path)))
      return known.find((_, i) => early[i])
    }
    const other = place === 'redirect' ? [`/${first}`, `/x/..${first}`, `${first}/`] : known
    for (const path of [...other, ...GUESSES[place]]) {
      if (this.#stage.context.signal.aborted) return undefined
      if (await this.#is(place, path)) return path
    }
    return undefined
  }

  async #is(place: Place, path: string): Promise<boolean> {
    switch (place) {
      case 'static': {
        const answer = await this.ask('GET', path)
        return answer?.status === 200 && answer.header('last-modified') !== undefined
      }
      case 'redirect': {
        const status = (await this.ask('POST', path))?.status ?? 0
        return [301, 302, 303, 307, 308].includes(status)
      }
      case 'method':
        return (await this.ask('POST', path))?.status === 405
      case 'auth':
        return (await this.ask('POST', path))?.status === 401
      case 'early':
        return this.#early(path)
    }
  }

  /** One request on a fresh connection, with an empty body where it is a POST. */
  async ask(method: string, target: string): Promise<HttpResponse | undefined> {
    const { dialer, scene, limits } = this.#stage
    const length = method === 'POST' ? 'Content-Length: 0\r\n' : ''
    const bytes = Buffer.from(
      `${method} ${target} HTTP/1.1\r\nHost: ${scene.host}\r\n${length}\r\n`,
      'latin1'
    )
    try {
      const message = { method, segments: [bytes], pauseMs: 0, fin: false, answers: 1 }
      return (await exchange(dialer, message, limits)).responses[0]
    } catch (error) {
      if (error instanceof ConnectFailed) return undefined
      throw error
    }
  }

  async #early(path: string): Promise<boolean> {
    const { dialer, scene, limits } = this.#stage
    try {
      const connection = await dialer.connect(limits.answerMs)
      try {
        await connection.write(`POST ${path} HTTP/1.1\r\nHost: ${scene.host}\r\nContent-Length: 4\r\n\r\n`)
        const head = await connection.waitFor((received) => {
          const end = received.indexOf('\r\n\r\n')
          return end < 0 ? undefined : received.toString('latin1', 0, end)
        }, EARLY_MS)
        await connection.waitClose(20)
        return head !== undefined && connection.state === 'open' && !/^connection:.*close/im.test(head)
      } finally {
        dialer.release(connection)
      }
    } catch (error) {
      if (error instanceof ConnectFailed || (error as Error).name === 'WriteFailed') return false
      throw error
    }
  }

  async #reflect(): Promise<Reflection[]> {
    const known = this.#known
    const [first = '/'] = known
    const paths = [`/${first}`, `/x/..${first}`, `${first}/`, ...known, ...GUESSES.reflecting]
    const random = this.#stage.context.random.stream('steps/reflecting')
    const found: Reflection[] = []
    for (const path of paths) {
      if (this.#stage.context.signal.aborted) break
      const { routes } = this.#stage.scene.capabilities
      // An event stream never ends, and a WebSocket route answers with an upgrade.
      if (path === routes.sse?.path || path === routes.ws?.path) continue
      const nonces = PARAMETERS.map((parameter) => ({ parameter, nonce: random.hex(10) }))
      const query = nonces.map(({ parameter, nonce }) => `${parameter}=${nonce}`).join('&')
      const answer = await this.ask('GET', `${path}?${query}`)
      for (const { parameter, nonce } of nonces) {
        const line = answer?.lines.find((one) => one.includes(nonce))
        if (line !== undefined) found.push({ path, parameter, field: line.slice(0, line.indexOf(':')) })
      }
    }
    return onePerField(found)
  }
}

/** A route that reflects the whole query does so for each parameter: once is enough. */
function onePerField(found: readonly Reflection[]): Reflection[] {
  const seen = new Set<string>()
  return found.filter(({ path, field }) => {
    const key = `${path}\n${field.toLowerCase()}`
    return !seen.has(key) && seen.add(key)
  })
}
