import { expect, test } from '@jest/globals'
import { parseResultDocument, type ResultDocument } from '../../src/documents/result.ts'
import { endText, matrixText, NO_PAINT } from '../../src/report/screen.ts'
import { matrixView } from '../../src/report/matrix.ts'
import { summaryMarkdown } from '../../src/report/summary.ts'
import { gate } from '../../src/validate/judge/gate.ts'

const EVIL = '\u001b[2J\n::error::owned\n| a | <script>x</script> `b` @team [x](http://y) ](z)'
const finding = (i: number, more: object = {}) => ({
  predicate: 'I-ADV-ACCEPTED',
  severity: 'HIGH',
  case: `case-${i}`,
  title: `a body was answered as a request ${i}`,
  ...more
})
const cell = (engine: string, more: object = {}) => ({
  refapp: 'shop',
  engine,
  arch: 'amd64',
  status: 'pass',
  tier_1: { requests_sent: 1000 },
  findings: [],
  ...more
})
const read = (...cells: object[]): ResultDocument =>
  parseResultDocument(JSON.stringify({ schema_version: '5.16', validation_results: { cells } }))
const judged = (document: ResultDocument) =>
  gate(document, { failOn: 'high', strict: false, waivers: [], today: '2026-01-01' })
const letPass = (document: ResultDocument) =>
  gate(document, { failOn: 'never', strict: false, waivers: [], today: '2026-01-01' })
const screenOf = (document: ResultDocument): string[] => endText(document, judged(document), NO_PAINT)

test('many engines and long names: no line of the table is wider than the terminal', () => {
  const names = Array.from({ length: 30 }, (_, i) => `engine-${i}${'x'.repeat(i % 7)}`)
  const view = matrixView(
    read(...names.map((name) => cell(name)), cell('other', { refapp: 'a-refapp-with-a-long-name' }))
  )
  for (const columns of [60, 80, 120, 400]) {
    const lines = matrixText(view, { ...NO_PAINT, columns })
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns)
    for (const name of names) expect(lines.join('\n')).toMatch(new RegExp(`\\b${name}( |$)`, 'm'))
    expect(lines.join('\n').match(/\bpass\b/g)).toHaveLength(31)
  }
})

test('findings: ten on the screen, worst first, each in lines of ours; what is absent is not stated', () => {
  const many = Array.from({ length: 40 }, (_, i) => finding(i, { severity: 'LOW' }))
  const document = read(
    cell('a', {
      status: 'fail',
      findings: [...many, finding(99, { title: EVIL }), { predicate: 'I-X', severity: 'MED' }]
    })
  )
  const lines = screenOf(document)
  expect(lines.join('\n')).toMatch(/FAIL: 1 HIGH, 1 MED, 40 LOW in 1 of 1 cell/)
  const first = lines.findIndex((line) => line.startsWith('  HIGH'))
  expect(lines[first + 1]).not.toContain('\n')
  expect(lines[first + 2]).toMatch(/^ {2}MED {3}I-X/)
  expect(lines[first + 3]).toMatch(/title not stated/)
  expect(lines.filter((line) => /^ {2}(HIGH|MED|LOW)/.test(line))).toHaveLength(10)
  expect(lines.join('\n')).toMatch(/and 32 more in the summary/)
})

test('200 findings with long texts: the summary stays far under its limit and keeps what follows', () => {
  const many = Array.from({ length: 200 }, (_, i) => finding(i, { title: EVIL + 'y'.repeat(20_000) }))
  const document = read(
    cell('a', { status: 'fail', findings: many }),
    cell('b', { status: 'not_run', failure_reason: `no Go here ${'z'.repeat(20_000)}`, fix: 'install Go' }),
    cell('c', { status: 'fail', findings: undefined, failure_reason: EVIL })
  )
  const text = summaryMarkdown(document, judged(document))
  expect(Buffer.byteLength(text)).toBeLessThan(200_000)
  expect(text).toMatch(/and 150 more/)
  expect(text).toMatch(/### Not run[\s\S]*no Go here/)
  expect(text).toMatch(/### Why the gate refuses/)
  expect(text).not.toMatch(/<script|\u001b|^::error|@team|http:\/\/|[^\\]\[x\]/m)
  expect(text.match(/^\| /gm)!.every(Boolean)).toBe(true)
})

test('an old document: nothing is invented', () => {
  const document = parseResultDocument(
    JSON.stringify({
      schema_version: '5.1',
      validation_results: {
        cells: [{ refapp: 'a', engine: 'std', arch: 'amd64', tier_1: { requests_sent: 5 } }]
      }
    })
  )
  const text = summaryMarkdown(document, judged(document))
  expect(text).toMatch(/not stated \| a\/std\/amd64 \| {2}\| 5 \| not stated/)
  expect(screenOf(document).join('\n')).toMatch(/PASS: no findings in 1 cell/)
})

test.each([
  ['a HIGH', cell('a', { status: 'fail', findings: [finding(1)] })],
  ['a cell that judged nothing', cell('a', { status: 'vacuous', failure_reason: 'nothing was exercised' })]
])('with --fail-on never %s passes without a green word or mark', (_, one) => {
  const document = read(one)
  const verdict = letPass(document)
  expect(verdict.outcome).toBe('pass')
  expect(summaryMarkdown(document, verdict)).toMatch(/^## ⚠️ probatorium: LET PASS: /)
  const painted = endText(document, verdict, { ...NO_PAINT, good: (text) => `green ${text}` }).join('\n')
  expect(painted).toMatch(/^LET PASS: .*nothing fails, on request/m)
  expect(painted).not.toMatch(/green .*PASS/)
})
