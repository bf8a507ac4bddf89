/** Cases of several steps: each switch of the fixture flips exactly its own; with all off there is nothing to report. */
import { expect, test } from '@jest/globals'
import { takeCensus } from '../../../src/target/census.ts'
import { stepCases, stepInfos, type StepCase } from '../../../src/validate/catalogue/http1/steps/index.ts'
import { startChild } from '../../fixture/child.ts'
import { http1StepSwitches } from '../../fixture/http1-steps-switches.ts'
import { playTarget, type Played } from './play.ts'

const LONG_MS = 120_000

/** Groups that take long; a switch that names none of their cases is played without them. */
const isHeavy = (entry: StepCase): boolean =>
  entry.kind === 'siege' || entry.kind === 'growth' || (entry.kind === 'script' && entry.alone === true)

/** The fixture in a process of its own, so that its descriptors can be counted and it is slow alone. */
async function play(bugs: readonly string[], only: readonly string[]): Promise<Played> {
  const child = await startChild(bugs)
  try {
    const target = { ...child.target, census: () => takeCensus(child.pid) }
    return await playTarget(target, { only })
  } finally {
    child.kill()
  }
}

test('the catalogue lists 96 cases and more, each with steps, twin and what is wrong', () => {
  const infos = stepInfos()
  expect(new Set(infos.map(({ id }) => id)).size).toBe(infos.length)
  expect(infos.length).toBeGreaterThanOrEqual(96)
  for (const { steps, twin, right, wrong, oracles, standard } of infos) {
    expect(steps.length).toBeGreaterThan(0)
    expect(oracles).toEqual(expect.arrayContaining(['O1', 'O2', 'O3']))
    expect(standard).toMatch(/^RFC \d+ \d/)
    for (const text of [...steps, twin, right, ...wrong.map(({ says }) => says)])
      expect(text).toMatch(/^[\x20-\x7e]+$/)
  }
  for (const { when, severity } of stepCases.flatMap(({ wrong }) => wrong))
    if (['foreign', 'order', 'raw', 'others', 'descriptors'].includes(when)) expect(severity).toBe('HIGH')
})

test(
  'a server that keeps the rules has no finding, and every case is exercised',
  async () => {
    const { findings, book } = await play(
      [],
      stepCases.map(({ id }) => id)
    )
    expect(findings).toEqual([])
    expect(book.inapplicable).toEqual([])
    expect(book.inconclusive).toEqual([])
    expect(book.exercised).toBe(stepCases.length)
  },
  LONG_MS
)

const lasting = http1StepSwitches.filter(({ name }) => name !== 'h1-step-crash-reset')
test.each(lasting.map(({ name, breaks }) => [name, breaks] as const))(
  '%s flips exactly its cases',
  async (name, breaks) => {
    const heavy = stepCases.some((entry) => isHeavy(entry) && breaks.includes(entry.id))
    const only = stepCases.filter((entry) => heavy || !isHeavy(entry)).map(({ id }) => id)
    const { findings, flipped, book } = await play([name], only)
    expect(flipped).toEqual([...breaks].sort())
    for (const { repeats, standard } of findings) {
      expect(repeats?.k).toBeGreaterThan(2)
      expect(standard).toMatch(/^RFC \d+ \d/)
    }
    for (const id of breaks) expect(book.inconclusive.map((entry) => entry.case)).not.toContain(id)
  },
  LONG_MS
)

test(
  'a process that ends at a reset is told with the case that sent it, and the rest is not judged',
  async () => {
    const { findings, book } = await play(['h1-step-crash-reset'], ['rst-mid-body', 'lim-uri', 'slowloris'])
    expect(findings.map(({ predicate, severity, case: id }) => [predicate, severity, id])).toEqual([
      ['I-LIVENESS', 'HIGH', 'rst-mid-body']
    ])
    expect(book.inconclusive.map((entry) => entry.case).sort()).toEqual(['lim-uri', 'slowloris'])
  },
  LONG_MS
)
