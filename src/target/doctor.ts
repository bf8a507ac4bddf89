/** What this machine can run of a manifest, and what repairs what it cannot. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { findProgram } from './backend-process.ts'
import { isNotRun } from './build.ts'
import { moduleObstacle, type CelerisChoice } from './celeris.ts'
import type { Manifest, ServerSpec } from './manifest.ts'
import {
  engineObstacle,
  goToolchain,
  npmToolchain,
  older,
  pythonToolchain,
  type NotRun,
  type Tool
} from './toolchain.ts'

export interface Check {
  name: string
  state: 'ok' | 'missing' | 'limited'
  found: string
  /** Cells that need it. */
  neededFor: string
  fix?: string
}

const LEAST_LOCKED = 12 * 1024 * 1024

/** What the checks mean for the cells of the manifest. */
export interface Examination {
  checks: Check[]
  /** `refapp/engine` */
  runnable: string[]
  blocked: { cell: string; missing: string[] }[]
}

/** Names of the checks that a server depends on. */
function needsOf({ toolchain, build, backends, celeris, engine }: ServerSpec): string[] {
  return [
    ...(toolchain === 'go' || toolchain === 'python' ? [toolchain] : []),
    ...(build.some(([program]) => program === 'npm') ? ['npm'] : []),
    ...backends,
    ...(celeris ? ['celeris'] : []),
    ...(celeris && engine === 'iouring' ? ['io_uring'] : [])
  ]
}

/** Looks at everything that the manifest needs, and says which of its cells can run here. */
export async function examine(manifest: Manifest, celeris: CelerisChoice | undefined): Promise<Examination> {
  const checks = await look(manifest, celeris)
  const lacking = new Set(checks.filter(({ state }) => state === 'missing').map(({ name }) => name))
  const cells = manifest.servers.map((server) => ({
    cell: `${server.refapp}/${server.engine}`,
    missing: needsOf(server).filter((name) => lacking.has(name))
  }))
  return {
    checks,
    runnable: cells.filter(({ missing }) => missing.length === 0).map(({ cell }) => cell),
    blocked: cells.filter(({ missing }) => missing.length > 0)
  }
}

/** The newest Go that a server's module asks for. */
async function newestGo(servers: readonly ServerSpec[]): Promise<string | undefined> {
  let newest: string | undefined
  for (const { toolchain, dir } of servers) {
    if (toolchain !== 'go' || dir === undefined) continue
    const text = await readFile(join(dir, 'go.mod'), 'utf8').catch(() => '')
    const asked = /^go (\d+(?:\.\d+)+)/m.exec(text)?.[1]
    if (asked !== undefined && (newest === undefined || older(newest, asked))) newest = asked
  }
  return newest
}

async function look(manifest: Manifest, celeris: CelerisChoice | undefined): Promise<Check[]> {
  const checks: Check[] = [{ name: 'node', state: 'ok', found: process.version, neededFor: 'the suite' }]
  const users = (test: (server: ServerSpec) => boolean): string => {
    const found = manifest.servers.filter(test)
    const names = [...new Set(found.map(({ refapp }) => refapp))]
    return names.length === 0
      ? ''
      : `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`
  }
  const add = (name: string, neededFor: string, answer: Tool | NotRun | undefined, ok = 'found'): void => {
    if (neededFor === '') return
    if (answer !== undefined && isNotRun(answer))
      checks.push({ name, state: 'missing', found: answer.reason, neededFor, fix: answer.fix })
    else checks.push({ name, state: 'ok', found: answer?.version ?? ok, neededFor })
  }
  add(
    'go',
    users(({ toolchain }) => toolchain === 'go'),
    await goToolchain(await newestGo(manifest.servers))
  )
  add(
    'python',
    users(({ toolchain }) => toolchain === 'python'),
    await pythonToolchain()
  )
  add(
    'npm',
    users(({ build }) => build.some(([program]) => program === 'npm')),
    await npmToolchain()
  )
  for (const [name, program, pack] of [
    ['postgres', 'postgres', 'postgresql'],
    ['redis', 'redis-server', 'redis-server'],
    ['memcached', 'memcached', 'memcached']
  ] as const) {
    const path = await findProgram(program)
    const missing = {
      reason: `${program} is not installed`,
      fix: `apt-get install ${pack}, or --${name} with a running one`
    }
    add(
      name,
      users(({ backends }) => backends.includes(name)),
      path === undefined ? missing : { path, version: path }
    )
  }
  const withCeleris = users((server) => server.celeris)
  if (withCeleris !== '') {
    const named = celeris === undefined ? 'no version' : 'dir' in celeris ? celeris.dir : celeris.version
    add(
      'celeris',
      withCeleris,
      celeris === undefined
        ? { reason: 'no version named', fix: '--celeris v1.5.8 or DIR' }
        : await moduleObstacle(celeris),
      named
    )
    add(
      'io_uring',
      users(({ engine }) => engine === 'iouring'),
      await engineObstacle('iouring'),
      'usable'
    )
    checks.push(...(await lockedMemory(withCeleris)))
  }
  checks.push({
    name: 'cores',
    state: cpus().length >= 2 ? 'ok' : 'limited',
    found: String(cpus().length),
    neededFor: 'load beside the server'
  })
  checks.push(
    existsSync('/proc/self/fd')
      ? { name: '/proc', state: 'ok', found: 'readable', neededFor: 'descriptors and memory' }
      : {
          name: '/proc',
          state: 'missing',
          found: 'not there',
          neededFor: 'descriptors and memory',
          fix: 'run on Linux'
        }
  )
  return checks
}

async function lockedMemory(neededFor: string): Promise<Check[]> {
  const limits = await readFile('/proc/self/limits', 'latin1').catch(() => '')
  const text = /^Max locked memory\s+(\S+)/m.exec(limits)?.[1]
  if (text === undefined) return []
  const bytes = text === 'unlimited' ? Infinity : Number(text)
  const check = {
    name: 'locked memory',
    found: text === 'unlimited' ? text : `${Math.round(bytes / 1048576)} MiB`,
    neededFor
  }
  if (bytes >= LEAST_LOCKED * cpus().length) return [{ ...check, state: 'ok' }]
  return [
    {
      ...check,
      state: 'limited',
      fix: 'ulimit -l unlimited; below 12 MiB a worker, io_uring runs with one worker'
    }
  ]
}
