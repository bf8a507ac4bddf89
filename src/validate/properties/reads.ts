/** Work that stores nothing: the same GET on a few connections that stay open. */
import { Agent, request } from 'node:http'
import type { Target } from '../../target/types.ts'

const LANES = 8
const LONGEST_MS = 5000
const ONE_MS = 3000
/** Reads that may fail before the rest is given up. */
const MOST_FAILURES = 10

/** One GET, read to its end; false where it failed. */
function read(target: Target, path: string, agent: Agent): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(
      { host: target.host, port: target.port, path, agent, timeout: ONE_MS },
      (answer) => {
        answer.on('error', () => resolve(false)).on('close', () => resolve(answer.complete))
        answer.resume()
      }
    )
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve(false))
    asked.end()
  })
}

/** Asks so many times, for five seconds at most. Returns how many were answered. */
export async function reads(
  target: Target,
  path: string,
  count: number,
  signal: AbortSignal
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: LANES })
  const end = performance.now() + LONGEST_MS
  let begun = 0
  let answered = 0
  let failed = 0
  const lane = async (): Promise<void> => {
    while (failed < MOST_FAILURES && begun < count && !signal.aborted && performance.now() < end) {
      begun += 1
      if (await read(target, path, agent)) answered += 1
      else failed += 1
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  agent.destroy()
  return answered
}
