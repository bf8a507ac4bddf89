import { afterAll, expect, test } from '@jest/globals'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { alive, root, scratch, start, suite } from '../support/suite.ts'

const folder = scratch()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function runner(name: string, inputs: Record<string, string>): Record<string, string> {
  const files = Object.fromEntries(
    ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY', 'GITHUB_STATE', 'GITHUB_ENV', 'GITHUB_PATH'].map((file) => {
      const path = join(folder, `${name}-${file}`)
      writeFileSync(path, '')
      return [file, path]
    })
  )
  return {
    GITHUB_ACTIONS: 'true',
    RUNNER_TEMP: folder,
    ...files,
    ...Object.fromEntries(Object.entries(inputs).map(([key, value]) => [`INPUT_${key.toUpperCase()}`, value]))
  }
}

function outputs(path: string): Record<string, string> {
  const text = readFileSync(path, 'utf8')
  return Object.fromEntries(
    [...text.matchAll(/^([\w-]+)<<(\S+)\n([\s\S]*?)\n\2$/gm)].map((match) => [match[1]!, match[3]!])
  )
}

function mainOf(alias: string): string {
  const { runs } = parse(readFileSync(join(root, alias, 'action.yml'), 'utf8')) as {
    runs: { main: string; using: string }
  }
  expect(runs.using).toBe('node24')
  return join(root, alias, runs.main)
}

test('validate-matrix through its alias: outputs, summary, no repository needed', async () => {
  const work = join(folder, 'workspace')
  mkdirSync(work)
  const env = runner('ok', {
    refapps: 'shop',
    engines: 'node-http\n',
    slices: '\nmarkov\nsse\n',
    duration: '8s',
    'fail-on': 'never',
    strict: 'FALSE',
    config: '',
    'expect-cells': ''
  })
  const ran = await suite([], { script: mainOf('validate-matrix'), cwd: work, env })
  expect(ran.all).toMatch(/^::group::Inputs/m)
  expect(ran.all).toMatch(/^slices: \["markov","sse"\]$/m)
  expect(ran.all).toMatch(/^::warning::the artifact was not uploaded/m)
  expect(ran.code).toBe(0)
  expect(outputs(env['GITHUB_OUTPUT']!)).toMatchObject({
    outcome: 'pass',
    cells: '1',
    'cells-run': '1',
    'findings-high': '0',
    verdict: expect.stringContaining('PASS')
  })
  expect(readFileSync(env['GITHUB_STEP_SUMMARY']!, 'utf8')).toMatch(
    /## ✅ probatorium: PASS[\s\S]*shop\/node-http/
  )
}, 60_000)

test('wrong inputs: every one named, outcome set, exit code 2', async () => {
  const env = runner('bad', { duration: '10', 'fail-on': 'hi', refaps: 'shop' })
  const ran = await suite([], { script: mainOf('.'), cwd: folder, env })
  expect(ran.all).toMatch(/input duration[\s\S]*input fail-on.*did you mean/)
  expect(ran.code).toBe(2)
  expect(outputs(env['GITHUB_OUTPUT']!)).toEqual({ outcome: 'usage' })
})

test('a boolean of YAML 1.1, and a runner without files', async () => {
  const { GITHUB_OUTPUT: _, ...env } = runner('yes', { strict: 'yes', engines: 'nod-http' })
  const ran = await suite([], { script: mainOf('validate-matrix'), cwd: folder, env })
  expect(ran.all).toMatch(/input strict: "yes" is not a boolean; did you mean "true"\?/)
  expect(ran.code).toBe(2)
  const wrong = { ...runner('name', { engines: 'nod-http' }), GITHUB_OUTPUT: join(folder, 'none', 'output') }
  const second = await suite([], { script: mainOf('validate-matrix'), cwd: folder, env: wrong })
  expect(second.all).toMatch(/input engines: unknown engine "nod-http"; did you mean "node-http"\?/)
  expect(second.all).not.toMatch(/^ +at /m)
  expect(second.code).toBe(2)
})

const HOSTILE = `
console.error('\\u001b[2J\\r::error::owned'); console.error('::set-output name=outcome::pass'); console.error('##[error]x')
console.error('<script>x</script> password=' + process.env.PROBATORIUM_POSTGRES); process.exit(3)
`

