/**
 * Other tools against servers of __tests__/precision/probatorium.yml, for the tables of docs/referees.md:
 * `node tools/referees.ts --engines nethttp,hyper [--h2spec FILE] [--wstest FILE]`; FILE is the program, which is not ours.
 * Prints what they refuse, a row a case and a column a server.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { execa } from 'execa'
import { createLog } from '../src/kit/log.ts'
import { runMain, type MainContext } from '../src/kit/run.ts'
import { suiteRoot } from '../src/kit/version.ts'
import { isNotRun, prepare } from '../src/target/build.ts'
import { launch } from '../src/target/launch.ts'
import { loadManifest, type ServerSpec } from '../src/target/manifest.ts'
import type { Target } from '../src/target/types.ts'

/** Title by case, and what each server got, where it is not a pass. */
interface Table {
  titles: Map<string, string>
  refused: Map<string, Map<string, string>>
}

const LIMIT_MS = 5 * 60_000
/** Limits, performance and compression take Autobahn many minutes. */
const LEFT_OUT = ['9.*', '12.*', '13.*']

function note(table: Table, id: string, server: string, verdict: string): void {
  table.refused.set(id, (table.refused.get(id) ?? new Map<string, string>()).set(server, verdict))
}

async function h2spec(program: string, target: Target, server: string, table: Table, folder: string) {
  const report = join(folder, 'h2spec.xml')
  await execa(program, ['-h', target.host, '-p', String(target.port), '-o', '5', '-j', report], {
    reject: false,
    timeout: LIMIT_MS
  })
  const text = readFileSync(report, 'latin1')
  const counted = new Map<string, number>()
  for (const [, suite, title, rest] of text.matchAll(
    /<testcase package="([^"]+)" classname="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g
  )) {
    const nth = (counted.get(suite!) ?? 0) + 1
    counted.set(suite!, nth)
    const id = `${suite}/${nth}`
    table.titles.set(id, title!)
    if (rest!.includes('<error')) note(table, id, server, 'fails')
    else if (rest!.includes('<skipped')) note(table, id, server, 'skipped')
  }
}

async function autobahn(program: string, target: Target, server: string, table: Table, folder: string) {
  const config = join(folder, 'wstest.json')
  const reports = join(folder, 'wstest')
  const url = `ws://${target.authority}${target.routes.ws}`
  const servers = [{ agent: 'server', url, options: { version: 18 } }]
  writeFileSync(
    config,
    JSON.stringify({
      outdir: reports,
      servers,
      cases: ['*'],
      'exclude-cases': LEFT_OUT,
      'exclude-agent-cases': {}
    })
  )
  await execa(program, ['-m', 'fuzzingclient', '-s', config], { reject: false, timeout: LIMIT_MS })
  const index = JSON.parse(readFileSync(join(reports, 'index.json'), 'utf8')) as Record<
    string,
    Record<string, { behavior: string; behaviorClose: string }>
  >
  for (const [id, { behavior, behaviorClose }] of Object.entries(index['server'] ?? {})) {
    table.titles.set(id, '')
    const usual = ['OK', 'INFORMATIONAL']
    if (!usual.includes(behavior) || !usual.includes(behaviorClose))
      note(table, id, server, behaviorClose === 'OK' ? behavior : `${behavior}, close ${behaviorClose}`)
  }
}

async function started(server: ServerSpec, signal: AbortSignal): Promise<Target | undefined> {
  const ready = await prepare(server, { signal })
  if (isNotRun(ready)) return undefined
  const { env, routes, readyTimeoutMs } = server
  return launch({ ...ready, env, routes, readyTimeoutMs, signal })
}

function print(name: string, table: Table, servers: readonly string[]): void {
  console.log(`\n${name}: ${table.titles.size} cases\n`)
  console.log(`| case | ${servers.join(' | ')} | title |`)
  for (const [id, verdicts] of table.refused)
    console.log(
      `| ${id} | ${servers.map((server) => verdicts.get(server) ?? '').join(' | ')} | ${table.titles.get(id)} |`
    )
}

async function main({ signal }: MainContext): Promise<void> {
  const { values } = parseArgs({
    options: { h2spec: { type: 'string' }, wstest: { type: 'string' }, engines: { type: 'string' } }
  })
  const manifest = loadManifest(join(suiteRoot(), '__tests__/precision/probatorium.yml'), suiteRoot())
  const engines = (values.engines ?? 'nethttp').split(',')
  const servers = manifest.servers.filter(({ engine }) => engines.includes(engine))
  const empty = (): Table => ({ titles: new Map(), refused: new Map() })
  const tables = { h2spec: empty(), autobahn: empty() }
  const folder = mkdtempSync(join(tmpdir(), 'probatorium-referees-'))
  try {
    for (const server of servers) {
      const target = await started(server, signal)
      if (target === undefined) continue
      const { engine, routes } = server
      if (values.h2spec !== undefined && routes.h2c !== undefined)
        await h2spec(values.h2spec, target, engine, tables.h2spec, folder)
      if (values.wstest !== undefined && routes.ws !== undefined)
        await autobahn(values.wstest, target, engine, tables.autobahn, folder)
      await target.stop(server.stopTimeoutMs)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  print(
    'h2spec',
    tables.h2spec,
    servers.filter(({ routes }) => routes.h2c).map(({ engine }) => engine)
  )
  print(
    'Autobahn',
    tables.autobahn,
    servers.filter(({ routes }) => routes.ws).map(({ engine }) => engine)
  )
}

await runMain(main, { log: createLog({}) })
