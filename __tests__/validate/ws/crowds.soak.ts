/** The switches that show only in a crowd, in a flood or to a client that does not read; one after the other, as each needs the machine. */
import { expect, test } from '@jest/globals'
import { wsCases } from '../../../src/validate/catalogue/ws/index.ts'
import { playFixture } from '../play.ts'
import { breaking, long, partOf } from './parts.ts'

const LONG_MS = 150_000
/** Its process is not known, so that nothing is inflated in it: see the tests of the ground. */
const bombs = wsCases('bomb').map(({ id }) => id)
const table = new Set(['idle-500', 'close-1000s', 'slow-reader-64m', 'pmd-tiny'])
const own = breaking((id) => table.has(id), false).filter(({ breaks }) => !breaks.includes('*'))

/** How it is told. */
const told: Record<string, string> = {
  'ws-no-backpressure': 'LOW I-WS-MEMORY',
  'ws-close-lost-in-throng': 'MED I-WS-HANG',
  'ws-mute-in-throng': 'MED I-WS-HANG',
  'ws-pmd-loses': 'HIGH I-WS-ECHO',
  'ws-crosstalk': 'HIGH I-LIVENESS'
}

test(
  'a server that keeps the rules has no finding in crowds, floods and slow frames either',
  async () => {
    const { findings, book, count } = await playFixture(
      partOf((id) => long.has(id)),
      []
    )
    expect(findings).toEqual([])
    expect(book.inapplicable.map((entry) => entry.case).sort()).toEqual([...bombs].sort())
    expect(book.exercised).toBe(book.planned - bombs.length)
    expect(count('ws_upgraded')).toBeGreaterThan(1000)
  },
  LONG_MS
)

test.each(own.map(({ name, breaks }) => [name, breaks] as const))(
  '%s flips exactly its cases',
  async (name, breaks) => {
    const { flipped, findings } = await playFixture(
      partOf((id) => table.has(id)),
      [name]
    )
    expect(flipped).toEqual([...breaks].sort())
    for (const { repeats, severity, predicate } of findings) {
      expect(repeats?.k).toBeGreaterThan(2)
      if (told[name] !== undefined) expect(`${severity} ${predicate}`).toBe(told[name])
    }
  },
  LONG_MS
)
