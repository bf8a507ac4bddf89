/** Makes a server ready to start: toolchain, engine, build into a cache keyed by everything that went into it. */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, relative } from 'node:path'
import {
  celerisIdentity,
  moduleObstacle,
  replacedFolders,
  writeIdentity,
  writeModfile,
  type CelerisChoice
} from './celeris.ts'
import type { ServerSpec } from './manifest.ts'
import { runProgram } from './run.ts'
import { hashFolders, SKIPPED } from './sources.ts'
import {
  engineObstacle,
  goToolchain,
  npmToolchain,
  pythonToolchain,
  type NotRun,
  type Tool
} from './toolchain.ts'
import { guardFolder } from './watchdog.ts'

export interface Prepared {
  argv: string[]
  cwd: string
}

export interface BuildOptions {
  cacheDir?: string
  celeris?: CelerisChoice
  signal: AbortSignal
  /** Told when a build begins that is not in the cache. */
  onBuild?: (server: ServerSpec) => void
}

const BUILD_MS = 8 * 60_000
/** A modfile and a workspace exclude each other; the servers are pure Go. */
const GO_ENV = { CGO_ENABLED: process.env['CGO_ENABLED'] ?? '0', GOWORK: 'off' }

/** Folder of builds, kept between runs: `$XDG_CACHE_HOME/probatorium` or `~/.cache/probatorium`. */
export function defaultCache(): string {
  return join(
    process.env['RUNNER_TOOL_CACHE'] ?? process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    'probatorium'
  )
}

export function isNotRun(value: object): value is NotRun {
  return 'reason' in value && 'fix' in value
}

/** Prepares a server, or says why it cannot run here. Never throws for what the machine lacks. */
export async function prepare(server: ServerSpec, options: BuildOptions): Promise<Prepared | NotRun> {
  const tool = await toolFor(server)
  if (tool !== undefined && isNotRun(tool)) return tool
  if (server.celeris) {
    const obstacle =
      (await engineObstacle(server.engine)) ??
      (options.celeris === undefined ? undefined : await moduleObstacle(options.celeris))
    if (obstacle !== undefined) return obstacle
  }
  if (server.dir !== undefined && !existsSync(server.dir)) {
    return { reason: `the folder ${server.dir} is not there`, fix: 'correct dir in the manifest' }
  }
  if (server.build.length === 0 || server.dir === undefined) {
    return finished(server, server.dir ?? process.cwd(), server.dir ?? '', tool)
  }
  const facts = {
    refapp: server.refapp,
    sources: await hashFolders([server.dir, ...(await replacedFolders(server.dir))]),
    build: JSON.stringify(server.build),
    tool: tool?.version ?? '',
    celeris: server.celeris && options.celeris !== undefined ? await celerisIdentity(options.celeris) : '',
    platform: `${process.platform}-${process.arch}`,
    // The engines of one refapp share a build where the commands do not name the engine.
    engine: JSON.stringify(server.build).includes('{engine}') ? server.engine : ''
  }
  const key = createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 20)
  const cache = options.cacheDir ?? defaultCache()
  const out = join(cache, `${server.refapp}-${key}`)
  const obstacle = await once(out, () => build(server, options, out, facts, tool))
  return obstacle ?? finished(server, out, out, tool)
}

/** Builds of this run by folder: cells that share one wait for it, and share its failure. */
const builds = new Map<string, Promise<NotRun | undefined>>()

function once(out: string, make: () => Promise<NotRun | undefined>): Promise<NotRun | undefined> {
  const known = builds.get(out)
  if (known !== undefined) return known
  const fresh = make().then((obstacle) => {
    // What was built is found in the cache.
    if (obstacle === undefined) builds.delete(out)
    return obstacle
  })
  builds.set(out, fresh)
  return fresh
}

