import { afterAll, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../../src/kit/errors.ts'
import { loadManifest } from '../../src/target/manifest.ts'

const folder = mkdtempSync(join(tmpdir(), 'probatorium-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function load(text: string) {
  const path = join(folder, 'm.yml')
  writeFileSync(path, text)
  return loadManifest(path, folder)
}
const one = (more: string): string => `refapps:\n  - slug: x\n    engines: [a]\n    run: [a]\n${more}`
const bomb = `a: &a [1,1,1,1,1,1,1,1,1,1]\n${['b', 'c', 'd', 'e']
  .map((name, i) => `${name}: &${name} [${Array(10).fill(`*${'abcd'[i]}`).join(',')}]`)
  .join('\n')}\n`

test.each<[string, string, RegExp]>([
  [
    'unknown key',
    one('    enginez: 1\n'),
    /m\.yml:5: unknown key "enginez" in refapps\.0; did you mean "engines"\? \(allowed: slug, /
  ],
  [
    'unknown key at the top',
    `${one('')}gate: {}\n`,
    /m\.yml:5: unknown key "gate" in the document; did you mean "gates"/
  ],
  [
    'wrong type',
    'refapps:\n  - slug: x\n    run: [a]\n    engines: 3\n',
    /m\.yml:4: refapps\.0\.engines: 3 must be a list of names/
  ],
  [
    'wrong type in an engine',
    'refapps:\n  - slug: x\n    run: [a]\n    engines:\n      b: { build: x }\n',
    /m\.yml:5: refapps\.0\.engines\.b\.build: "x" /
  ],
  ['missing', 'refapps:\n  - slug: x\n    run: [a]\n', /m\.yml:2: refapps\.0\.engines is missing/],
  [
    'not allowed',
    `gates: { fail_on: hgih }\n${one('')}`,
    /m\.yml:1: gates\.fail_on: "hgih" is not allowed; did you mean "high"\? \(allowed: high, med, low, never\)/
  ],
  ['no unit', one('    ready_timeout: 5\n'), /m\.yml:5: refapps\.0\.ready_timeout: 5 needs a unit/],
  [
    'slug twice',
    `${one('')}  - slug: x\n    engines: [b]\n    run: [a]\n`,
    /m\.yml:5: refapps\.1\.slug: "x" is declared twice/
  ],
  [
    'engine twice',
    'refapps:\n  - slug: x\n    run: [a]\n    engines: [a, a]\n',
    /m\.yml:4: refapps\.0\.engines: "a" is named twice/
  ],
  ['no run', 'refapps:\n  - slug: x\n    engines: [a]\n', /m\.yml:2: refapps\.0: run is missing for a/],
  ['key twice', one('    run: [b]\n'), /m\.yml:5:5: Map keys must be unique/],
  ['syntax', 'refapps: [\n', /m\.yml:2:1: /],
  ['empty', '', /m\.yml: the file is empty/],
  ['a list', '- a\n', /m\.yml:1: the document: expected object/],
  ['aliases without end', bomb, /m\.yml: its aliases cannot be followed/],
  [
    'no day',
    `${one('')}gates:\n  waivers:\n    - { predicate: I-X, reason: r, expires: 2026-13-40 }\n`,
    /m\.yml:7: gates\.waivers\.0\.expires: .*no day of the calendar/
  ],
  ['several at once', one('    a: 1\n    b: 2\n'), /2 problems|unknown key "a"[\s\S]*unknown key "b"/]
])('refused with its line: %s', (_, text, words) => {
  expect(() => load(text)).toThrow(UserError)
  expect(() => load(text)).toThrow(words)
})

test('a folder is no manifest', () => {
  expect(() => loadManifest(folder, folder)).toThrow(/it is a folder, not a file/)
})

test('an engine takes from its refapp what it does not say itself', () => {
  const { servers, refapps, engines } = load(
    'refapps:\n  - slug: x\n    run: [run, "{probatorium}"]\n    env: { A: "1", B: "1" }\n    routes: { get: / }\n    stop_timeout: 2s\n    engines:\n      a:\n      b: { run: [other], env: { B: "2" }, routes: { ws: /ws } }\n'
  )
  expect(servers).toMatchObject([
    { refapp: 'x', engine: 'a', run: ['run', folder], env: { A: '1', B: '1' }, stopTimeoutMs: 2000 },
    { engine: 'b', run: ['other'], env: { A: '1', B: '2' }, routes: { get: '/', ws: '/ws' } }
  ])
  expect([refapps, engines]).toEqual([['x'], ['a', 'b']])
})
