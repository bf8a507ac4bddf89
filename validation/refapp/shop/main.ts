/** The embedded refapp `shop`: a small shop over HTTP/1.1, HTTP/2, WebSocket and server-sent events. */
import { startDebugListener } from './debug.ts'
import { formatAddress, parseOptions, UsageError } from './options.ts'
import { startShop } from './server.ts'

/**
 * Runs the server until SIGTERM or SIGINT. Prints `ready addr=HOST:PORT` once it listens and
 * `debug addr=HOST:PORT` for the side listener. The promise resolves after the graceful stop.
 * @param argv arguments after the script's name: `-bind HOST:PORT -engine node-http|node-http2`
 */
export async function runShop(argv: string[]): Promise<void> {
  let shop
  try {
    shop = await startShop(parseOptions(argv))
  } catch (error) {
    process.stderr.write(`shop: ${(error as Error).message}\n`)
    process.exitCode = error instanceof UsageError ? 2 : 1
    return
  }
  const { counters } = shop
  const onUncaught = (error: unknown): void => {
    counters.panics++
    process.stderr.write(`uncaught: ${String((error as Error)?.stack ?? error)}\n`)
  }
  process.on('uncaughtException', onUncaught)
  const onPipeError = (): void => undefined
  process.stdout.on('error', onPipeError)
  process.stderr.on('error', onPipeError)
  const debug = await startDebugListener(shop)

  const stopped = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  process.stdout.write(`debug addr=${formatAddress(debug.address.address, debug.address.port)}\n`)
  process.stdout.write(`ready addr=${formatAddress(shop.address.address, shop.address.port)}\n`)
  await stopped
  await shop.stop()
  debug.stop()
  process.off('uncaughtException', onUncaught)
}
