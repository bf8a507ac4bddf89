import { afterEach, expect, test } from '@jest/globals'
import { createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { ConnectFailed, Connection } from '../../src/wire/tcp.ts'

let server: Server | undefined
afterEach(() => void server?.close())

async function peer(onSocket: (socket: Socket) => void): Promise<number> {
  server = createServer({ allowHalfOpen: true }, onSocket)
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function fate(port: Promise<Socket>): Promise<string> {
  return port.then(
    (socket) =>
      new Promise<string>((resolve) => {
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
        socket.on('end', () => resolve('end'))
        socket.resume()
      })
  )
}

test.each([
  ['reset', 'ECONNRESET', 'RST sent'],
  ['end', 'end', 'FIN sent']
] as const)('%s is seen by the peer as %s', async (method, seen, note) => {
  let got: (socket: Socket) => void = () => undefined
  const socket = new Promise<Socket>((resolve) => (got = resolve))
  const port = await peer((one) => got(one))
  const connection = await Connection.connect({ host: '127.0.0.1', port, timeoutMs: 1000 })
  const end = fate(socket)
  await connection.write('hello')
  connection[method]()
  expect(await end).toBe(seen)
  expect(connection.transcript.toText()).toContain(note)
  expect(connection.bytesAccepted).toBe(5)
  connection.destroy()
})

test('after our FIN the other direction is still read', async () => {
  const port = await peer((socket) => {
    socket.on('end', () => socket.end('late'))
    socket.resume()
  })
  const connection = await Connection.connect({ host: '127.0.0.1', port, timeoutMs: 1000 })
  connection.end()
  expect(
    await connection.waitFor((received) => (received.length === 4 ? received.toString() : undefined), 2000)
  ).toBe('late')
  expect(await connection.waitClose(2000)).toBe('eof')
})

test('the close of the peer is told apart: FIN, RST, still open', async () => {
  const port = await peer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (text) =>
      text.toString() === 'rst'
        ? socket.resetAndDestroy()
        : text.toString() === 'fin'
          ? socket.end()
          : undefined
    )
  })
  const closes = await Promise.all(
    ['rst', 'fin', 'none'].map(async (word) => {
      const connection = await Connection.connect({ host: '127.0.0.1', port, timeoutMs: 1000 })
      await connection.write(word)
      const how = await connection.waitClose(300)
      connection.destroy()
      return how
    })
  )
  expect(closes).toEqual(['reset', 'eof', 'open'])
})

test('nothing there is ConnectFailed with its code', async () => {
  await expect(Connection.connect({ host: '127.0.0.1', port: 1, timeoutMs: 1000 })).rejects.toMatchObject({
    name: 'ConnectFailed',
    code: 'ECONNREFUSED'
  } satisfies Partial<ConnectFailed>)
})
