/** The one handler behind both protocol adapters. */
import type { Counters } from './counters.ts'
import { type Exchange, HttpError, PeerGone, respondJson } from './exchange.ts'
import { createRouter, type Route } from './router.ts'

/** Never rejects: whatever a handler throws becomes an answer. */
export type Application = (exchange: Exchange) => Promise<void>

export function createApplication(routes: readonly Route[], counters: Counters): Application {
  const route = createRouter(routes)
  return async (exchange) => {
    counters.requests++
    try {
      await route(exchange)
    } catch (error) {
      if (error instanceof PeerGone) return
      if (error instanceof HttpError) {
        respondJson(exchange, error.status, { error: error.message }, error.fields)
        return
      }
      counters.panics++
      process.stderr.write(
        `${exchange.method} ${exchange.target}: ${String((error as Error)?.stack ?? error)}\n`
      )
      respondJson(exchange, 500, { error: 'internal error' })
    }
  }
}
