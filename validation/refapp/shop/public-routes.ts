/** Routes that need no session. */
import { createHash } from 'node:crypto'
import { HttpError, readBody, respondJson } from './exchange.ts'
import type { Feed } from './feed.ts'
import { limits } from './limits.ts'
import { type Representation, respondRepresentation } from './preconditions.ts'
import type { Route } from './router.ts'

function createCatalogue(): Representation {
  const products = Array.from({ length: 24 }, (_, index) => ({
    sku: `sku-${index + 1}`,
    name: `Product ${index + 1}`,
    cents: 199 + index * 250
  }))
  const body = JSON.stringify({ products })
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }
}

/** Service card, health, echo, upload, catalogue, event stream, and the answer to a plain GET of the WebSocket. */
export function publicRoutes(engine: string, feed: Feed): Route[] {
  const catalogue = createCatalogue()
  const card = {
    service: 'shop',
    engine,
    routes: ['/', '/healthz', '/echo', '/login', '/logout', '/me', '/carts', '/carts/{cart}/items'].concat([
      '/catalog',
      '/upload',
      '/ws',
      '/events'
    ])
  }
  return [
    { path: '/', methods: { GET: ({ exchange }) => respondJson(exchange, 200, card) } },
    { path: '/healthz', methods: { GET: ({ exchange }) => respondJson(exchange, 200, { status: 'ok' }) } },
    {
      path: '/echo',
      methods: {
        '*': async ({ exchange }) => {
          const body = await readBody(exchange, limits.bodyBytes)
          respondJson(exchange, 200, {
            method: exchange.method,
            target: exchange.target,
            headers: exchange.fields,
            body: body.toString('base64')
          })
        }
      }
    },
    {
      path: '/catalog',
      methods: {
        GET: ({ exchange }) => respondRepresentation(exchange, catalogue, 'public, max-age=60')
      }
    },
    {
      path: '/upload',
      methods: {
        POST: async ({ exchange }) => {
          const hash = createHash('sha256')
          let bytes = 0
          await exchange.consume(limits.bodyBytes, (chunk) => {
            bytes += chunk.length
            hash.update(chunk)
          })
          respondJson(exchange, 200, { bytes, sha256: hash.digest('hex') })
        }
      }
    },
    {
      path: '/events',
      methods: {
        GET: ({ exchange }) => {
          const accept = exchange.header('accept')
          if (accept !== undefined && !/text\/(event-stream|\*)|\*\/\*/i.test(accept)) {
            throw new HttpError(406, 'only text/event-stream is served here')
          }
          if (feed.subscribers >= limits.subscribers) {
            throw new HttpError(503, 'too many subscribers', { 'retry-after': '5' })
          }
          const fields = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
          if (exchange.method === 'HEAD') return exchange.respond(200, fields)
          feed.subscribe(exchange.open(200, fields), exchange.header('last-event-id'))
        }
      }
    },
    {
      path: '/ws',
      methods: {
        GET: ({ exchange }) => {
          if (exchange.protocol === 'HTTP/2.0')
            throw new HttpError(400, 'WebSocket is served over HTTP/1.1 only')
          throw new HttpError(426, 'WebSocket only', {
            connection: 'Upgrade',
            upgrade: 'websocket',
            'sec-websocket-version': '13'
          })
        }
      }
    }
  ]
}
