import { afterAll, expect, test } from '@jest/globals'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { root, scratch, suite } from '../support/suite.ts'

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
    engines: 'node-http',
    slices: 'markov',
    duration: '8s',
    'fail-on': 'never'
  })
  const ran = await suite([], { script: mainOf('validate-matrix'), cwd: work, env })
  expect(ran.all).toMatch(/^::group::Inputs/m)
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
