/** A server that runs already, named by its URL. */
import { lookup } from 'node:dns/promises'
import { connect, isIP } from 'node:net'
import { UserError } from '../kit/errors.ts'
import { takeCensus } from './census.ts'
import type { ExitInfo, RouteMap, Target } from './types.ts'

export interface AttachOptions {
  url: string
  pid?: number
  routes: RouteMap
  signal: AbortSignal
}

const CONNECT_MS = 3000
const POLL_MS = 250

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Attaches to the server. @throws UserError where the URL, the pid or the server is not there */
export async function attach(options: AttachOptions): Promise<Target> {
  const url = new URL(options.url)
  const named = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? 80 : Number(url.port)
  const host = isIP(named) !== 0 ? named : await resolveHost(named)
  if (options.pid !== undefined && !alive(options.pid)) {
    throw new UserError({
      where: '--pid',
      what: `there is no process ${options.pid}`,
      fix: 'give the process id of the server, or leave --pid out'
    })
  }
  await reach(host, port, options.url)
  const base = url.pathname === '/' ? {} : { get: url.pathname }
  let exit: ExitInfo | undefined
  const { pid } = options
  const exited = new Promise<ExitInfo>((resolve) => {
    if (pid === undefined) return
    const timer = setInterval(() => {
      if (alive(pid)) return
      clearInterval(timer)
      exit = { code: null, signal: null, at: new Date() }
      resolve(exit)
    }, POLL_MS)
    timer.unref()
  })
  return {
    origin: 'attached',
    host,
    port,
    authority: url.host,
    ...(pid === undefined ? {} : { pid }),
    readyAt: new Date(),
    routes: { ...base, ...options.routes },
    output: () => [],
    exit: () => exit,
    exited,
    census: () => (pid === undefined ? Promise.resolve(undefined) : takeCensus(pid)),
    stop: () => Promise.resolve({ how: 'attached', tookMs: 0 })
  }
}

async function resolveHost(name: string): Promise<string> {
  try {
    return (await lookup(name, { verbatim: false })).address
  } catch {
    throw new UserError({
      where: '--url',
      what: `the host "${name}" has no address`,
      fix: 'check the name, or give the address'
    })
  }
}

function reach(host: string, port: number, shown: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: CONNECT_MS })
    const fail = (why: string): void => {
      socket.destroy()
      reject(
        new UserError({
          where: '--url',
          what: `nothing answers at ${shown}`,
          why,
          fix: 'start the server first, or check host and port'
        })
      )
    }
    socket.on('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.on('timeout', () => fail(`no connection within ${CONNECT_MS / 1000} s`))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Somebody listens, and resets what he takes: what he is shows later.
      if (error.code === 'ECONNRESET') resolve()
      else fail(error.code ?? error.message)
    })
  })
}
