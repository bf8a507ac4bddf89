import { afterAll, expect, test } from '@jest/globals'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseResultDocument } from '../../src/documents/result.ts'
import { takeCensus } from '../../src/target/census.ts'
import { alive, scratch, start } from '../support/suite.ts'

const folder = scratch()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A server with a child of its own; both write their process ids. */
const SERVER = `
const { spawn } = require('node:child_process'); const { appendFileSync } = require('node:fs'); const http = require('node:http')
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
appendFileSync(process.env.PIDS, process.pid + '\\n' + child.pid + '\\n')
const server = http.createServer((q, r) => { q.resume(); q.on('end', () => r.end('ok')) })
server.listen(0, '127.0.0.1', () => console.log('ready addr=127.0.0.1:' + server.address().port))
process.on('SIGTERM', () => { if (!process.env.DEAF) process.exit(0) })
`

function begin(name: string, env: Record<string, string> = {}) {
  const out = join(folder, name)
  const pids = join(folder, `${name}.pids`)
  const file = join(folder, `${name}.yml`)
  const server = join(folder, `${name}.cjs`)
  writeFileSync(server, SERVER)
  const engine = {
    slug: 'x',
    engines: ['a', 'b'],
    run: ['{node}', server],
    env: { PIDS: pids, ...env },
    stop_timeout: '1s'
  }
  writeFileSync(file, JSON.stringify({ refapps: [engine] }))
  const { child, done } = start([
    'validate',
    '--config',
    file,
    '--slices',
    'markov',
    '--duration',
    '40s',
    '--out',
    out
  ])
  const servers = (): number[] =>
    existsSync(pids) ? readFileSync(pids, 'utf8').trim().split('\n').map(Number) : []
  return { out, child, done, servers }
}

async function until(test: () => boolean, ms: number): Promise<boolean> {
  const end = Date.now() + ms
  while (Date.now() < end) {
    if (test()) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return test()
}

test.each([
  ['SIGTERM at start', 'SIGTERM', 100, {}],
  ['SIGTERM under load', 'SIGTERM', 3000, {}],
  ['SIGINT, and a server that is deaf', 'SIGINT', 3000, { DEAF: '1' }]
] as const)(
  '%s: all stopped within 6 s, a whole document is left',
  async (name, signal, after, env) => {
    const { out, child, done, servers } = begin(name.replaceAll(/\W+/g, '-'), env)
    await until(() => servers().length >= 2, 20_000)
    await new Promise((resolve) => setTimeout(resolve, after))
    const begun = Date.now()
    child.kill(signal)
    const ran = await done
    expect(ran.code).toBe(130)
    expect(Date.now() - begun).toBeLessThan(7500)
    expect(await until(() => servers().every((pid) => !alive(pid)), 1000)).toBe(true)
    const document = parseResultDocument(readFileSync(join(out, 'validate-results.json'), 'utf8'))
    expect(document.validation_results.aborted).toBe(true)
    expect(document.validation_results.cells.map(({ status }) => status)).toEqual(
      expect.arrayContaining(['not_run'])
    )
    expect(readdirSync(out).filter((file) => file.includes('.tmp'))).toEqual([])
  },
  60_000
)

test.each([300, 2500])(
  'SIGKILL of the suite after %d ms leaves no process and no half document',
  async (after) => {
    const { out, child, done, servers } = begin(`kill-${after}`)
    await until(() => servers().length >= 2, 20_000)
    await new Promise((resolve) => setTimeout(resolve, after))
    child.kill('SIGKILL')
    await done
    expect(servers().length).toBeGreaterThanOrEqual(2)
    expect(await until(() => servers().every((pid) => !alive(pid)), 5000)).toBe(true)
    const results = join(out, 'validate-results.json')
    if (existsSync(results)) parseResultDocument(readFileSync(results, 'utf8'))
  },
  60_000
)

test('a cell that ran is taken over by --resume', async () => {
  const { out, child, done, servers } = begin('resume')
  await until(() => servers().length >= 4, 40_000)
  child.kill('SIGTERM')
  await done
  const results = join(out, 'validate-results.json')
  const again = start([
    'validate',
    '--config',
    join(folder, 'resume.yml'),
    '--slices',
    'markov',
    '--duration',
    '8s',
    '--resume',
    results,
    '--out',
    join(folder, 'resumed')
  ])
  expect((await again.done).code).toBe(0)
  const { resume, cells } = parseResultDocument(
    readFileSync(join(folder, 'resumed', 'validate-results.json'), 'utf8')
  ).validation_results
  expect(resume).toMatchObject({
    inherited_cells: 1,
    ran_cells: 1,
    not_inherited: [expect.stringMatching(/^x\/b: /)]
  })
  expect(
    cells.map(({ engine, status, resumed_from: from }) => [engine, status, from !== undefined]).sort()
  ).toEqual([
    ['a', 'pass', true],
    ['b', 'pass', false]
  ])
}, 90_000)

test('a stderr of megabytes does not hang the server', async () => {
  const file = join(folder, 'loud.yml')
  const server = join(folder, 'loud.cjs')
  writeFileSync(
    server,
    SERVER.replace("r.end('ok')", "{ process.stderr.write('x'.repeat(20000) + '\\n'); r.end('ok') }")
  )
  writeFileSync(
    file,
    JSON.stringify({
      refapps: [
        { slug: 'x', engines: ['a'], run: ['{node}', server], env: { PIDS: join(folder, 'loud.pids') } }
      ]
    })
  )
  const ran = await start([
    'validate',
    '--config',
    file,
    '--slices',
    'markov',
    '--duration',
    '6s',
    '--out',
    join(folder, 'loud')
  ]).done
  expect(ran.all).toContain('PASS')
  expect(ran.code).toBe(0)
}, 60_000)

test('the census counts descriptors, sockets and threads of the whole tree', async () => {
  const census = await takeCensus(process.pid)
  expect(census!.pids[0]).toBe(process.pid)
  expect(census!.descriptors).toBeGreaterThan(3)
  expect(census!.threads).toBeGreaterThan(1)
  expect(census!.rss).toBeGreaterThan(10 << 20)
})
