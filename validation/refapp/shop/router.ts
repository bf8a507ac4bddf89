/** From a request target to a handler: paths, methods, 404 and 405 (RFC 9110 sections 7.1, 9, 15.5). */
import { type Exchange, HttpError } from './exchange.ts'

export interface Call {
  exchange: Exchange
  /** Values of the `:name` segments, percent-decoded. */
  params: Readonly<Record<string, string>>
  query: URLSearchParams
}

export type Handler = (call: Call) => void | Promise<void>

export interface Route {
  /** `/carts/:cart/items` */
  path: string
  /** HEAD is served by GET, OPTIONS by the router. */
  methods: Readonly<Partial<Record<string, Handler>>>
}

interface Compiled {
  segments: readonly string[]
  methods: ReadonlyMap<string, Handler>
  allow: string
}

function compile(route: Route): Compiled {
  const methods = new Map<string, Handler>()
  for (const [method, handler] of Object.entries(route.methods)) {
    if (handler !== undefined) methods.set(method, handler)
  }
  const get = methods.get('GET')
  if (get !== undefined && !methods.has('HEAD')) methods.set('HEAD', get)
  const allow = [...new Set([...methods.keys(), 'OPTIONS'])].filter((name) => name !== '*').join(', ')
  return { segments: route.path.split('/').slice(1), methods, allow }
}

function match(segments: readonly string[], path: readonly string[]): Record<string, string> | undefined {
  if (segments.length !== path.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of segments.entries()) {
    const value = path[index] ?? ''
    if (segment.startsWith(':')) {
      if (value === '') return undefined
      params[segment.slice(1)] = decode(value)
    } else if (segment !== value) return undefined
  }
  return params
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new HttpError(400, 'the path has a bad percent-encoding')
  }
}

/** Path and query of an origin-form or absolute-form target. */
function splitTarget(target: string): { path: string; query: string } {
  let rest = target
  const absolute = /^https?:\/\/[^/?#]+/i.exec(target)
  if (absolute !== null) rest = target.slice(absolute[0].length)
  if (rest === '' || rest.startsWith('?')) rest = `/${rest}`
  if (!rest.startsWith('/') || rest.includes('#')) throw new HttpError(400, 'the request target is malformed')
  const mark = rest.indexOf('?')
  return mark < 0 ? { path: rest, query: '' } : { path: rest.slice(0, mark), query: rest.slice(mark + 1) }
}

/** A handler method named `*` takes every method. */
export function createRouter(routes: readonly Route[]): (exchange: Exchange) => void | Promise<void> {
  const compiled = routes.map(compile)
  const all = [...new Set(compiled.flatMap((route) => route.allow.split(', ')))].join(', ')

  return (exchange) => {
    if (exchange.target === '*' && exchange.method === 'OPTIONS') return exchange.respond(204, { allow: all })
    const { path, query } = splitTarget(exchange.target)
    const segments = path.split('/').slice(1)
    for (const route of compiled) {
      const params = match(route.segments, segments)
      if (params === undefined) continue
      const handler = route.methods.get(exchange.method) ?? route.methods.get('*')
      if (handler !== undefined) return handler({ exchange, params, query: new URLSearchParams(query) })
      if (exchange.method === 'OPTIONS') return exchange.respond(204, { allow: route.allow })
      throw new HttpError(405, `${exchange.method} is not allowed here`, { allow: route.allow })
    }
    throw new HttpError(404, 'no such resource')
  }
}
