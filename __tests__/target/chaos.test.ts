import { afterAll, expect, test } from '@jest/globals'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseResultDocument } from '../../src/documents/result.ts'
import { takeCensus } from '../../src/target/census.ts'
import { alive, documentOf, scratch, start, suite } from '../support/suite.ts'

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

function begin(name: string, env: Record<string, string> = {}, duration = '40s') {
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
    duration,
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

/** A build that starts a child, and one that leaves the process group. */
test.each(['SIGINT', 'SIGKILL'] as const)(
  '%s in a build leaves no process',
  async (signal) => {
    const name = `build-${signal}`
    const pids = join(folder, `${name}.pids`)
    const dir = join(folder, name)
    mkdirSync(dir)
    const script = `echo $$ >>${pids}; setsid sleep 300 & echo $! >>${pids}; sleep 300 & echo $! >>${pids}; wait`
    const refapp = { slug: 'x', engines: ['a', 'b'], dir, build: [['sh', '-c', script]], run: ['x'] }
    writeFileSync(join(folder, `${name}.yml`), JSON.stringify({ refapps: [refapp] }))
    const cache = join(folder, `${name}-cache`)
    const out = join(folder, `${name}-out`)
    const { child, done } = start(['validate', '--config', join(folder, `${name}.yml`), '--out', out], {
      env: { XDG_CACHE_HOME: cache }
    })
    const built = (): number[] =>
      existsSync(pids) ? readFileSync(pids, 'utf8').trim().split('\n').map(Number) : []
    expect(await until(() => built().length >= 3, 20_000)).toBe(true)
    child.kill(signal)
    expect((await done).code).toBe(signal === 'SIGINT' ? 130 : null)
    expect(await until(() => built().every((pid) => !alive(pid)), 8000)).toBe(true)
    const { aborted, cells } = documentOf(out).validation_results
    expect(aborted).toBe(true)
    if (signal === 'SIGINT') expect(cells.map(({ status }) => status)).toEqual(['not_run', 'not_run'])
    // The half build is gone too.
    const halves = (): string[] =>
      existsSync(join(cache, 'probatorium')) ? readdirSync(join(cache, 'probatorium')) : []
    expect(await until(() => halves().length === 0, 8000)).toBe(true)
  },
  60_000
)

test('a second SIGINT ends at once, and the server with it', async () => {
  const { child, done, servers } = begin('twice', { DEAF: '1' })
  expect(await until(() => servers().length >= 2, 20_000)).toBe(true)
  child.kill('SIGINT')
  await new Promise((resolve) => setTimeout(resolve, 200))
  child.kill('SIGINT')
  expect((await done).code).toBe(130)
  expect(await until(() => servers().every((pid) => !alive(pid)), 8000)).toBe(true)
}, 60_000)

test('a run that dies in the middle leaves a document that is not green, and is resumed from it', async () => {
  const { out, child, done, servers } = begin('middle', {}, '16s')
  // The second cell runs: the first one is written and passed.
  expect(await until(() => servers().length >= 4, 40_000)).toBe(true)
  child.kill('SIGKILL')
  await done
  const results = join(out, 'validate-results.json')
  const left = documentOf(out).validation_results
  expect(left.aborted).toBe(true)
  expect(left.cells.map(({ engine, status }) => [engine, status])).toEqual([
    ['a', 'pass'],
    ['b', 'not_run']
  ])
  expect((await suite(['gate', results])).code).toBe(130)
  expect(await until(() => servers().every((pid) => !alive(pid)), 8000)).toBe(true)

  // Into the same folder: the old cells stay until they are in the new document.
  const config = join(folder, 'middle.yml')
  const again = ['validate', '--config', config, '--duration', '8s', '--resume', results]
  const other = await suite([...again, '--slices', 'ws', '--out', join(folder, 'other')])
  expect(other.all).not.toMatch(/defect/)
  expect(documentOf(join(folder, 'other')).validation_results.resume).toMatchObject({
    inherited_cells: 0,
    not_inherited: ['x/a: it ran markov', 'x/b: it was not_run']
  })
  expect((await suite([...again, '--slices', 'markov', '--out', out])).code).toBe(0)
  const { resume, cells, aborted } = documentOf(out).validation_results
  expect(aborted).toBeUndefined()
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
}, 120_000)

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
