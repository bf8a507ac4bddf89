import { afterAll, expect, test } from '@jest/globals'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scratch, suite } from '../support/suite.ts'

const folder = scratch()
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0

function file(value: unknown): string {
  const path = join(folder, `d${(files += 1)}.json`)
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value))
  return path
}

const finding = (severity: string) => ({
  predicate: 'I-ADV-ACCEPTED',
  severity,
  case: 'te-xchunked',
  title: 'a body was answered as a request',
  cell: 'a/std/amd64'
})
const book = (planned: number, exercised: number) => ({
  planned,
  exercised,
  inapplicable: [],
  inconclusive: Array.from({ length: planned - exercised }, (_, i) => ({
    case: `c${i}`,
    reason: 'not reached'
  }))
})
const cell = (more: object = {}) => ({
  refapp: 'a',
  engine: 'std',
  arch: 'amd64',
  status: 'pass',
  tier_1: { requests_sent: 1000 },
  findings: [],
  coverage: { slices: { markov: book(20, 20) } },
  ...more
})
const document = (...cells: object[]) => ({ schema_version: '5.16', validation_results: { cells } })
const gate = async (value: unknown, ...args: string[]) => suite(['gate', file(value), ...args])

test.each<[string, unknown, string[], number, RegExp]>([
  ['clean', document(cell()), [], 0, /PASS: no findings in 1 cell/],
  ['HIGH', document(cell({ findings: [finding('HIGH')] })), [], 1, /FAIL: 1 HIGH in 1 of 1 cell/],
  ['MED passes', document(cell({ findings: [finding('MED')] })), [], 0, /1 MED/],
  ['MED under strict', document(cell({ findings: [finding('MED')] })), ['--strict'], 1, /FAIL: 1 MED/],
  ['LOW with fail-on low', document(cell({ findings: [finding('LOW')] })), ['--fail-on', 'low'], 1, /FAIL/],
  [
    'never',
    document(cell({ findings: [finding('HIGH')] })),
    ['--fail-on', 'never'],
    0,
    /LET PASS: 1 HIGH.*nothing fails, on request/
  ],
  [
    'vacuous',
    document(cell({ coverage: { slices: { markov: book(20, 18) } } })),
    [],
    1,
    /VACUOUS[\s\S]*18 of 20 exercised/
  ],
  ['no request', document(cell({ tier_1: { requests_sent: 0 } })), [], 1, /no request was sent/],
  [
    'nothing ran',
    document({ refapp: 'a', engine: 'std', arch: 'amd64', status: 'not_run', failure_reason: 'no Go here' }),
    [],
    1,
    /nothing ran[\s\S]*none of 1 cells ran/
  ],
  ['nothing ran, never', document(), ['--fail-on', 'never'], 1, /no cell/],
  ['expected cells', document(cell()), ['--expect-cells', '2'], 1, /1 cells ran, 2 expected/],
  [
    'aborted',
    { schema_version: '5.16', validation_results: { aborted: true, cells: [cell()] } },
    [],
    130,
    /ABORTED/
  ],
  [
    'our own failure',
    document(cell({ status: 'error', failure_reason: 'out of ports' })),
    [],
    3,
    /BROKEN[\s\S]*out of ports/
  ],
  [
    'a Go document',
    {
      schema_version: '5.1',
      host_arch_pair: 'msa2-server-amd64',
      validation_results: {
        cells: [
          {
            refapp: 'a',
            engine: 'std',
            arch: 'amd64',
            tier_1: { requests_sent: 52000, adversarial: { adv_sent: 400, adv_wrong_accepted: 2 } },
            tier_3: null
          }
        ]
      }
    },
    [],
    1,
    /adv_wrong_accepted is 2/
  ],
  [
    'a failed Go cell',
    {
      schema_version: '5.12',
      validation_results: {
        cells: [
          {
            refapp: 'a',
            engine: 'std',
            arch: 'amd64',
            status: 'failed',
            failure_reason: 'exit status 2',
            tier_1: { requests_sent: 5 }
          }
        ]
      }
    },
    [],
    1,
    /exit status 2/
  ],
  [
    'truncated',
    '{"schema_version":"5.1","validation_res',
    [],
    2,
    /d\d+\.json: the document is not whole JSON/
  ],
  ['foreign version', { schema_version: '9.0' }, [], 2, /9\.0; this suite reads 5\.x/],
  ['no document', { cells: [] }, [], 2, /no result document/]
])('%s', async (_, value, args, code, words) => {
  const ran = await gate(value, ...args)
  expect(ran.all).toMatch(words)
  expect(ran.code).toBe(code)
  expect(ran.all).not.toMatch(/^ +at /m)
})

test('waivers: by cell and case, until their day; expired and unused ones are told', async () => {
  const waivers = join(folder, 'w.yml')
  const write = (expires: string, more = '') =>
    writeFileSync(
      waivers,
      `waivers:\n  - { predicate: I-ADV-ACCEPTED, case: te-xchunked, cell: a/*/amd64, reason: known, expires: ${expires} }\n${more}`
    )
  const value = document(cell({ findings: [finding('HIGH')] }))
  write('2999-01-01')
  expect(await gate(value, '--waivers', waivers)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('1 waived')
  })
  write('2020-01-01')
  expect(await gate(value, '--waivers', waivers)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('waiver expired 2020-01-01')
  })
  write('2999-01-01', '  - { predicate: I-OTHER, reason: gone, expires: 2999-01-01 }\n')
  expect((await gate(value, '--waivers', waivers)).stdout).toContain('waiver unused: I-OTHER')
  writeFileSync(waivers, 'waivers:\n  - { predicate: I-X, expires: 2999-01-01 }\n')
  expect(await gate(value, '--waivers', waivers)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/w\.yml:2: waivers\.0\.reason/)
  })
})

test('accepted deviations: MED and LOW of a case, each with an owner; HIGH of the same case still fails', async () => {
  const file = join(folder, 'accepted.yml')
  const entry = 'case: te-xchunked, reason: kept, expires: 2999-01-01'
  writeFileSync(file, `accept:\n  - { ${entry}, owner: net-team }\n`)
  const ran = (severity: 'HIGH' | 'MED') =>
    gate(document(cell({ findings: [finding(severity)] })), '--strict', '--waivers', file)
  expect(await ran('MED')).toMatchObject({ code: 0, stdout: expect.stringContaining('1 waived') })
  expect(await ran('HIGH')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('waiver unused: te-xchunked (kept; owner: net-team)')
  })
  writeFileSync(file, `accept:\n  - { ${entry} }\n`)
  expect(await ran('MED')).toMatchObject({ code: 2, stderr: expect.stringMatching(/:2: accept\.0\.owner/) })
})
