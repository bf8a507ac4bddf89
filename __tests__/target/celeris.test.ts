import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isNotRun, prepare, type Prepared } from '../../src/target/build.ts'
import { readCeleris, writeModfile } from '../../src/target/celeris.ts'
import type { ServerSpec } from '../../src/target/manifest.ts'
import { scratch } from '../support/suite.ts'

const withGo = spawnSync('go', ['version']).status === 0 ? describe : describe.skip
const folder = scratch()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function module(name: string, files: Record<string, string>): string {
  const dir = join(folder, name)
  mkdirSync(dir, { recursive: true })
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text)
  return dir
}

const engineNamed = (refapp: string, dir: string, engine: string): ServerSpec => ({
  refapp,
  engine,
  toolchain: 'go',
  dir,
  build: [['go', 'build', '-o', '{out}/server', '.']],
  run: ['{out}/server', '-engine', '{engine}'],
  routes: {},
  env: {},
  backends: [],
  celeris: true,
  debugVars: '/debug/vars',
  readyTimeoutMs: 1000,
  stopTimeoutMs: 1000
})

/** A module under celeris's name, whose only word is the one given. */
const checkout = (name: string, word: string): string =>
  module(name, {
    'go.mod': 'module github.com/goceleris/celeris\n\ngo 1.22\n',
    'word.go': `package celeris\n\nconst Word = "${word}"\n`
  })

withGo('a refapp is built against a folder of celeris', () => {
  const built: string[] = []
  let one: string
  let app: string

  async function ready(server: ServerSpec, dir: string): Promise<Prepared> {
    const prepared = await prepare(server, {
      celeris: readCeleris(dir),
      cacheDir: join(folder, 'cache'),
      signal: new AbortController().signal,
      onBuild: ({ refapp, engine }) => built.push(`${refapp}/${engine}`)
    })
    if (isNotRun(prepared)) throw new Error(prepared.reason)
    return prepared
  }
  const said = ({ argv }: Prepared): string =>
    execFileSync(argv[0]!, argv.slice(1), { encoding: 'utf8' }).trim()

  beforeAll(() => {
    one = checkout('one', 'first')
    module('common', {
      'go.mod': 'module probatorium/common\n\ngo 1.22\n\nrequire github.com/goceleris/celeris v1.5.8\n',
      'say.go':
        'package common\n\nimport "github.com/goceleris/celeris"\n\nfunc Say() { println(celeris.Word) }\n'
    })
    app = module('app', {
      'go.mod':
        'module probatorium/app\n\ngo 1.22\n\nrequire (\n\tgithub.com/goceleris/celeris v1.5.8\n\tprobatorium/common v0.0.0\n)\n\nreplace probatorium/common => ../common\n',
      'main.go':
        'package main\n\nimport (\n\t"fmt"\n\n\t"github.com/goceleris/celeris"\n\t_ "probatorium/common"\n)\n\nfunc main() { fmt.Println(celeris.Word) }\n'
    })
  })

  test('engines asked for at once share one build, and the sources stay as they were', async () => {
    const engines = ['iouring', 'epoll', 'std'].filter(
      (engine) => engine === 'std' || process.platform === 'linux'
    )
    const prepared = await Promise.all(engines.map((engine) => ready(engineNamed('app', app, engine), one)))
    expect(prepared.map(said)).toEqual(engines.map(() => 'first'))
    expect(new Set(prepared.map(({ argv }) => argv[0])).size).toBe(1)
    expect(built).toHaveLength(1)
    expect(readdirSync(app).sort()).toEqual(['go.mod', 'main.go'])
    expect(readdirSync(join(folder, 'cache'))).toHaveLength(1)
  }, 120_000)

  test('another folder is another build; the first stays in the cache', async () => {
    const two = checkout('two', 'second')
    expect(said(await ready(engineNamed('app', app, 'std'), two))).toBe('second')
    const before = built.length
    expect(said(await ready(engineNamed('app', app, 'std'), one))).toBe('first')
    expect(built).toHaveLength(before)
  }, 120_000)

  test('a version replaces the module and those below it, so that no other requirement raises it', async () => {
    const dir = module('versioned', {
      'go.mod':
        'module probatorium/versioned\n\ngo 1.22\n\nrequire (\n\tgithub.com/goceleris/celeris v1.5.8\n\tgithub.com/goceleris/celeris/middleware/compress v1.5.8\n)\n'
    })
    const replaces = async (version: string): Promise<string[]> => {
      await writeModfile(dir, dir, { version })
      const text = readFileSync(join(dir, 'go.probatorium.mod'), 'utf8')
      return [...text.matchAll(/\/celeris\S* => \S+ v\S+/g)].map(([line]) => line)
    }
    expect(await replaces('v1.4.9')).toEqual([
      '/celeris => github.com/goceleris/celeris v1.4.9',
      '/celeris/middleware/compress => github.com/goceleris/celeris/middleware/compress v1.4.9'
    ])
    // What go.mod asks for anyway is checked against go.sum as it stands.
    expect(await replaces('v1.5.8')).toEqual([])
  })

  test('what does not compile is not run, with the words of the compiler, once for all engines', async () => {
    const broken = module('broken', {
      'go.mod': 'module github.com/goceleris/celeris\n\ngo 1.22\n',
      'word.go': 'package celeris\n\nconst Other = 1\n'
    })
    const before = built.length
    for (const engine of ['std', 'epoll']) {
      const prepared = prepare(engineNamed('app', app, engine), {
        celeris: readCeleris(broken),
        cacheDir: join(folder, 'cache'),
        signal: new AbortController().signal,
        onBuild: () => built.push('broken')
      })
      await expect(prepared).resolves.toMatchObject({
        reason: expect.stringMatching(/undefined: celeris\.Word/)
      })
    }
    expect(built).toHaveLength(before + 1)
  }, 120_000)
})

test.each([
  ['a folder that is not there', join(folder, 'nowhere'), /neither a version nor a folder/],
  [
    'a folder of another module',
    module('other', { 'go.mod': 'module example.com/x\n' }),
    /holds the module example\.com\/x/
  ],
  ['a folder without a module', module('empty', {}), /holds no go\.mod/]
])('%s is refused', (_, dir, why) => {
  expect(() => readCeleris(dir)).toThrow(why)
})

test('a version is taken as such', () => {
  expect(readCeleris('v1.5.8')).toEqual({ version: 'v1.5.8' })
  expect(readCeleris('v1.6.0-rc.1')).toEqual({ version: 'v1.6.0-rc.1' })
})
