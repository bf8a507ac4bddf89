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

function answer(request: string): string {
  const end = request.indexOf(' ', 7)
  if (!request.startsWith('GET /t/') || end < 0) return NOT_FOUND
  answered += 1
  return HEAD + `{"token":"${request.slice(7, end)}"}`.padEnd(BODY_BYTES)
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest = ''
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    rest += text
    for (;;) {
      const end = rest.indexOf(REQUEST_END)
      if (end < 0) return
      socket.write(answer(rest.slice(0, end)), 'latin1')
      rest = rest.slice(end + REQUEST_END.length)
    }
  })
  socket.on('error', () => socket.destroy())
})
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('message', () => {
  process.send?.({ answered })
  answered = 0
})
process.on('disconnect', () => process.exit(0))
