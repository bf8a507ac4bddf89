/** The WebSocket echo (RFC 6455) on top of `ws`. */
import { STATUS_CODES, type IncomingMessage } from 'node:http'
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

/** 426 for a version that is not spoken (RFC 6455 4.4), 405 for another method; else the request is wrong. */
function statusOf({ method, headers }: IncomingMessage): number {
  if (method !== 'GET') return 405
  const version = headers['sec-websocket-version']
  return version !== undefined && version !== VERSION && isUpgrade(headers.upgrade) ? 426 : 400
}

function isUpgrade(value: string | undefined): boolean {
  return value?.toLowerCase() === 'websocket'
}

function refuse(socket: Duplex, status: number, why: string): void {
  const fields = [
    `Date: ${new Date().toUTCString()}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(why)}`,
    `Sec-WebSocket-Version: ${VERSION}`,
    ...(status === 405 ? ['Allow: GET'] : []),
    ...(status === 426 ? ['Upgrade: websocket'] : [])
  ]
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${fields.join('\r\n')}\r\n\r\n${why}`)
}

const VERSION = '13'

export function createSockets(): Sockets {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.webSocketMessageBytes,
    perMessageDeflate: false
  })
  // `ws` itself answers without a Date, which an origin server with a clock sends (RFC 9110 6.6.1).
  server.on('wsClientError', (error, socket, request) => refuse(socket, statusOf(request), error.message))
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
