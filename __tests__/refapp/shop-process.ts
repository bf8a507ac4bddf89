/** Starts the shop as its own process, and talks to it over raw sockets. */
import { type ChildProcess, spawn } from 'node:child_process'
import net from 'node:net'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '../..')
const node = path.join(root, 'node_modules/.bin/node')
const cli = path.join(root, 'validation/refapp/shop/cli.ts')

export const ENGINES = ['node-http', 'node-http2'] as const

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface ShopProcess {
  readonly child: ChildProcess
  readonly port: number
  readonly base: string
  readonly ended: Promise<Ended>
  errors(): string
  /** The numbers of `/debug/vars`. */
  vars(): Promise<Record<string, number>>
  /** Polls `/debug/vars` until `holds`; throws with the last values when that never comes. */
  until(holds: (vars: Record<string, number>) => boolean): Promise<Record<string, number>>
  stop(): Promise<Ended>
}

export function runShopProcess(args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(node, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal }))
  )
  return { child, ended }
}

export async function startShop(engine: string): Promise<ShopProcess> {
  const { child, ended } = runShopProcess(['-bind', '127.0.0.1:0', '-engine', engine])
  let output = ''
  let errors = ''
  child.stderr?.on('data', (chunk) => (errors += String(chunk)))
  const ready = new Promise<void>((resolve) => {
    child.stdout?.on('data', (chunk) => {
      output += String(chunk)
      if (/^ready addr=.+\n/m.test(output)) resolve()
    })
  })
  const early = await Promise.race([ready, ended])
  if (early !== undefined) throw new Error(`the shop ended early: ${errors}`)
  const port = Number(/^ready addr=127\.0\.0\.1:(\d+)$/m.exec(output)?.[1])
  const debug = /^debug addr=(127\.0\.0\.1:\d+)$/m.exec(output)?.[1]
  const vars = async (): Promise<Record<string, number>> =>
    (await (await fetch(`http://${debug}/debug/vars`)).json()) as Record<string, number>
  return {
    child,
    port,
    base: `http://127.0.0.1:${port}`,
    ended,
    errors: () => errors,
    vars,
    async until(holds) {
      let last: Record<string, number> = {}
      for (let attempt = 0; attempt < 200; attempt++) {
        last = await vars()
        if (holds(last)) return last
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      throw new Error(`never came: ${JSON.stringify(last)}`)
    },
    stop() {
      child.kill('SIGTERM')
      return ended
    }
  }
}

export interface Conversation {
  /** Everything received, as latin1. */
  text: string
  /** Status codes of the final answers, in order. */
  statuses: number[]
  closed: boolean
}

/**
 * Sends bytes and reads until the server closes or `answers` final answers have come.
 * @param piece bytes per write; 0 for one write
 */
export function converse(port: number, bytes: string, answers = Infinity, piece = 0): Promise<Conversation> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
    let text = ''
    const statuses = (): number[] =>
      [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)]
        .map((match) => Number(match[1]))
        .filter((status) => status >= 200)
    const finish = (closed: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ text, statuses: statuses(), closed })
    }
    // Nothing further came: the conversation is told as it stands.
    const timer = setTimeout(() => finish(false), 4_000)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (statuses().length >= answers && text.includes('\r\n\r\n')) setTimeout(() => finish(false), 30)
    })
    socket.on('end', () => finish(true))
    socket.on('error', () => finish(true))
    socket.on('connect', () => void send())
    const send = async (): Promise<void> => {
      if (piece === 0) return void socket.write(bytes, 'latin1')
      for (let at = 0; at < bytes.length && socket.writable; at += piece) {
        await new Promise<void>((sent) => socket.write(bytes.slice(at, at + piece), 'latin1', () => sent()))
        await new Promise((next) => setImmediate(next))
      }
    }
  })
}
