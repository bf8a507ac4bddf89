/** Where the cases are played: the routes that serve, what they tell of themselves, and the nonces of each message. */
import type { RandomStream } from '../../../kit/random.ts'
import type { HttpResponse } from '../../../wire/http1.ts'
import { ConnectFailed } from '../../../wire/tcp.ts'
import { render, type Need, type ProtocolCase, type Values } from '../../catalogue/http1/index.ts'
import type { Capabilities } from '../../contracts.ts'
import { isSuccess } from '../../oracles/answers.ts'
import type { Limits } from '../../oracles/deadline.ts'
import type { Dialer } from '../../oracles/dialer.ts'
import { describes, isGarbled, readEcho } from '../../oracles/echo.ts'
import { exchange } from '../../oracles/exchange.ts'
import type { Control } from '../../oracles/liveness.ts'

/** `document`: JSON of the whole request; `body`: the body comes back as it was; `none`: nothing is told. */
export type EchoKind = 'document' | 'body' | 'none'

export interface Scene {
  host: string
  get: { path: string; query: boolean; echo: EchoKind }
  post?: { path: string; query: boolean; echo: EchoKind; type: string; body: string }
  /** Method and path of the requests that carry a nonce. */
  canary: { method: 'GET' | 'POST'; path: string; query: boolean; echo: EchoKind }
  control: Control
  /** Why a need is not met, for those that are not. */
  lacking: Partial<Record<Need, string>>
  capabilities: Capabilities
  /** A message that no reading makes valid is not answered with 2xx: a 2xx is no error page. */
  errorsShow: boolean
}

/** Nonces of one exchange. */
export interface Nonces {
  own: string
  canary: string
  evil: string
  follow: string
}

/** Bodies of three bytes, each with the field that names its type. */
const BODIES = [
  { body: 'abc', type: '' },
  { body: '{ }', type: 'Content-Type: application/json\r\n' },
  { body: 'a=b', type: 'Content-Type: application/x-www-form-urlencoded\r\n' }
]

const withQuery = (path: string, query: boolean, nonce: string): string =>
  query ? `${path}${path.includes('?') ? '&' : '?'}n=${nonce}` : path

function request(method: string, target: string, host: string, fields = '', body?: string): string {
  const length = method === 'POST' ? `Content-Length: ${body?.length ?? 0}\r\n` : ''
  return `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}${length}\r\n${body ?? ''}`
}