async function build(
  server: ServerSpec & { dir?: string },
  options: BuildOptions,
  out: string,
  facts: Record<string, string>,
  tool: Tool | undefined
): Promise<NotRun | undefined> {
  if (existsSync(join(out, 'identity.json'))) return undefined
  const dir = server.dir!
  options.onBuild?.(server)
  // Python environments know their own path: they are built where they stay.
  const inPlace = server.toolchain === 'python'
  const work = inPlace ? out : `${out}.${process.pid}.${randomBytes(3).toString('hex')}`
  const release = inPlace ? undefined : guardFolder(work)
  try {
    await rm(work, { recursive: true, force: true })
    await mkdir(work, { recursive: true })
    await cp(dir, work, {
      recursive: true,
      filter: (path) => !SKIPPED.has(path.split('/').at(-1) ?? '')
    })
    const celeris = server.celeris ? options.celeris : undefined
    const flags = server.toolchain === 'go' ? await goFlags(work, dir, celeris) : []
    for (const command of server.build) {
      const [program, ...args] = fill(command, server, work, tool)
      const full = program === 'go' && args[0] === 'build' ? ['build', ...flags, ...args.slice(1)] : args
      const run = await runProgram(program!, full, {
        cwd: work,
        timeoutMs: BUILD_MS,
        signal: options.signal,
        env: GO_ENV
      })
      if (run.failed) {
        const why =
          run.cut === undefined
            ? tailOf(run.output)
            : run.cut === 'stopped'
              ? 'stopped'
              : 'no end within 8 minutes'
        return await refuse(work, {
          reason: `the build failed: ${program} ${full.join(' ')}: ${why}`,
          fix: `run it in ${dir} and repair what it says`
        })
      }
    }
    await writeIdentity(work, facts)
    if (!inPlace) {
      await rename(work, out).catch(async (error: unknown) => {
        // Another run was quicker with the same build.
        if (!existsSync(join(out, 'identity.json'))) throw error
        await rm(work, { recursive: true, force: true })
      })
    }
    return undefined
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return refuse(work, {
      reason: `the build failed: ${message.split('\n')[0] ?? ''}`,
      fix: `look at ${options.cacheDir ?? defaultCache()}`
    })
  } finally {
    release?.()
  }
}

async function refuse(work: string, why: NotRun): Promise<NotRun> {
  await rm(work, { recursive: true, force: true }).catch(() => undefined)
  return why
}

/** Flags for `go build` in the copy. */
async function goFlags(work: string, source: string, celeris: CelerisChoice | undefined): Promise<string[]> {
  if (celeris === undefined && (await replacedFolders(source)).length === 0) return []
  return writeModfile(work, source, celeris)
}

async function toolFor(server: ServerSpec): Promise<Tool | NotRun | undefined> {
  switch (server.toolchain) {
    case 'go': {
      const text =
        server.dir === undefined ? '' : await readFile(join(server.dir, 'go.mod'), 'utf8').catch(() => '')
      return goToolchain(/^go (\d+(?:\.\d+)+)/m.exec(text)?.[1] ?? '1.24')
    }
    case 'python':
      return pythonToolchain()
    case 'node':
      return server.build.some(([program]) => program === 'npm') ? npmToolchain() : undefined
    case 'none':
      return undefined
  }
}

function fill(words: readonly string[], server: ServerSpec, out: string, tool: Tool | undefined): string[] {
  const values: Record<string, string> = {
    '{node}': process.execPath,
    '{out}': out,
    '{dir}': server.dir ?? '',
    '{engine}': server.engine,
    '{python}': server.toolchain === 'python' ? (tool?.path ?? 'python3') : 'python3'
  }
  return words.map((word) =>
    word.replace(/\{(node|out|dir|engine|python)\}/g, (name) => values[name] ?? name)
  )
}

function finished(server: ServerSpec, cwd: string, out: string, tool: Tool | undefined): Prepared | NotRun {
  const argv = fill(server.run, server, out, tool)
  const script = argv.find((word, i) => i > 0 && word.startsWith('/') && /\.(js|mjs|ts)$/.test(word))
  if (script !== undefined && !existsSync(script)) {
    return {
      reason: `${relative(process.cwd(), script) || script} is not there`,
      fix: 'build it, or correct run in the manifest'
    }
  }
  return { argv, cwd: existsSync(cwd) ? cwd : process.cwd() }
}

function tailOf(text: string): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-3)
    .join(' | ')
    .slice(0, 600)
}
