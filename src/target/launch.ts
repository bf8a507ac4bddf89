/** Starts a server: own process group, one owner of both pipes, ready line, graceful stop. */
import { spawn } from 'node:child_process'
import { onCleanup } from '../kit/cleanup.ts'
import { takeCensus } from './census.ts'
import { OutputTail, readAddress, type Address } from './output.ts'
import type { Census, ExitInfo, RouteMap, StopOutcome, Target } from './types.ts'
import { guard } from './watchdog.ts'

export interface LaunchOptions {
  /** Program and arguments. */
  argv: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
  routes: RouteMap
  readyTimeoutMs: number
  signal: AbortSignal
}

/** The server did not come up; what it printed last says why. */
export class LaunchFailed extends Error {
  override readonly name = 'LaunchFailed'
  readonly output: readonly string[]
  constructor(message: string, output: readonly string[]) {
    super(message)
    this.output = output
  }
}

/** Of the 6 s that an aborted run has, what a server gets for its end, ms. */
const ABORTED_GRACE_MS = 1500

/** Ends after the grace, and soon after an abort. */
function patience(graceMs: number, signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, graceMs, undefined)
    const hurry = (): void => {
      clearTimeout(timer)
      setTimeout(resolve, Math.min(graceMs, ABORTED_GRACE_MS), undefined)
    }
    if (signal.aborted) hurry()
    else signal.addEventListener('abort', hurry, { once: true })
  })
}

/** Starts the server and waits for its ready line. @throws LaunchFailed */
export function launch(options: LaunchOptions): Promise<Target> {
  const [program, ...args] = options.argv
  const watch = guard()
  const child = spawn(program!, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env, ...watch.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const tail = new OutputTail()
  let exit: ExitInfo | undefined
  let ready: Address | undefined
  let debug: Address | undefined
  let onReady: () => void = () => undefined
  const listen = (chunk: string): void => {
    for (const line of tail.take(chunk)) {
      const said = /^\s*(ready|debug) addr=(\S+)\s*$/.exec(line)
      const where = said === null ? undefined : readAddress(said[2]!)
      if (where === undefined) continue
      if (said![1] === 'debug') debug ??= where
      else {
        ready ??= where
        onReady()
      }
    }
  }
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', listen)
  const pid = child.pid
  if (pid !== undefined) watch.group(pid)
  const exited = new Promise<ExitInfo>((resolve) => {
    child.on('exit', (code, signal) => {
      exit = { code, signal, at: new Date() }
      watch.leaderEnded()
      resolve(exit)
    })
  })

  const stop = async (graceMs: number): Promise<StopOutcome> => {
    const begun = performance.now()
    const took = (): number => Math.round(performance.now() - begun)
    const end = (how: StopOutcome['how'], info?: ExitInfo): StopOutcome => {
      // Children of the server go with it, also where it ended by itself.
      watch.kill()
      watch.release()
      off()
      return { how, tookMs: how === 'gone' ? 0 : took(), ...(info === undefined ? {} : { exit: info }) }
    }
    if (exit !== undefined || pid === undefined) return end('gone', exit)
    child.kill('SIGTERM')
    const timely = await Promise.race([exited, patience(graceMs, options.signal)])
    if (timely !== undefined) return end('graceful', timely)
    watch.kill()
    return end('killed', await exited)
  }
  const off = onCleanup({
    name: `server ${program ?? ''}`,
    stop: async () => void (await stop(2000)),
    kill: () => watch.kill()
  })

  return new Promise<Target>((resolve, reject) => {
    const fail = (message: string): void => {
      clearTimeout(timer)
      options.signal.removeEventListener('abort', onAbort)
      void stop(500).then(() => reject(new LaunchFailed(message, tail.all())))
    }
    const onAbort = (): void => fail('stopped while the server was starting')
    const timer = setTimeout(
      () => fail(`no line "ready addr=HOST:PORT" within ${options.readyTimeoutMs / 1000} s`),
      options.readyTimeoutMs
    )
    options.signal.addEventListener('abort', onAbort, { once: true })
    child.on('error', (error: NodeJS.ErrnoException) => {
      fail(error.code === 'ENOENT' ? `${program ?? ''} is not there` : error.message)
    })
    void exited.then((info) => {
      if (ready !== undefined) return
      const how = info.signal === null ? `exit code ${info.code ?? '?'}` : `signal ${info.signal}`
      // The last lines may still be in the pipe.
      setTimeout(() => fail(`the server ended before it was ready (${how})`), 100)
    })
    onReady = () => {
      clearTimeout(timer)
      options.signal.removeEventListener('abort', onAbort)
      const { host, port } = ready!
      // The debug line may follow the ready line.
      setTimeout(() => {
        resolve({
          origin: 'launched',
          host,
          port,
          authority: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
          get debug() {
            return debug
          },
          pid: pid!,
          readyAt: new Date(),
          routes: options.routes,
          output: () => tail.all(),
          exit: () => exit,
          exited,
          census: (): Promise<Census | undefined> =>
            exit === undefined ? takeCensus(pid!) : Promise.resolve(undefined),
          stop
        } as Target)
      }, 50)
    }
  })
}
