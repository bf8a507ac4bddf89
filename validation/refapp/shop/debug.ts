/** Side listener on loopback with `/debug/vars`: what the server knows about itself, as JSON. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Shop } from './server.ts'

/** Invariants whose data this server publishes. */
const PREDICATES = ['I-CONN-1', 'I-CONN-2', 'I-MEM-1', 'I-PANIC', 'I-MW-SESSION']

const RESOLUTION_MS = 20

/** What a timer of RESOLUTION_MS came later than that, from nanoseconds. */
function lag(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS) : 0
}

async function variables(shop: Shop, delay: ReturnType<typeof monitorEventLoopDelay>): Promise<object> {
  const { counters } = shop
  const gauges = await shop.gauges()
  const memory = process.memoryUsage()
  return {
    memstats: {
      heap_used: memory.heapUsed,
      heap_total: memory.heapTotal,
      rss: memory.rss,
      external: memory.external,
      array_buffers: memory.arrayBuffers
    },
    uptime_seconds: process.uptime(),
    event_loop_lag_ms: lag(delay.mean),
    event_loop_lag_max_ms: lag(delay.max),
    active_handles: process.getActiveResourcesInfo().length,
    connections_accepted_total: counters.connectionsAccepted,
    connections_closed_total: counters.connectionsClosed,
    connections_active: gauges.connectionsActive,
    connections_quietest_ms: gauges.quietestConnectionMs,
    http2_sessions: gauges.http2Sessions,
    requests_total: counters.requests,
    responses_5xx: counters.responses5xx,
    bad_messages_total: counters.badMessages,
    panic_count: counters.panics,
    sse_subscribers: gauges.subscribers,
    sse_events_total: counters.eventsProduced,
    sse_events_kept: gauges.eventsKept,
    sse_dropped_total: counters.subscribersDropped,
    ws_connections: gauges.webSockets,
    accounts: gauges.accounts,
    sessions: gauges.sessions,
    carts: gauges.carts,
    items: gauges.items,
    probatorium: {
      predicates: PREDICATES,
      session_created: counters.sessionsCreated,
      session_expired: counters.sessionsExpired,
      session_ended: counters.sessionsEnded,
      session_owner_mismatches: counters.ownerMismatches
    }
  }
}

export interface DebugListener {
  readonly address: AddressInfo
  stop(): void
}

export async function startDebugListener(shop: Shop): Promise<DebugListener> {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const reset = setInterval(() => delay.reset(), 10_000)
  reset.unref()
  const server = http.createServer((request, response) => {
    const known = request.url?.split('?', 1)[0] === '/debug/vars'
    const allowed = request.method === 'GET' || request.method === 'HEAD'
    if (!known || !allowed) {
      response.writeHead(known ? 405 : 404, known ? { allow: 'GET, HEAD' } : {}).end()
      return
    }
    variables(shop, delay).then(
      (value) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value)),
      () => response.writeHead(500).end()
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, resolve)
  })
  return {
    address: server.address() as AddressInfo,
    stop() {
      clearInterval(reset)
      delay.disable()
      server.close()
      server.closeAllConnections()
    }
  }
}
