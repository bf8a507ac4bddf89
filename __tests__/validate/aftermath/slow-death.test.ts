/** What a case takes from the server for good is told with its name; what is kept and not leaked is not told. */
import { expect, test } from '@jest/globals'
import type { Cell } from '../../../src/documents/result.ts'
import { http1Cases } from '../../../src/validate/catalogue/http1/index.ts'
import { growsOn } from '../../../src/validate/aftermath/search.ts'
import { attachTo, frailCell, launchFrail } from './frail.ts'

const LONG = 240_000
const MIB = 1 << 20
const CASES = http1Cases.filter(({ group }) => ['coding', 'chunk'].includes(group)).map(({ id }) => id)
const told = (cell: Cell): string[] =>
  (cell.findings ?? []).map(({ severity, predicate, case: of }) => `${severity} ${predicate} ${of}`)
const detail = (cell: Cell, id: string): string =>
  cell.property_details!.find((entry) => entry.id === id)?.reason ?? 'absent'

/** How many batches it takes, and what is told then. @param level MiB after so many batches */
function asked(level: (batches: number) => number): [batches: number, told: boolean] {
  const levels = [level(0) * MIB]
  for (;;) {
    const told = growsOn(levels)
    if (told !== undefined) return [levels.length - 1, told]
    levels.push(level(levels.length) * MIB)
  }
}

test('memory that a collector has not taken back yet is no leak; what goes on until it has doubled is one', () => {
  // Go under a heap that was large: 26 MiB with each batch, for a while.
  expect(asked((n) => 481 + 26 * n)).toEqual([4, false])
  expect(asked((n) => 120 + 26 * Math.min(n, 4))).toEqual([14, false])
  // Warm pools, and a level that goes up and down.
  expect(asked((n) => 60 + 12 * (n % 4))[1]).toBe(false)
  expect(asked(() => 60)).toEqual([4, false])
  expect(asked((n) => 60 + 8 * n)).toEqual([8, true])
  // Some batches are served from what was free.
  expect(asked((n) => 60 + 12 * (n - (n % 3)))[1]).toBe(true)
  // A small server must still lose something, and of a large one nobody waits for the double.
  expect(asked((n) => 6 + 2 * n)).toEqual([12, true])
  expect(asked((n) => 5000 + 300 * n)).toEqual([4, true])
})

test.each([
  ['leaks-descriptors', 'HIGH I-CASE-FD te-xchunked'],
  ['leaks-threads', 'HIGH I-CASE-THREADS ck-size-plus'],
  ['spins', 'HIGH I-CASE-CPU te-xchunked'],
  ['leaks-memory', 'HIGH I-CASE-RSS te-xchunked'],
  ['fills-pool', undefined]
])(
  '%s: %s and nothing else',
  async (engine, finding) => {
    const cell = await frailCell(engine, { slices: ['adversarial'], only: CASES })
    expect(told(cell)).toEqual(finding === undefined ? [] : [finding])
    expect(cell.restarts).toBe(0)
    for (const { repeats, evidence } of cell.findings!) {
      expect(repeats!.n).toBeGreaterThanOrEqual(3)
      expect(repeats!.k).toBe(repeats!.n)
      expect(evidence!['with_the_case']).toBeDefined()
    }
  },
  LONG
)

test(
  'sockets that a WebSocket case leaves open are named by it',
  async () => {
    const cell = await frailCell('leaks-sockets', {
      slices: ['ws'],
      only: ['hs-ctl', 'hs-ver12', 'hs-nover', 'hs-nokey', 'hs-badkey', 'ctl-text', 'ctl-bin']
    })
    expect(told(cell).filter((text) => text.includes('I-CASE'))).toEqual(['HIGH I-CASE-FD hs-ver12'])
  },
  LONG
)

test(
  'attached with its process known: named as well, and without it not instrumented',
  async () => {
    const target = await launchFrail('leaks-descriptors')
    try {
      const only = CASES.slice(0, 24)
      const known = await frailCell('x', { slices: ['adversarial'], only, start: attachTo(target) })
      expect(told(known)).toEqual(['HIGH I-CASE-FD te-xchunked'])
      const unknown = await frailCell('x', { slices: ['adversarial'], only, start: attachTo(target, false) })
      expect(told(unknown)).toEqual([])
      expect(detail(unknown, 'I-CASE-FD')).toBe(
        'not-instrumented: no process id is known: name it with --pid'
      )
    } finally {
      await target.stop(500)
    }
  },
  LONG
)
