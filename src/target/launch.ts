/** Starts a server: own process group, one owner of both pipes, ready line, graceful stop. */
import { spawn } from 'node:child_process'
import { isIP } from 'node:net'
import { onCleanup } from '../kit/cleanup.ts'
import { takeCensus } from './census.ts'
import type { Census, ExitInfo, RouteMap, StopOutcome, Target } from './types.ts'
import { killGroup, watchGroup } from './watchdog.ts'

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

const KEPT_LINES = 200
const LONGEST_LINE = 4096

/** Keeps the last lines of a stream whatever its volume. */
class Tail {
  readonly lines: string[] = []
  #partial = ''

  take(chunk: string): string[] {
    const parts = (this.#partial + chunk).split('\n')
    this.#partial = (parts.pop() ?? '').slice(-LONGEST_LINE)
    const fresh = parts.map((line) => line.replace(/\r$/, '').slice(0, LONGEST_LINE))
    this.lines.push(...fresh)
    if (this.lines.length > KEPT_LINES) this.lines.splice(0, this.lines.length - KEPT_LINES)
    return fresh
  }

  all(): string[] {
    return this.#partial === '' ? [...this.lines] : [...this.lines, this.#partial]
  }
}

function address(text: string): { host: string; port: number } | undefined {
  const match = /^\[?([^\]]*?)\]?:(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[2])
  const named = match[1]!
  // A server that listens everywhere is asked on the loopback.
  const host = named === '' || named === '0.0.0.0' || named === '::' ? '127.0.0.1' : named
  return port > 0 && port < 65536 && isIP(host) !== 0 ? { host, port } : undefined
}

/** Starts the server and waits for its ready line. @throws LaunchFailed */
export function launch(options: LaunchOptions): Promise<Target> {
  const [program, ...args] = options.argv
  const child = spawn(program!, args, {
    cwd: options.cwd,
    env: { ...process.env, PROBATORIUM_RUN: String(process.pid), ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const tail = new Tail()
  let exit: ExitInfo | undefined
  let ready: { host: string; port: number } | undefined
  let debug: { host: string; port: number } | undefined
  let onReady: () => void = () => undefined
  const listen = (chunk: string): void => {
    for (const line of tail.take(chunk)) {
      const said = /^\s*(ready|debug) addr=(\S+)\s*$/.exec(line)
      const where = said === null ? undefined : address(said[2]!)
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
  const release = pid === undefined ? () => undefined : watchGroup(pid)
  const exited = new Promise<ExitInfo>((resolve) => {
    child.on('exit', (code, signal) => {
      exit = { code, signal, at: new Date() }
      resolve(exit)
    })
  })

  const stop = async (graceMs: number): Promise<StopOutcome> => {
    const begun = performance.now()
    const took = (): number => Math.round(performance.now() - begun)
    if (exit !== undefined || pid === undefined) {
      if (pid !== undefined) killGroup(pid)
      release()
      off()
      return { how: 'gone', tookMs: 0, ...(exit === undefined ? {} : { exit }) }
    }
    child.kill('SIGTERM')
    const timely = await Promise.race([
      exited,
      new Promise<undefined>((resolve) => setTimeout(resolve, graceMs, undefined))
    ])
    // Children of the server go with it, also where it ended by itself.
    killGroup(pid)
    const info = timely ?? (await exited)
    release()
    off()
    return { how: timely === undefined ? 'killed' : 'graceful', tookMs: took(), exit: info }
  }
  const off = onCleanup({
    name: `server ${program ?? ''}`,
    stop: async () => void (await stop(2000)),
    kill: () => pid !== undefined && killGroup(pid)
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
