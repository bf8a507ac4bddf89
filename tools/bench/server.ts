/**
 * The server that both generators are measured against: as little as HTTP/1.1 needs, so that the generator is what
 * costs. `GET /t/TOKEN` is answered with the token in 64 bytes of JSON; it counts these and tells the number when asked.
 */
import { createServer, type AddressInfo } from 'node:net'

const BODY_BYTES = 64
const REQUEST_END = '\r\n\r\n'
const HEAD = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`
const NOT_FOUND = 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'
let answered = 0

const PATH = 'GET /t/'

function answer(request: string): string {
  const end = request.indexOf(' ', PATH.length)
  if (!request.startsWith(PATH) || end < 0) return NOT_FOUND
  answered += 1
  return `${HEAD}${`{"token":"${request.slice(PATH.length, end)}"}`.padEnd(BODY_BYTES)}`
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest = ''
  socket.on('data', (bytes: Buffer) => {
    const text = rest + bytes.toString('latin1')
    let at = 0
    for (let end = text.indexOf(REQUEST_END); end >= 0; end = text.indexOf(REQUEST_END, at)) {
      socket.write(answer(text.slice(at, end)), 'latin1')
      at = end + REQUEST_END.length
    }
    rest = text.slice(at)
  })
  socket.on('error', () => socket.destroy())
})
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('message', () => {
  process.send?.({ answered })
  answered = 0
})
process.on('disconnect', () => process.exit(0))
