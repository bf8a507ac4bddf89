/** `replay FILE` and `shrink FILE` as a user has them: a server with a bug, its findings, the same against a repaired one. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding } from '../../src/documents/finding.ts'
import { startFixture, type Fixture } from '../fixture/server.ts'
import { documentOf, root, scratch, suite, type Ran } from '../support/suite.ts'

const folder = scratch()
const out = join(folder, 'out')
const config = join(folder, 'servers.yml')
const fixtureServer = (slug: string, ...bugs: string[]) => ({
  slug,
  engines: ['a'],
  run: [
    '{node}',
    join(root, '__tests__/fixture/cli.ts'),
    '-bind',
    '127.0.0.1:0',
    '-engine',
    '{engine}',
    ...(bugs.length === 0 ? [] : ['-bug', bugs.join(',')])
  ]
})
const BROKEN = ['h1-get-body-unread', 'h1-length-plus', 'h1-crash-nul']
let good: Fixture
let validated: Ran

beforeAll(async () => {
  writeFileSync(
    config,
    JSON.stringify({ refapps: [fixtureServer('broken', ...BROKEN), fixtureServer('repaired')] })
  )
  good = await startFixture()
  const args = ['validate', '--config', config, '--refapps', 'broken', '--slices', 'adversarial']
  validated = await suite([...args, '--duration', '4s', '--out', out])
}, 180_000)
afterAll(async () => {
  await good.close()
  rmSync(folder, { recursive: true, force: true })
})

const findings = (): Finding[] =>
  documentOf(out).validation_results.cells.flatMap((cell) => cell.findings ?? [])
function fileOf(id: string): string {
  const replay = findings().find((finding) => finding.case === id)?.replay
  if (replay === undefined) throw new Error(`no replay file of ${id}:\n${validated.all}`)
  return join(out, replay)
}
const url = (): string => `http://${good.host}:${good.port}`

test('each finding names its file, the screen the command, and the report stands beside it', () => {
  expect(validated.code).toBe(1)
  const all = findings()
  expect(all.map((finding) => finding.case)).toEqual(
    expect.arrayContaining(['body-get', 'cl-plus', 'val-nul'])
  )
  for (const finding of all) {
    expect(finding.replay).toMatch(/^findings\/\d\d-[\w.-]+\.replay\.json$/)
    const report = readFileSync(join(out, finding.replay!.replace('.replay.json', '.md')), 'utf8')
    expect(report).toContain(finding.standard)
    expect(report).toContain('Sent, as raw bytes over TCP')
    expect(report).toContain('npx probatorium replay')
  }
  expect(validated.stdout).toMatch(
    /npx probatorium replay .*findings\/\d\d-val-nul\.replay\.json --refapp broken --engine a --config /
  )
})

test('the dossier of each HIGH has its twin, who did what, the replay file and the report', () => {
  const high = findings().filter(({ severity }) => severity === 'HIGH')
  expect(high.length).toBeGreaterThan(1)
  for (const { incident } of high) {
    const read = (name: string): string => readFileSync(join(out, incident!, name), 'latin1')
    expect(read('twin_sent.bin')).toMatch(/^(GET|POST|HEAD) /)
    expect(read('twin_received.hex')).toMatch(/\|HTTP\/1\.1 200/)
    expect(read('fault_control.txt')).toMatch(/== the case, connection 0\n.*we connected[\s\S]*== its twin/)
    expect(JSON.parse(read('replay.json'))).toMatchObject({ severity: 'HIGH', exchange: {} })
    expect(read('report.md')).toMatch(/^# [\s\S]*```python/)
  }
})

test('the server of the finding: reproduced 5 of 5, exit 1, with what was sent and what came', async () => {
  const ran = await suite(['replay', fileOf('body-get'), '--config', config])
  expect(ran.all).toMatch(/REPRODUCED: reproduced 5 of 5/)
  expect(ran.all).toMatch(
    /try 5 of 5: reproduced, \d+ ms: .*\n +sent +\d+ B +"GET .*\n +came +\d+ B +"HTTP\/1\.1 200/
  )
  expect(ran.code).toBe(1)
}, 60_000)

test('a crash: the server is started again for each try', async () => {
  const ran = await suite(['replay', fileOf('val-nul'), '--config', config, '--tries', '2', '--json'])
  expect(JSON.parse(ran.stdout)).toMatchObject({
    reproduced: true,
    k: 2,
    n: 2,
    tries: [{ outcome: 'reproduced', text: 'the server process ended (exit code 70)' }, {}]
  })
  expect(ran.code).toBe(1)
}, 60_000)

test.each(['body-get', 'cl-plus', 'val-nul'])(
  'a repaired server: %s is not reproduced, exit 0',
  async (id) => {
    const attached = await suite(['replay', fileOf(id), '--url', url(), '--json'])
    expect(JSON.parse(attached.stdout)).toMatchObject({
      reproduced: false,
      verdict: 'not reproduced',
      k: 0,
      n: 5
    })
    expect(attached.code).toBe(0)
  },
  60_000
)

test('another refapp of the manifest is launched where it is named', async () => {
  const args = ['replay', fileOf('val-nul'), '--config', config, '--refapp', 'repaired']
  const ran = await suite(args)
  expect(ran.all).toMatch(/against repaired\/a[\s\S]*NOT REPRODUCED: not reproduced in 5 of 5 tries/)
  expect(ran.code).toBe(0)
}, 60_000)

test('a server that refuses the twin, and one that never answers, are no repaired servers', async () => {
  const refusing = await startFixture(['h1-404-to-all'])
  const silent = await startFixture(['h1-never-answers'])
  try {
    const at = async ({ host, port }: Fixture): Promise<Ran> =>
      suite(['replay', fileOf('cl-plus'), '--url', `http://${host}:${port}`, '--tries', '1'])
    for (const ran of [await at(refusing), await at(silent)]) {
      expect([2, 3]).toContain(ran.code)
      expect(ran.all).not.toMatch(/NOT REPRODUCED/)
      expect(ran.all).not.toMatch(/^ +at /m)
    }
  } finally {
    await refusing.close()
    await silent.close()
  }
}, 90_000)

test('shrink: smaller, still reproduced, and the request in the body is still in the body', async () => {
  const file = fileOf('body-get')
  const ran = await suite(['shrink', file, '--config', config])
  const [, before, after] =
    /(\d+) bytes became (\d+) in \d+ tries; the message is still: valid/.exec(ran.all) ?? []
  expect(Number(after)).toBeLessThan(Number(before))
  expect(ran.code).toBe(0)
  const small = file.replace('.replay.json', '.min.json')
  const text = readFileSync(small, 'utf8')
  expect(JSON.parse(text)).toMatchObject({ shrunk: { bytes_after: Number(after), claim: 'valid' } })
  expect(text).toMatch(/Content-Length/)
  const again = await suite(['replay', small, '--config', config, '--tries', '3'])
  expect(again.all).toMatch(/reproduced 3 of 3/)
  const fixed = await suite(['replay', small, '--url', url(), '--tries', '2'])
  expect(fixed.code).toBe(0)
  // What is not wrong there cannot be made smaller there.
  const nothing = await suite(['shrink', file, '--url', url()])
  expect(nothing.all).toMatch(/does not show itself on http/)
  expect(nothing.code).toBe(2)
}, 120_000)

test('--script alone is python and nothing else is on stdout', async () => {
  const ran = await suite(['replay', fileOf('cl-plus'), '--script'])
  expect(ran.stdout).toMatch(/^#!\/usr\/bin\/env python3\n# cl-plus /)
  expect(ran.code).toBe(0)
  expect((await suite(['replay', '--script', 'bash', fileOf('cl-plus')])).stdout).toMatch(
    /^#!\/usr\/bin\/env bash/
  )
})

function given(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

test.each<[string, () => string[], RegExp]>([
  ['no file', () => [], /FILE is missing/],
  ['a file that is not there', () => [join(folder, 'none.json')], /none\.json: there is no such file/],
  [
    'a truncated file',
    () => [given('cut.json', readFileSync(fileOf('cl-plus'), 'utf8').slice(0, 900))],
    /not whole JSON/
  ],
  [
    'a foreign version',
    () => [given('v9.json', readFileSync(fileOf('cl-plus'), 'utf8').replace('"1.1"', '"9.0"'))],
    /9\.0; this suite reads 1\.x[\s\S]*use the suite that wrote it/
  ],
  [
    'a case that this suite does not know',
    () => [
      given(
        'x.json',
        readFileSync(fileOf('cl-plus'), 'utf8').replaceAll('"class": "REJ+C"', '"class": "NEW"')
      ),
      '--url',
      url()
    ],
    /not as this suite knows cases/
  ],
  [
    'an unknown language',
    () => [fileOf('cl-plus'), '--script', 'perl'],
    /"perl" is not[\s\S]*allowed: python, bash/
  ],
  [
    'a server that is not there',
    () => [fileOf('cl-plus'), '--url', 'http://127.0.0.1:1'],
    /nothing answers at/
  ],
  ['both', () => [fileOf('cl-plus'), '--url', url(), '--refapp', 'broken'], /does not go with --refapp/],
  ['a route without url', () => [fileOf('cl-plus'), '--route', 'get=/'], /belongs to --url/],
  [
    'a manifest without the refapp',
    () => [fileOf('cl-plus')],
    /which this manifest does not have[\s\S]*--config FILE/
  ]
])(
  'bad input: %s',
  async (_, args, words) => {
    const ran = await suite(['replay', ...args()])
    expect(ran.all).toMatch(words)
    expect(ran.code).toBe(2)
    expect(ran.all).not.toMatch(/^ +at /m)
  },
  60_000
)

test('the finding may be named in place of its replay file', async () => {
  const ran = await suite([
    'replay',
    fileOf('cl-plus').replace('.replay', ''),
    '--url',
    url(),
    '--tries',
    '1'
  ])
  expect(ran.code).toBe(0)
}, 30_000)
