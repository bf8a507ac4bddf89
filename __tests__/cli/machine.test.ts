/** What this machine cannot do: toolchains, disks, ports; and what a person reads of it. */
import { afterAll, expect, test } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { documentOf, root, scratch, suite } from '../support/suite.ts'

const folder = scratch()
const small = join(folder, 'small')
mkdirSync(small)
const mounts = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', small]).status === 0
afterAll(() => {
  if (mounts) spawnSync('umount', [small])
  rmSync(folder, { recursive: true, force: true })
})

const SERVER = `
const http = require('node:http')
const server = http.createServer((q, r) => { q.resume(); q.on('end', () => r.end('ok')) })
server.listen(Number(process.env.FIXED ?? 0), '127.0.0.1', () => console.log('ready addr=127.0.0.1:' + server.address().port))
`
function manifest(name: string, ...refapps: object[]): string {
  writeFileSync(join(folder, 'server.cjs'), SERVER)
  const path = join(folder, `${name}.yml`)
  writeFileSync(path, JSON.stringify({ refapps }))
  return path
}
const server = (slug: string, more: object = {}) => ({
  slug,
  engines: ['a'],
  run: ['{node}', join(folder, 'server.cjs')],
  ...more
})
const unbuildable = {
  slug: 'go',
  toolchain: 'go',
  dir: join(root, 'competitors/nethttp'),
  build: [['go', 'build', '.']],
  engines: ['a'],
  run: ['a']
}

test('a toolchain that is missing: its cell is told with reason and fix, the others run; --expect-cells fails', async () => {
  const config = manifest('mixed', server('here'), unbuildable)
  const out = join(folder, 'mixed')
  const args = ['validate', '--config', config, '--slices', 'markov', '--duration', '4s', '--out', out]
  const ran = await suite([...args, '--expect-cells', '2', '--json'], { env: { PATH: '/nonexistent' } })
  expect(ran.code).toBe(1)
  // One document on stdout, everything else on stderr.
  expect(JSON.parse(ran.stdout)).toEqual(documentOf(out))
  expect(ran.stderr).toMatch(/not run +go\/a: the Go toolchain is missing\n +fix: install Go/)
  expect(ran.stderr).toMatch(/expect-cells +1 cells ran, 2 expected; not run: go\/a\/\w+ \(the Go toolchain/)
  expect(documentOf(out).validation_results.cells).toMatchObject([
    { refapp: 'go', status: 'not_run', fix: expect.stringMatching(/install Go/) },
    { refapp: 'here', status: 'pass' }
  ])
  // The gate says of the same document what the run said, and without the expectation it is green.
  const results = join(out, 'validate-results.json')
  expect((await suite(['gate', results, '--expect-cells', '2'])).code).toBe(1)
  expect(await suite(['gate', results, '--quiet'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/PASS/)
  })
}, 60_000)

test('doctor: each missing thing with its fix, and which cells can run', async () => {
  const config = manifest('doctor', server('here'), unbuildable)
  const ran = await suite(['doctor', '--config', config, '--strict', '--json'], {
    env: { PATH: '/nonexistent' }
  })
  expect(ran.code).toBe(1)
  expect(JSON.parse(ran.stdout)).toMatchObject({
    checks: expect.arrayContaining([
      {
        name: 'go',
        state: 'missing',
        found: expect.any(String),
        neededFor: 'go',
        fix: expect.stringMatching(/install Go/)
      }
    ]),
    runnable: ['here/a'],
    blocked: [{ cell: 'go/a', missing: ['go'] }]
  })
})

test('a fixed port that is taken: what the server said last is shown', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => taken.once('listening', resolve))
  const FIXED = String((taken.address() as AddressInfo).port)
  const config = manifest('taken', server('x', { env: { FIXED } }))
  const ran = await suite(['validate', '--config', config, '--out', join(folder, 'taken')])
  taken.close()
  expect(ran.all).toMatch(/ended before it was ready \(exit code 1\)[\s\S]*EADDRINUSE/)
  expect(ran.code).toBe(2)
})

const diskTest = mounts ? test : test.skip
diskTest(
  `a full disk: exit 3, what was written is whole${mounts ? '' : ' (no right to mount a tmpfs)'}`,
  async () => {
    const config = manifest('full', server('x'), server('y'))
    const out = join(small, 'out')
    const args = ['validate', '--config', config, '--slices', 'markov', '--duration', '6s', '--out', out]
    const ran = await suite([...args, '--json'])
    expect(ran.stderr).toMatch(/: the disk is full\n +fix: make room/)
    expect(ran.all).not.toMatch(/^ +at /m)
    expect(ran.code).toBe(3)
    expect(JSON.parse(ran.stdout)).toMatchObject({
      outcome: 'infrastructure',
      error: { what: 'the disk is full' }
    })
    expect(documentOf(out).validation_results.aborted).toBe(true)
  },
  60_000
)

test('--postgres with a password: in no argument list, no document, no line', async () => {
  const tell = join(folder, 'tell.cjs')
  writeFileSync(tell, "console.error(process.argv.join(' '), process.env.SECRET); process.exit(1)")
  const config = manifest('secret', {
    ...server('x'),
    run: ['{node}', tell],
    env: { SECRET: 'postgres://u:pa%24s-w0rd@h/d' }
  })
  const out = join(folder, 'secret')
  const ran = await suite([
    'validate',
    '--config',
    config,
    '--postgres',
    'postgres://u:pa%24s-w0rd@h/d',
    '--out',
    out
  ])
  expect(ran.all).toMatch(/tell\.cjs \*\*\*/)
  const text = ran.all + readFileSync(join(out, 'validate-results.json'), 'utf8')
  expect(text).not.toMatch(/w0rd/)
  expect(existsSync(join(out, 'summary.md'))).toBe(true)
})
