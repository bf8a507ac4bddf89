/**
 * Starts a server of the system's packages in the foreground, configured in a temporary folder of its own:
 * `serve.ts ENGINE [-node FILE]`; FILE is the Node server behind a proxy. Prints `ready addr=HOST:PORT`, ends on SIGTERM.
 * `serve.ts --check ENGINE` only looks whether it is installed.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ENGINES, type Engine, type Place } from './engines.ts'

const HOST = '127.0.0.1'
const started: ChildProcess[] = []

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}

/** Debian keeps daemons outside of the path of ordinary users. */
function find({ program, packageName }: Engine): string {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin']
  const found = folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
  return found ?? fail(`${program} is not installed: apt-get install ${packageName}`)
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, HOST, () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

async function answering(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, HOST, () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return
    await sleep(50)
  }
  fail('it does not listen')
}

/** Starts the Node server and gives the port that its ready line names. */
function startBehind(file: string): Promise<number> {
  const child = spawn(process.execPath, [file, '-bind', `${HOST}:0`, '-engine', 'node-http'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  started.push(child)
  return new Promise((resolve) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      const port = /^ready addr=\S+:(\d+)$/m.exec(text)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
  })
}

const words = process.argv.slice(2)
const name = words.find((word) => word in ENGINES) ?? fail(`one of ${Object.keys(ENGINES).join(', ')}`)
const engine = ENGINES[name]!
const program = find(engine)
if (words.includes('--check')) process.exit(0)

const folder = mkdtempSync(join(tmpdir(), `probatorium-${name}-`))
// Started by root, the workers of some run as another user.
chmodSync(folder, 0o755)
const www = join(folder, 'www')
mkdirSync(www)
for (const file of ['index.txt', 'healthz']) writeFileSync(join(www, file), 'Hello, World!')

let ending = false
async function end(code: number): Promise<void> {
  if (ending) return
  ending = true
  for (const child of started) child.kill('SIGTERM')
  const ended = started
    .filter((each) => each.exitCode === null && each.signalCode === null)
    .map((each) => new Promise((resolve) => each.once('exit', resolve)))
  await Promise.race([Promise.all(ended), sleep(4000)])
  rmSync(folder, { recursive: true, force: true })
  process.exit(code)
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(0))

const behind = engine.proxy === true ? await startBehind(words[words.indexOf('-node') + 1]!) : 0
const place: Place = { port: await freePort(), behind, folder }
const file = join(folder, 'server.conf')
writeFileSync(file, engine.config(place))
const child = spawn(program, engine.args(file, place), { stdio: ['ignore', 'inherit', 'inherit'] })
started.push(child)
// A server that ends takes its launcher along: its death must be seen.
for (const each of started) {
  each.on('exit', (code, signal) => {
    if (ending) return
    console.error(`${each.spawnfile} ended: ${signal ?? `exit code ${code}`}`)
    void end(1)
  })
}
await answering(place.port)
console.log(`ready addr=${HOST}:${place.port}`)
