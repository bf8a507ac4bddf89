import { expect, test } from '@jest/globals'
import type { Observed } from '../../src/validate/properties/judgement.ts'
import { PREDICATES } from '../../src/validate/properties/predicates.ts'
import { flatten } from '../../src/validate/properties/sample.ts'

/** How I-DRV ends where a server publishes this, under load of the walkers or without. */
function judged(published: object | undefined, slice = 'markov'): string {
  const observed: Observed = {
    samples: [],
    health: [],
    ...(published === undefined ? {} : { last: flatten({ probatorium: published }) }),
    missing: 'GET /debug/vars was refused',
    missingProcess: '',
    process: true,
    output: [],
    tally: () => 0,
    reported: new Set(),
    slices: new Set([slice])
  }
  const found = PREDICATES.filter(({ id }) => id === 'I-DRV')
  expect(found).toHaveLength(1)
  const judgement = found[0]!.judge(observed)
  return `${judgement.state}: ${judgement.detail}`
}

const counted = (drv_reads: number, drv_read_hits: number, drv_read_misses: number): object => ({
  drv_reads,
  drv_read_hits,
  drv_read_misses
})

test('what was written is read back', () => {
  expect(judged(counted(40, 40, 0))).toBe('pass: 40 read back, 40 found, 0 missed')
  expect(judged(counted(40, 39, 1))).toBe('fail: 40 read back, 39 found, 1 missed')
})

test('no miss tells nothing where nothing was read back', () => {
  expect(judged(counted(0, 0, 0))).toBe('inconclusive: 0 read back, 0 found, 0 missed')
  // Each reading back ended with an error of the backend.
  expect(judged(counted(7, 0, 0))).toBe('inconclusive: 7 read back, 0 found, 0 missed')
  expect(judged(counted(0, 0, 0), 'sse')).toMatch(/^by-design: the slice markov/)
})

test('more found than read is no count', () => {
  expect(judged(counted(40, 41, 0))).toMatch(/^fail: .* more found than read$/)
})

test('what is not published is named', () => {
  expect(judged(undefined)).toBe('not-instrumented: GET /debug/vars was refused')
  expect(judged({})).toMatch(/^not-instrumented: .*drv_read_misses/)
  expect(judged({ drv_read_misses: 0 })).toMatch(/^not-instrumented: .*drv_reads/)
  expect(judged({ drv_read_misses: 2 })).toMatch(/^fail: unknown read back/)
})
