/** Each switch of the fixture's HTTP/2 flips exactly its own cases; with all off there is nothing to report. */
import { expect, test } from '@jest/globals'
import { h2cSlice } from '../../../src/validate/traffic/h2c/index.ts'
import { h2cSwitches } from '../../fixture/h2c-switches.ts'
import { playFixture } from '../play.ts'

const own = h2cSwitches.filter(({ breaks }) => !breaks.includes('*'))
const LONG_MS = 120_000

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

test.each(own.map(({ name, breaks }) => [name, breaks] as const))(
  '%s flips exactly its cases',
  async (name, breaks) => {
    const { flipped, findings, book } = await playFixture(h2cSlice, [name])
    expect(flipped).toEqual([...breaks].sort())
    for (const finding of findings) expect(finding.repeats?.k).toBeGreaterThan(2)
    for (const id of breaks) expect(book.inconclusive.map((entry) => entry.case)).not.toContain(id)
  },
  LONG_MS
)

const told: [name: string, predicate: string, severity: string][] = [
  ['h2c-upper-case', 'I-H2C-ACCEPTED', 'MED'],
  ['h2c-values-delivered', 'I-H2C-ACCEPTED', 'MED'],
  ['h2c-values-dropped', 'I-H2C-ACCEPTED', 'LOW'],
  ['h2c-refuses-padding', 'I-H2C-REFUSED', 'MED'],
  ['h2c-window-ignored', 'I-H2C-FRAMING', 'MED'],
  ['h2c-cross-talk', 'I-H2C-INTEGRITY', 'HIGH'],
  ['h2c-upgrade-body', 'I-H2C-INTEGRITY', 'HIGH'],
  ['h2c-keeps-dead', 'I-H2C-LEAK', 'HIGH'],
  ['h2c-acks-once', 'I-H2C-HANG', 'MED']
]
test.each(told)(
  '%s is told as %s, %s',
  async (name, predicate, severity) => {
    const { findings } = await playFixture(h2cSlice, [name])
    expect(findings.length).toBeGreaterThan(0)
    for (const finding of findings)
      expect([finding.predicate, finding.severity]).toEqual([predicate, severity])
  },
  LONG_MS
)