/** Finds the routes to play on. A string says why there is no ground to judge anything. */
export async function setScene(
  dialer: Dialer,
  capabilities: Capabilities,
  host: string,
  random: RandomStream,
  limits: Limits
): Promise<Scene | string> {
  const ask = async (
    method: string,
    target: string,
    fields?: string,
    body?: string
  ): Promise<HttpResponse | undefined> => {
    const bytes = Buffer.from(request(method, target, host, fields, body), 'latin1')
    try {
      const seen = await exchange(
        dialer,
        { method, segments: [bytes], pauseMs: 0, fin: false, answers: 1 },
        limits
      )
      return seen.early ? undefined : seen.responses[0]
    } catch (error) {
      if (error instanceof ConnectFailed) return undefined
      throw error
    }
  }
  const { routes, missing } = capabilities
  const nonce = random.hex(12)

  const getOf = async (path: string): Promise<Scene['get'] | undefined> => {
    for (const query of [true, false]) {
      const response = await ask('GET', withQuery(path, query, nonce))
      if (response === undefined || !isSuccess(response)) continue
      const told = readEcho(response.body)
      return {
        path,
        query,
        echo: told !== undefined && (!query || told.target.includes(nonce)) ? 'document' : 'none'
      }
    }
    return undefined
  }
  const postOf = async (path: string): Promise<Scene['post']> => {
    for (const { body, type } of BODIES) {
      const long = body === 'abc' ? `${nonce}${nonce}` : body
      for (const query of [true, false]) {
        const target = withQuery(path, query, nonce)
        const response = await ask('POST', target, type, long)
        if (response === undefined || !isSuccess(response)) continue
        const told = readEcho(response.body)
        if (told !== undefined && describes(told, { method: 'POST', target, body: long }))
          return { path, query, type, body, echo: 'document' }
        const sent = Buffer.from(long, 'latin1')
        const back = response.body.equals(sent) || isGarbled(sent, response.body)
        return { path, query, type, body, echo: back && body === 'abc' ? 'body' : 'none' }
      }
    }
    return undefined
  }

  let post: Scene['post']
  for (const route of [routes.echo, routes.post, routes.upload]) {
    if (route !== undefined) post ??= await postOf(route.path)
  }
  let get: Scene['get'] | undefined
  if (post?.echo === 'document') {
    const told = await getOf(post.path)
    if (told?.echo === 'document') get = told
  }
  for (const route of [routes.get, routes.health]) if (route !== undefined) get ??= await getOf(route.path)
  if (get === undefined)
    return `no plain GET is served with 2xx (${missing.get ?? routes.get?.seen ?? 'no route'})`

  const canary: Scene['canary'] =
    get.echo !== 'document' && post?.echo === 'document'
      ? { ...post, method: 'POST' }
      : { ...get, method: 'GET' }
  const control = {
    method: 'GET',
    bytes: Buffer.from(request('GET', withQuery(get.path, get.query, 'control'), host), 'latin1')
  }
  const errorsShow = capabilities.statusTransparent || !isSuccess(await ask('(', '\0'))
  const lacking: Scene['lacking'] = {}
  if (post === undefined) {
    lacking.post = `no route serves a POST of three bytes (${missing.echo ?? missing.post ?? routes.echo?.seen ?? routes.post?.seen ?? 'none'})`
  }
  if (!capabilities.chunked) lacking.chunked = 'the server does not serve a valid chunked body'
  if (!capabilities.keepAlive) lacking.keepAlive = 'the server closes after each answer'
  if (!capabilities.pipelining)
    lacking.pipelining = 'the server does not answer a second request sent at once with the first'
  if (!capabilities.readsBody) lacking.readsBody = 'the route answers before it has read the body'
  if (!capabilities.head) lacking.head = 'HEAD is not served'
  return {
    host,
    get,
    ...(post === undefined ? {} : { post }),
    canary,
    control,
    lacking,
    capabilities,
    errorsShow
  }
}

/** Echo kind of the route that a template goes to first. */
export function echoOf(scene: Scene, template: string): EchoKind {
  const first = template.replace(/^\s+/, '').split(/[\r\n]/, 1)[0]!
  if (first.startsWith('HEAD') || first.includes('{unknown}')) return 'none'
  return /^\{P\}|^POST/.test(first) ? (scene.post?.echo ?? 'none') : scene.get.echo
}

export function noncesOf(random: RandomStream): Nonces {
  return { own: random.hex(10), canary: random.hex(10), evil: random.hex(10), follow: random.hex(10) }
}

/** Places and nonces as the values of a template. */
export function valuesOf(scene: Scene, nonces: Nonces): Values {
  const { host, get, post, canary } = scene
  const marked = (nonce: string): string =>
    request(canary.method, withQuery(canary.path, canary.query, nonce), host)
  return {
    host,
    name: host.replace(/:\d*$/, ''),
    get: withQuery(get.path, get.query, nonces.own),
    path: get.path,
    post: post === undefined ? '/' : withQuery(post.path, post.query, nonces.own),
    unknown: `/no-such-path-${nonces.own}`,
    type: post?.type ?? '',
    body: post?.body ?? 'abc',
    canary: marked(nonces.canary),
    evil: marked(nonces.evil)
  }
}

/** The follow-up request of an exchange. */
export function followUpOf(scene: Scene, nonces: Nonces): Buffer {
  const { method, path, query } = scene.canary
  return Buffer.from(request(method, withQuery(path, query, nonces.follow), scene.host), 'latin1')
}

/** Where a case demands a segment border and a pause, whatever the segmentation of the round. */
export const CUT = '{CUT}'

export function bytesOf(template: string, values: Values): Buffer {
  return Buffer.from(render(template, values), 'latin1')
}

/** Why the case cannot be judged on this server, or undefined. */
export function obstacle(scene: Scene, entry: ProtocolCase): string | undefined {
  for (const need of entry.needs) {
    const reason = scene.lacking[need]
    if (reason !== undefined) return reason
  }
  return undefined
}
