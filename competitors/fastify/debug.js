import http from 'node:http'

/** The side listener on loopback: `/debug/vars` as JSON. */
export async function serveDebug(app, stats, feed) {
  const server = http.createServer(async (request, response) => {
    if (request.url !== '/debug/vars') return response.writeHead(404).end()
    const active = await new Promise((resolve) => app.server.getConnections((error, count) => resolve(count)))
    const memory = process.memoryUsage()
    const variables = {
      memstats: {
        heap_used: memory.heapUsed,
        heap_total: memory.heapTotal,
        rss: memory.rss,
        external: memory.external
      },
      active_handles: process.getActiveResourcesInfo().length,
      connections_accepted_total: stats.accepted,
      connections_closed_total: stats.closed,
      connections_active: active,
      requests_total: stats.requests,
      responses_5xx: stats.responses5xx,
      panic_count: stats.panics,
      sse_subscribers: feed.size,
      ws_connections: app.websocketServer.clients.size,
      probatorium: { predicates: ['I-CONN-2', 'I-MEM-1', 'I-PANIC'] }
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(variables))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
