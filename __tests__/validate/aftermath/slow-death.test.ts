/** What a case takes from the server for good is told with its name; what is kept and not leaked is not told. */
import { expect, test } from '@jest/globals'
import type { Cell } from '../../../src/documents/result.ts'
import { http1Cases } from '../../../src/validate/catalogue/http1/index.ts'
import { attachTo, frailCell, launchFrail } from './frail.ts'

const LONG = 240_000
const CASES = http1Cases.filter(({ group }) => ['coding', 'chunk'].includes(group)).map(({ id }) => id)
const told = (cell: Cell): string[] =>
  (cell.findings ?? []).map(({ severity, predicate, case: of }) => `${severity} ${predicate} ${of}`)
const detail = (cell: Cell, id: string): string =>
  cell.property_details!.find((entry) => entry.id === id)?.reason ?? 'absent'

test.each([
  ['leaks-descriptors', 'HIGH I-CASE-FD te-xchunked'],
  ['leaks-threads', 'HIGH I-CASE-THREADS ck-size-plus'],
  ['spins', 'HIGH I-CASE-CPU te-xchunked'],
  ['fills-pool', undefined]
])(
  '%s: %s and nothing else',
  async (engine, finding) => {
    const cell = await frailCell(engine, { slices: ['adversarial'], only: CASES })
    expect(told(cell)).toEqual(finding === undefined ? [] : [finding])
    expect(cell.restarts).toBe(0)
    for (const { repeats, evidence } of cell.findings!) {
      expect(repeats).toEqual({ k: 3, n: 3 })
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