test('what a server prints commands neither the runner nor the summary, and a password is in no file', async () => {
  const server = join(folder, 'hostile.cjs')
  writeFileSync(server, HOSTILE)
  const refapp = { slug: 'x', engines: ['a'], run: ['{node}', server], env: {} }
  writeFileSync(
    join(folder, 'hostile.yml'),
    JSON.stringify({
      refapps: [{ ...refapp, env: { PROBATORIUM_POSTGRES: 'postgres://u:s3cret-w0rd@127.0.0.1:1/d' } }]
    })
  )
  const out = join(folder, 'hostile-out')
  const env = runner('hostile', {
    config: join(folder, 'hostile.yml'),
    postgres: 'postgres://u:s3cret-w0rd@127.0.0.1:1/d',
    'expect-cells': '1',
    out
  })
  const ran = await suite([], { script: mainOf('validate-matrix'), cwd: folder, env })
  expect(ran.code).toBe(1)
  expect(ran.all).toMatch(/exit code 3/)
  const lines = ran.all.split('\n').filter((line) => !line.startsWith('::add-mask::'))
  const commands = lines.filter((line) => /^\s*::/.test(line))
  expect(commands.filter((line) => !/^::(group|endgroup|warning|error title=[^:]*)::/.test(line))).toEqual([])
  expect(lines.filter((line) => !commands.includes(line)).join('\n')).not.toMatch(/##\[/)
  expect(ran.all).not.toMatch(/\u001b/)
  expect(lines.join('\n')).not.toMatch(/s3cret/)
  for (const file of [
    env['GITHUB_OUTPUT']!,
    env['GITHUB_STEP_SUMMARY']!,
    join(out, 'validate-results.json'),
    join(out, 'summary.md')
  ]) {
    const text = readFileSync(file, 'utf8')
    expect(text).not.toMatch(file.endsWith('.json') ? /s3cret/ : /s3cret|<script/)
    expect(text.length).toBeGreaterThan(100)
  }
})

/** A server with a child in a session of its own, which its group does not reach. */
const SERVER = `
const { spawn } = require('node:child_process'); const http = require('node:http'); const fs = require('node:fs')
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' })
fs.appendFileSync(process.env.PIDS, process.pid + '\\n' + child.pid + '\\n')
const server = http.createServer((q, r) => { q.resume(); q.on('end', () => r.end('ok')) })
server.listen(0, '127.0.0.1', () => console.log('ready addr=127.0.0.1:' + server.address().port))
`

/** The shell that ends what a killed suite leaves behind. */
function watchdogOf(parent: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'latin1').split(') ')[1]!.split(' ')
      const shell = readFileSync(`/proc/${name}/cmdline`, 'latin1').startsWith('/bin/sh')
      return shell && Number(fields[1]) === parent ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

test('the post step ends what a main step left that was killed, its watchdog too', async () => {
  const server = join(folder, 'left.cjs')
  const pids = join(folder, 'left.pids')
  writeFileSync(server, SERVER)
  const refapp = { slug: 'x', engines: ['a'], run: ['{node}', server], env: { PIDS: pids } }
  writeFileSync(join(folder, 'left.yml'), JSON.stringify({ refapps: [refapp] }))
  const env = runner('left', { config: join(folder, 'left.yml'), duration: '40s', slices: 'markov' })
  const { child, done } = start([], { script: mainOf('validate-matrix'), cwd: folder, env })
  const left = (): number[] =>
    existsSync(pids) ? readFileSync(pids, 'utf8').trim().split('\n').map(Number) : []
  while (left().length < 2) await new Promise((resolve) => setTimeout(resolve, 50))
  const shells = watchdogOf(child.pid!)
  expect(shells).toHaveLength(1)
  process.kill(shells[0]!, 'SIGKILL')
  child.kill('SIGKILL')
  await done
  expect(left().map(alive)).toEqual([true, true])

  const state: Record<string, string> = {}
  for (const [name, value] of Object.entries(outputs(env['GITHUB_STATE']!))) state[`STATE_${name}`] = value
  const post = mainOf('validate-matrix').replace(/main(?=.index\.js$)/, 'post')
  const ran = await suite([], { script: post, cwd: folder, env: { ...env, ...state } })
  expect(ran.code).toBe(0)
  expect(ran.all.match(/^::warning::process \d+ was left behind and is ended/gm)).toHaveLength(2)
  for (let turn = 0; turn < 50 && left().some(alive); turn++)
    await new Promise((resolve) => setTimeout(resolve, 100))
  expect(left().map(alive)).toEqual([false, false])
  // Nothing left: nothing to say, and without a state nothing to do.
  expect((await suite([], { script: post, cwd: folder, env })).all).toBe('')
}, 60_000)
