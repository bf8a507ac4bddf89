/** Each passive rule: an answer that keeps it is silent, one that breaks it is told for this rule, and for no other. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { PASSIVE_RULES, passiveInfos, passiveRule } from '../../../src/validate/catalogue/passive/index.ts'
import { CoverageBook } from '../../../src/validate/collector.ts'
import type { FindingDraft } from '../../../src/validate/contracts.ts'
import { Watcher } from '../../../src/validate/oracles/passive/watch.ts'
import { askAll, serveAnswers, type AnswerServer } from '../../fixture/passive.ts'
import { EXCHANGES, type Exchange } from '../../fixture/passive-answers.ts'

let server: AnswerServer
beforeAll(async () => void (server = await serveAnswers()))
afterAll(() => server.close())

async function watched(
  exchange: Exchange,
  side: 'right' | 'wrong'
): Promise<{ told: FindingDraft[]; book: CoverageBook }> {
  const told: FindingDraft[] = []
  const book = new CoverageBook()
  const watcher = new Watcher({ report: (draft) => void told.push(draft), wants: () => true })
  await askAll(server.port, exchange, side, watcher)
  watcher.finish(book)
  return { told, book }
}

test('there are 38 rules, and every way to break one stands in the fixture', () => {
  expect(passiveInfos()).toHaveLength(38)
  const ways = PASSIVE_RULES.flatMap(({ id, wrong }) => wrong.map(({ when }) => `${id} ${when}`))
  // These two are about what becomes of a connection; walkers show them.
  const shown = [
    ...EXCHANGES.map(({ rule, when }) => `${rule} ${when}`),
    'answer-close stays',
    'answer-keep-alive closed'
  ]
  expect([...new Set(shown)].sort()).toEqual(ways.sort())
})

test.each(EXCHANGES.map((one) => [one.rule, one.when, one] as const))('%s (%s)', async (rule, when, one) => {
  const right = await watched(one, 'right')
  expect(right.told).toEqual([])
  const wrong = await watched(one, 'wrong')
  const { severity } = passiveRule(rule).wrong.find((way) => way.when === when)!
  expect(wrong.told.map((draft) => [draft.case, draft.symptom, draft.severity])).toEqual([
    [rule, when, severity]
  ])
  expect(wrong.told[0]!.sent!.toString('latin1')).toMatch(/^(GET|HEAD) \/\d+\/wrong HTTP/)
  expect(wrong.told[0]!.received!.length).toBeGreaterThan(0)
  const { inapplicable, inconclusive } = wrong.book.summary('').whole
  expect(inapplicable.map((entry) => entry.case)).not.toContain(rule)
  expect(inconclusive).toEqual([])
})

test('only what is wanted is looked for', async () => {
  const exchange = EXCHANGES.find(({ rule }) => rule === 'answer-405-allow')!
  const told: FindingDraft[] = []
  const watcher = new Watcher({
    report: (draft) => void told.push(draft),
    wants: (rule) => rule === 'answer-date'
  })
  const book = new CoverageBook()
  await askAll(server.port, exchange, 'wrong', watcher)
  watcher.finish(book)
  expect(told).toEqual([])
  expect(book.size).toBe(1)
})
