import { expect, test } from '@jest/globals'
import type { Observed } from '../../src/validate/properties/judgement.ts'
import { PREDICATES } from '../../src/validate/properties/predicates.ts'
import { flatten, type Sample } from '../../src/validate/properties/sample.ts'

const NOTHING: Observed = {
  samples: [],
  health: [],
  healthDeclared: true,
  missing: 'GET /debug/vars was refused',
  missingProcess: '',
  process: true,
  output: [],
  tally: () => 0,
  reported: new Set(),
  slices: new Set(['markov'])
}

function judged(id: string, observed: Partial<Observed>): string {
  const found = PREDICATES.filter((predicate) => predicate.id === id)
  expect(found).toHaveLength(1)
  const judgement = found[0]!.judge({ ...NOTHING, ...observed })
  return `${judgement.state}: ${judgement.detail}`
}

/** How I-DRV ends where a server publishes this. */
const readBack = (published: object, slice = 'markov'): string =>
  judged('I-DRV', { last: flatten({ probatorium: published }), slices: new Set([slice]) })

/** How I-REQUESTS ends where the counter went so, second by second. */
const requests = (counter: number[], answered: number, last: Sample['phase'] = 'quiet'): string =>
  judged('I-REQUESTS', {
    last: flatten({}),
    samples: counter.map((requests_total, t) => {
      const phase = t === counter.length - 1 ? last : 'load'
      return { t, ts: t, phase, harness_stall_ms: 0, requests_total } as Sample
    }),
    tally: (slice, counter) => (slice === 'markov' && counter === 'requests_2xx' ? answered : 0)
  })

const counted = (drv_reads: number, drv_read_hits: number, drv_read_misses: number): object => ({
  drv_reads,
  drv_read_hits,
  drv_read_misses
})

test('what was written is read back', () => {
  expect(readBack(counted(40, 40, 0))).toBe('pass: 40 read back, 40 found, 0 missed')
  expect(readBack(counted(40, 39, 1))).toBe('fail: 40 read back, 39 found, 1 missed')
})

test('no miss tells nothing where nothing was read back', () => {
  expect(readBack(counted(0, 0, 0))).toBe('inconclusive: 0 read back, 0 found, 0 missed')
  // Each reading back ended with an error of the backend.
  expect(readBack(counted(7, 0, 0))).toBe('inconclusive: 7 read back, 0 found, 0 missed')
  expect(readBack(counted(0, 0, 0), 'sse')).toMatch(/^by-design: the slice markov/)
})

test('more found than read is no count', () => {
  expect(readBack(counted(40, 41, 0))).toMatch(/^fail: .* more found than read$/)
})

test('what is not published is named', () => {
  expect(judged('I-DRV', {})).toBe('not-instrumented: GET /debug/vars was refused')
  expect(readBack({})).toMatch(/^not-instrumented: .*drv_read_misses/)
  expect(readBack({ drv_read_misses: 0 })).toMatch(/^not-instrumented: .*drv_reads/)
  expect(readBack({ drv_read_misses: 2 })).toMatch(/^fail: unknown read back/)
})

test('as many requests are counted as were answered', () => {
  expect(requests([7, 900, 2507], 2500)).toBe('pass: 2500 counted, 2500 of walkers answered 2xx')
  // Other slices and the health probes are counted too.
  expect(requests([0, 9000], 2500)).toMatch(/^pass/)
  // One of two ways to a handler is not counted.
  expect(requests([7, 900, 1507], 2500)).toBe('fail: 1500 counted, 2500 of walkers answered 2xx')
  expect(requests([3, 3, 3], 2500)).toMatch(/^fail: 0 counted/)
})

test('a counter is judged at rest, and by enough requests', () => {
  expect(requests([0, 1500], 2500, 'load')).toMatch(/^inconclusive: .*no sample at rest$/)
  expect(requests([0, 0], 999)).toMatch(/^by-design: .*1000 needed$/)
  expect(judged('I-REQUESTS', { last: flatten({}) })).toMatch(/^not-instrumented: no request counter/)
})
