/** Each switch of the fixture's HTTP/2 flips exactly its own cases; with all off there is nothing to report. */
import { expect, test } from '@jest/globals'
import { h2cSlice } from '../../../src/validate/traffic/h2c/index.ts'
import { h2cSwitches } from '../../fixture/h2c-switches.ts'
import { playFixture } from '../play.ts'

/** They take longest, so they begin first. */
const SLOW = ['h2c-keeps-dead', 'h2c-goaway-open', 'h2c-acks-once']
const own = h2cSwitches
  .filter(({ breaks }) => !breaks.includes('*'))
  .sort((a, b) => Number(SLOW.includes(b.name)) - Number(SLOW.includes(a.name)))
const LONG_MS = 150_000

/** How its findings are told, for a few of each kind. */
const told: Record<string, string> = {
  'h2c-upper-case': 'MED I-H2C-ACCEPTED',
  'h2c-values-delivered': 'MED I-H2C-ACCEPTED',
  'h2c-values-dropped': 'LOW I-H2C-ACCEPTED',
  'h2c-refuses-padding': 'MED I-H2C-REFUSED',
  'h2c-window-ignored': 'MED I-H2C-FRAMING',
  'h2c-cross-talk': 'HIGH I-H2C-INTEGRITY',
  'h2c-upgrade-body': 'HIGH I-H2C-INTEGRITY',
  'h2c-keeps-dead': 'HIGH I-H2C-LEAK',
  'h2c-acks-once': 'MED I-H2C-HANG'
}

test(
  'a server that keeps the rules has no finding of any severity, and every case is exercised',
  async () => {
    const { findings, book, count } = await playFixture(h2cSlice, [])
    expect(findings).toEqual([])
    expect(book.exercised).toBe(book.planned)
    expect(count('h2c_upgraded')).toBeGreaterThan(20)
    expect(count('h2c_streams_answered')).toBeGreaterThan(300)
    expect(count('h2c_intentional_rst')).toBeGreaterThan(20)
    expect([count('h2c_crashed'), count('h2c_hang'), count('h2c_wrong_accepted')]).toEqual([0, 0, 0])
  },
  LONG_MS
)

test(
  'the same server in later rounds: other cases, other bytes, the same verdict',
  async () => {
    const { findings, book } = await playFixture(h2cSlice, [], { forMs: 8000, seed: '0x77' })
    expect(findings).toEqual([])
    expect(book.exercised).toBe(book.planned)
  },
  LONG_MS
)

test.concurrent.each(own.map(({ name, breaks }) => [name, breaks] as const))(
  '%s flips exactly its cases',
  async (name, breaks) => {
    const { flipped, findings, book } = await playFixture(h2cSlice, [name])
    expect(flipped).toEqual([...breaks].sort())
    for (const { repeats, severity, predicate } of findings) {
      expect(repeats?.k).toBeGreaterThan(2)
      if (told[name] !== undefined) expect(`${severity} ${predicate}`).toBe(told[name])
    }
    for (const id of breaks) expect(book.inconclusive.map((entry) => entry.case)).not.toContain(id)
  },
  LONG_MS
)
