import { afterAll, expect, test } from '@jest/globals'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, scratch, suite } from '../support/suite.ts'

const folder = scratch()
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const manifest = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const one = (run: string, more = ''): string =>
  `refapps:\n  - slug: x\n    engines: [a]\n    run: ${run}\n${more}`

test.each<[string, string[], RegExp]>([
  ['no unit', ['validate', '--duration', '10'], /--duration[\s\S]*unit is missing/],
  ['spaced unit', ['validate', '--duration', '10 min'], /--duration/],
  ['engine', ['validate', '--engines', 'node-htp'], /did you mean "node-http"/],
  ['refapp', ['validate', '--refapps', 'shopp'], /unknown refapp "shopp".*shop/],
  ['slice', ['validate', '--slices', 'markow'], /markov/],
  ['tier', ['validate', '--tiers', '7'], /--tiers.*7/],
  ['flag', ['validate', '--duratoin', '10s'], /--duration/],
  ['command', ['validte'], /did you mean "validate"/],
  ['seed', ['validate', '--seed', 'zz'], /--seed.*zz/],
  ['url', ['validate', '--url', 'not-a-url'], /--url.*not-a-url/],
  ['https', ['validate', '--url', 'https://127.0.0.1:1'], /https is not spoken/],
  [
    'nothing at url',
    ['validate', '--url', 'http://127.0.0.1:1', '--out', folder],
    /nothing answers at http:\/\/127\.0\.0\.1:1/
  ],
  ['pid alone', ['validate', '--pid', '1'], /--pid.*--url/s],
  ['missing manifest', ['validate', '--config', 'nothere.yml'], /nothere\.yml: there is no such file/],
  [
    'unknown key',
    ['validate', '--config', manifest('m.yml', 'refapps:\n  - slug: x\n    enginez: [a]\n    run: [a]\n')],
    /m\.yml:3: unknown key "enginez".*did you mean "engines"/
  ],
  ['bad yaml', ['validate', '--config', manifest('b.yml', 'refapps: [\n')], /b\.yml:\d+:\d+/],
  [
    'missing resume',
    ['validate', '--refapps', 'shop', '--resume', 'none.json', '--out', folder],
    /none\.json: there is no such file/
  ],
  [
    'resume from a folder',
    ['validate', '--refapps', 'shop', '--resume', folder, '--out', folder],
    /it is a folder, not a file/
  ],
  [
    'a bench document',
    ['gate', manifest('bench.json', '{"schema_version":"5.3","benchmarks":[]}')],
    /looks like a bench document/
  ],
  [
    'a flag before the command',
    ['--json', 'validate'],
    /"what": "unknown flag[\s\S]*write the command first/
  ],
  ['celeris', ['validate', '--celeris', 'nowhere'], /--celeris.*nowhere/],
  [
    'never ready',
    [
      'validate',
      '--config',
      manifest(
        'n.yml',
        one(
          `['{node}', -e, "console.log('still loading'); setInterval(() => {}, 1000)"]`,
          '    ready_timeout: 1s\n'
        )
      ),
      '--out',
      folder
    ],
    /no line "ready addr=HOST:PORT" within 1 s[\s\S]*still loading/
  ],
  [
    'dies at start',
    [
      'validate',
      '--config',
      manifest('d.yml', one(`['{node}', -e, "console.error('port taken: EADDRINUSE'); process.exit(7)"]`)),
      '--out',
      folder
    ],
    /exit code 7[\s\S]*EADDRINUSE/
  ],
  [
    'no toolchain',
    [
      'validate',
      '--config',
      manifest(
        't.yml',
        `refapps:\n  - slug: x\n    toolchain: go\n    dir: ${root}/competitors/nethttp\n    build: [[go, build, .]]\n    engines: [a]\n    run: [a]\n`
      ),
      '--out',
      folder
    ],
    /the Go toolchain is missing[\s\S]*fix: install Go/
  ]
])(
  '%s',
  async (name, args, words) => {
    const ran = await suite(args, name === 'no toolchain' ? { env: { PATH: '/nonexistent' } } : {})
    expect(ran.all).toMatch(words)
    expect(ran.code).toBe(2)
    expect(ran.all).not.toMatch(/^ +at /m)
  },
  40_000
)

test('an output folder that is a file, or cannot be written', async () => {
  const path = join(folder, 'file')
  writeFileSync(path, '')
  for (const out of [path, join(path, 'below'), '/proc/probatorium']) {
    expect(await suite(['validate', '--refapps', 'shop', '--out', out])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(`^error: ${out}: cannot be (written|made)`)
    })
  }
  if (process.getuid?.() === 0) return
  chmodSync(folder, 0o500)
  expect((await suite(['validate', '--refapps', 'shop', '--out', join(folder, 'new')])).code).toBe(2)
  chmodSync(folder, 0o700)
})

test('help names every option, version prints itself, plan is a matrix', async () => {
  expect((await suite(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect((await suite(['validate', '--help'])).stdout).toMatch(
    /--duration DURATION[\s\S]*Examples:[\s\S]*Exit codes/
  )
  const { stdout } = await suite(['plan', '--refapps', 'shop', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({
    include: [
      { refapp: 'shop', engine: 'node-http' },
      { refapp: 'shop', engine: 'node-http2' }
    ]
  })
})
