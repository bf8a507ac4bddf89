import { afterAll, expect, test } from '@jest/globals'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InfraError, UserError } from '../../src/kit/errors.ts'
import { oneLine } from '../../src/kit/escape.ts'
import { ensureWritableFolder, explainWriteError, writeFileAtomic } from '../../src/kit/files.ts'
import { setOutputs } from '../../src/kit/outputs.ts'
import { maskSecret } from '../../src/kit/secrets.ts'
import { codeSpan, html, markdown } from '../../src/report/markdown.ts'
import { appendSummary, cutMarkdown, SUMMARY_BUDGET_BYTES } from '../../src/kit/summary.ts'

const folder = mkdtempSync(join(tmpdir(), 'probatorium-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a summary that is cut stays whole Markdown and says so', () => {
  const block =
    '<details><summary>x</summary>\n\n```\n<details>\n\nrow ü\n```\n\n| a |\n| - |\n| b |\n\ntext\n\n'
  const text = `# head\n\n${block.repeat(2000)}`
  for (const limit of [3000, 10_001, 50_000]) {
    const cut = cutMarkdown(text, limit)
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(limit)
    expect(Buffer.byteLength(cut)).toBeGreaterThan(limit / 3)
    expect(cut.match(/^```/gm)!.length % 2).toBe(0)
    const outside = cut.replaceAll(/```[\s\S]*?```/g, '')
    expect(outside.match(/<\/details>/g)!.length).toBe(outside.match(/<details>/g)!.length)
    expect(cut).toMatch(/The summary was cut here/)
  }
  expect(cutMarkdown('short', 100)).toBe('short')
})

test('the summary file stays under the limit of the runner however often it is written', async () => {
  const file = join(folder, 'summary.md')
  const env = { GITHUB_STEP_SUMMARY: file }
  for (let i = 0; i < 5; i++) await appendSummary(`# part ${i}\n\n${'word word\n\n'.repeat(30_000)}`, env)
  expect(statSync(file).size).toBeGreaterThan(SUMMARY_BUDGET_BYTES * 0.9)
  expect(statSync(file).size).toBeLessThanOrEqual(1024 * 1024)
  expect(await appendSummary('x', {})).toBe(false)
})

test('no markup comes out of untrusted text', () => {
  const evil = '<img src=x>`a`|b|\n# h @user [x](http://y) ](z) \u001b[31m\u202e'
  for (const safe of [markdown(evil), codeSpan(evil).slice('<code>'.length, -'</code>'.length)]) {
    expect(safe).not.toMatch(/[<>\n@\u001b\u202e]|:\/\//)
    // What begins markup stands behind a backslash.
    expect(safe.replaceAll(/\\[\\`*_[\]|~#]/g, '')).not.toMatch(/[`|[\]*_]|(?<!&)#/)
  }
  expect(markdown('kitchen_sink te-xchunked')).toBe('kitchen\\_sink te-xchunked')
  expect(markdown('x'.repeat(5000)).length).toBeLessThan(700)
  expect(html('"\'<&>')).toBe('&quot;&#39;&lt;&amp;&gt;')
  expect(oneLine('a\nb\u0000', 80)).toBe('a\\nb\\x00')
  expect(oneLine('x'.repeat(300))).toHaveLength(200)
})

test('outputs: no value opens another output, a secret is left out and told', () => {
  const file = join(folder, 'output')
  writeFileSync(file, '')
  maskSecret('s3cr3t-value', {})
  const left = setOutputs(
    { verdict: 'a\nevil=1\nEOF', cells: 3, none: undefined, url: 'x s3cr3t-value' },
    { GITHUB_OUTPUT: file }
  )
  expect(left).toEqual(['url'])
  const text = readFileSync(file, 'utf8')
  const read = [...text.matchAll(/^([\w-]+)<<(\S+)\n([\s\S]*?)\n\2$/gm)].map(([, name, , value]) => [
    name,
    value
  ])
  expect(read).toEqual([
    ['verdict', 'a\nevil=1\nEOF'],
    ['cells', '3']
  ])
})

test('a file is whole or not there, and no temporary file stays', async () => {
  const path = join(folder, 'deep', 'file.json')
  await writeFileAtomic(path, '1')
  await writeFileAtomic(path, '22')
  expect(readFileSync(path, 'utf8')).toBe('22')
  mkdirSync(join(folder, 'deep', 'taken', 'x'), { recursive: true })
  await expect(writeFileAtomic(join(folder, 'deep', 'taken'), '1')).rejects.toThrow(UserError)
  expect(readdirSync(join(folder, 'deep')).sort()).toEqual(['file.json', 'taken'])
})

test('a folder that cannot be written is the user’s to change', async () => {
  await ensureWritableFolder(join(folder, 'new', 'deep'))
  expect(readdirSync(join(folder, 'new', 'deep'))).toEqual([])
  writeFileSync(join(folder, 'plain'), '')
  symlinkSync('/proc/version', join(folder, 'link'))
  for (const path of [
    join(folder, 'plain'),
    join(folder, 'plain', 'below'),
    join(folder, 'link'),
    '/proc/probatorium'
  ]) {
    const made = ensureWritableFolder(path)
    await expect(made).rejects.toThrow(path)
  }
  await expect(ensureWritableFolder(join(folder, 'plain'))).rejects.toThrow(UserError)
})

test.each([
  ['ENOSPC', InfraError, /disk is full/],
  ['EDQUOT', InfraError, /disk is full/],
  ['EACCES', UserError, /permission denied/],
  ['EROFS', UserError, /permission denied/]
] as const)('%s in words', (code, kind, words) => {
  const explained = explainWriteError(Object.assign(new Error(code), { code }), '/out/file')
  expect(explained).toBeInstanceOf(kind)
  expect((explained as Error).message).toMatch(words)
  expect((explained as Error).message).toContain('/out/file')
})
