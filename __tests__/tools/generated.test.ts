import { expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, suite } from '../support/suite.ts'

test('what is generated is up to date', async () => {
  const ran = await suite(['--check'], { script: join(root, 'tools/generate.ts') })
  expect(ran.all).toContain('generated files are up to date')
  expect(ran.code).toBe(0)
})

test('the bundle starts anywhere, and nothing in it is missing', async () => {
  expect(readFileSync(join(root, 'dist/index.js'), 'latin1')).not.toMatch(/webpackMissingModule/)
  const ran = await suite(['plan', '--refapps', 'shop'], {
    script: join(root, 'dist/cli/index.js'),
    cwd: tmpdir()
  })
  expect(ran).toMatchObject({ code: 0, stderr: '' })
})
