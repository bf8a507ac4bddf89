/** The plain contract on Fastify: HTTP/1.1. `node server.js -bind HOST:PORT -engine fastify` */
import { parseOptions } from './options.js'
import { createApp } from './app.js'
import { serveDebug } from './debug.js'

const SHUTDOWN_TIMEOUT = 4_500

const options = parseOptions(process.argv.slice(2))
const { app, stats, feed, stop } = await createApp()
const address = ({ address, port }) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)

process.on('uncaughtException', (error) => {
  stats.panics++
  console.error(error)
})

try {
  await app.listen({ host: options.host, port: options.port, backlog: 1024 })
} catch (error) {
  console.error(`fastify: ${error.message}`)
  process.exit(1)
}
const debug = await serveDebug(app, stats, feed)
console.log(`debug addr=${address(debug.address())}`)
console.log(`ready addr=${address(app.server.address())}`)

const onSignal = async () => {
  setTimeout(() => process.exit(0), SHUTDOWN_TIMEOUT).unref()
  stop()
  await app.close()
  debug.close()
  debug.closeAllConnections()
}
process.once('SIGTERM', onSignal)
process.once('SIGINT', onSignal)
