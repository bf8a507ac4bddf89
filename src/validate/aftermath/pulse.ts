/** Does the server still serve, and does one that is gone come back? */
import { setTimeout as delay } from 'node:timers/promises'
import type { Target } from '../../target/types.ts'
import { formatRequest } from '../../wire/http1.ts'
import type { Capabilities, Vitals } from '../contracts.ts'
import { ask } from '../preflight/ask.ts'
import { speaksHttp2 } from '../preflight/streams.ts'

/** How the life of a process ended. */
export interface End {
  /** `ended`: the process; `gone`: nobody listens; `silent`: it takes connections and answers nobody. */
  kind: 'ended' | 'gone' | 'silent'
  /** In words: `exit code 1`. */
  how: string
}

const TRIES = 3
const BETWEEN_MS = 200
const LEAST_PATIENCE_MS = 2000
const BASELINES = 20
/** The end of a process is told a moment after its connections break. */
const EXIT_LAG_MS = 300
/** A stall of ours of this share of the time that was waited says nothing of the server. */
const STALL_SHARE = 0.25
const POLL_MS = 100

/** One control request on a fresh connection: undefined when it was answered, else what was seen. */
async function control(target: Target, capabilities: Capabilities): Promise<string | undefined> {
  const timeoutMs = Math.max(LEAST_PATIENCE_MS, BASELINES * capabilities.baselineMs)
  if (!capabilities.http1 && capabilities.h2cPrior) {
    const { ok, seen } = await speaksHttp2(target, timeoutMs)
    return ok ? undefined : seen
  }
  const { host, port, authority } = target
  const path = capabilities.routes.health?.path ?? capabilities.routes.get?.path ?? '/'
  const bytes = formatRequest({
    method: 'GET',
    target: path,
    headers: [
      ['Host', authority],
      ['Connection', 'close']
    ]
  })
  const reply = await ask({ host, port, bytes, methods: ['GET'], timeoutMs })
  if (reply.responses.length > 0 || reply.error !== undefined) return undefined
  return (
    reply.failed ??
    (reply.closed === 'open' ? `no answer within ${timeoutMs} ms` : `closed (${reply.closed})`)
  )
}

/** How the life of the process ended, after so many requests in a row without an answer; undefined while it serves, and where our own machine was too busy to tell. */
export async function endOf(
  target: Target,
  capabilities: Capabilities,
  vitals: Vitals,
  tries = TRIES
): Promise<End | undefined> {
  const begun = performance.now()
  let seen: string | undefined
  for (let i = 0; i < tries && target.exit() === undefined; i++) {
    if (i > 0) await delay(BETWEEN_MS)
    seen = await control(target, capabilities)
    if (seen === undefined) return undefined
  }
  const exit = target.exit() ?? (await Promise.race([target.exited, delay(EXIT_LAG_MS, undefined)]))
  if (exit !== undefined) {
    const code = exit.code === null ? 'unknown exit code' : `exit code ${exit.code}`
    return { kind: 'ended', how: exit.signal === null ? code : `signal ${exit.signal}` }
  }
  const gone = /REFUSED|RESET|reset/.test(seen ?? '')
  const waited = performance.now() - begun
  if (!gone && vitals.stallSince(begun) > waited * STALL_SHARE) return undefined
  return { kind: gone ? 'gone' : 'silent', how: seen ?? 'no answer' }
}

/** Waits for a server that is not ours to start: true once it serves again. */
export async function comesBack(
  target: Target,
  capabilities: Capabilities,
  patienceMs: number,
  signal: AbortSignal
): Promise<boolean> {
  const end = performance.now() + patienceMs
  while (performance.now() < end && !signal.aborted) {
    if ((await control(target, capabilities)) === undefined) return true
    await delay(POLL_MS)
  }
  return false
}

/** The same place after its process was replaced by somebody else: of the new process nothing is known. */
export function successorOf(target: Target): Target {
  const { pid: _, ...rest } = target
  return {
    ...rest,
    readyAt: new Date(),
    exit: () => undefined,
    exited: new Promise(() => undefined),
    census: () => Promise.resolve(undefined)
  }
}
