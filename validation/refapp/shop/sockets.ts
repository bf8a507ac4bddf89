/** The WebSocket echo (RFC 6455) on top of `ws`. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { limits } from './limits.ts'

export interface Sockets {
  /** Answers an upgrade request, with 101 or the error it deserves. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void
  readonly connections: number
  /** Says goodbye to every client with 1001 (going away). */
  close(): void
  terminate(): void
}

export function createSockets(): Sockets {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.webSocketMessageBytes,
    perMessageDeflate: false
  })
  // Clients that have not answered the last ping.
  const silent = new WeakSet<WebSocket>()

  const serve = (client: WebSocket): void => {
    client.on('error', () => undefined)
    client.on('pong', () => silent.delete(client))
    client.on('message', (data, isBinary) => {
      client.send(data as Buffer, { binary: isBinary }, () => {
        if (client.isPaused && client.bufferedAmount <= limits.webSocketBacklogBytes / 2) client.resume()
      })
      // A client that does not read its echoes is not read from either, so nothing piles up here.
      if (client.bufferedAmount > limits.webSocketBacklogBytes) client.pause()
    })
  }

  const ping = setInterval(() => {
    for (const client of server.clients) {
      if (client.readyState !== WebSocket.OPEN) continue
      if (silent.has(client)) {
        client.terminate()
        continue
      }
      silent.add(client)
      client.ping()
    }
  }, limits.webSocketPingInterval)
  ping.unref()

  return {
    accept(request, socket, head) {
      server.handleUpgrade(request, socket, head, serve)
    },
    get connections() {
      return server.clients.size
    },
    close() {
      clearInterval(ping)
      for (const client of server.clients) client.close(1001, 'server stops')
    },
    terminate() {
      for (const client of server.clients) client.terminate()
    }
  }
}
