/** One port, one handler: the engine that was asked for, its life from listening to a graceful stop. */
import type { AddressInfo, Socket } from 'node:net'
import { createApplication } from './application.ts'
import { type Counters, createCounters } from './counters.ts'
import { createFeed } from './feed.ts'
import { createHttp1Server } from './http1.ts'
import { createHttp2Side } from './http2.ts'
import { limits } from './limits.ts'
import { type Options } from './options.ts'
import { sniffPreface } from './preface.ts'
import { publicRoutes } from './public-routes.ts'
import { sessionRoutes } from './session-routes.ts'
import { createSockets } from './sockets.ts'
import { createStore } from './store.ts'

/** What the server holds at this moment. */
export interface Gauges {
  connectionsActive: number
  /** Time since the last byte, either way, of the quietest open connection, ms. */
  quietestConnectionMs: number
  http2Sessions: number
  webSockets: number
  subscribers: number
  eventsKept: number
  accounts: number
  sessions: number
  carts: number
  items: number
}

export interface Shop {
  readonly address: AddressInfo
  readonly counters: Counters
  gauges(): Promise<Gauges>
  /** Finishes what is under way and closes everything, within `limits.stopTimeout`. */
  stop(): Promise<void>
}

interface Activity {
  bytes: number
  at: number
}

/** Starts the server; rejects when the address cannot be bound. */
export async function startShop(options: Options): Promise<Shop> {
  const counters = createCounters()
  const store = createStore(counters)
  const feed = createFeed(counters)
  const sockets = createSockets()
  const application = createApplication(
    [...publicRoutes(options.engine, feed), ...sessionRoutes(store, counters)],
    counters
  )
  let stopping = false
  const server = createHttp1Server({ application, counters, sockets, stopping: () => stopping })
  server.maxConnections = limits.connections
  const http2 = createHttp2Side(application, counters)

  if (options.engine === 'node-http2') {
    // node:http's own connection listener, called only once the bytes say HTTP/1.
    const serveHttp1 = server.listeners('connection') as ((socket: Socket) => void)[]
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => {
      sniffPreface(socket, (protocol) => {
        if (protocol === 'http2') return http2.accept(socket)
        for (const listener of serveHttp1) listener.call(server, socket)
        socket.resume()
      })
    })
  }

  const open = new Map<Socket, Activity>()
  server.on('connection', (socket: Socket) => {
    counters.connectionsAccepted++
    open.set(socket, { bytes: 0, at: Date.now() })
    socket.once('close', () => {
      counters.connectionsClosed++
      open.delete(socket)
    })
  })
  const watch = setInterval(() => {
    const now = Date.now()
    for (const [socket, activity] of open) {
      const bytes = socket.bytesRead + socket.bytesWritten
      if (bytes !== activity.bytes) Object.assign(activity, { bytes, at: now })
    }
  }, 1_000)
  watch.unref()

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, resolve)
  })
  server.on('error', (error) => process.stderr.write(`listener: ${error.message}\n`))

  return {
    address: server.address() as AddressInfo,
    counters,

    async gauges() {
      // The listener's own count, not the difference of the two totals it is compared with.
      const connectionsActive = await new Promise<number>((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
      })
      const oldest = Math.min(Date.now(), ...[...open.values()].map((activity) => activity.at))
      return {
        connectionsActive,
        quietestConnectionMs: Date.now() - oldest,
        http2Sessions: http2.sessions,
        webSockets: sockets.connections,
        subscribers: feed.subscribers,
        eventsKept: feed.kept,
        ...store.sizes()
      }
    },

    async stop() {
      if (stopping) return
      stopping = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      feed.close()
      sockets.close()
      http2.close()
      for (const socket of open.keys()) if (socket.bytesRead === 0) socket.destroy()
      const idle = setInterval(() => server.closeIdleConnections(), 50)
      const deadline = setTimeout(() => {
        sockets.terminate()
        for (const socket of open.keys()) socket.destroy()
      }, limits.stopTimeout)
      await closed
      clearInterval(idle)
      clearInterval(watch)
      clearTimeout(deadline)
      store.close()
    }
  }
}
