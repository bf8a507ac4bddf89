/** Each switch of the fixture's event stream flips exactly its own cases; with all off there is nothing to report. */
import { expect, test } from '@jest/globals'
import { sseSlice } from '../../../src/validate/traffic/sse/index.ts'
import { sseSwitches } from '../../fixture/sse-switches.ts'
import { playFixture } from '../play.ts'

/** Which moment of death is caught first depends on the clock; the way does not. */
const dead = (id: string): string => id.replace(/^kill-.*-/, 'kill-')
/** They take longest, so they begin first. */
const SLOW = ['sse-crowd-hangs', 'sse-starves', 'sse-leak-rst']
const own = sseSwitches
  .filter(({ breaks }) => !breaks.includes('*'))
  .sort((a, b) => Number(SLOW.includes(b.name)) - Number(SLOW.includes(a.name)))
const LONG_MS = 150_000

/** How the worst of its findings is told, for a few of each kind. */
const told: Record<string, string> = {
  'sse-leak-rst': 'HIGH I-SSE-LEAK',
  'sse-starves': 'HIGH I-LIVENESS',
  'sse-crowd-hangs': 'HIGH I-LIVENESS',
  'sse-resume-skips': 'MED I-SSE-RESUME',
  'sse-ignores-last-id': 'LOW I-SSE-RESUME',
  'sse-bad-chunk': 'MED I-SSE-FRAMING',
  'sse-cuts-stream': 'MED I-SSE-EARLY-CLOSE'
}

test(
  'a server that keeps the rules has no finding of any severity, and every case is exercised',
  async () => {
    const { findings, book, count, notes } = await playFixture(sseSlice, [])
    expect(findings).toEqual([])
    expect(notes).toEqual([])
    expect(book.exercised).toBe(book.planned)
    expect(count('sse_established')).toBeGreaterThan(60)
    expect(count('sse_resumed')).toBeGreaterThan(2)
    expect(count('sse_killed_mid_stream')).toBeGreaterThan(60)
  },
  LONG_MS
)

test(
  'the same server in later rounds',
  async () => {
    const { findings, book } = await playFixture(sseSlice, [], { forMs: 6000, seed: '0x77' })
    expect(findings).toEqual([])
    expect(book.exercised).toBe(book.planned)
  },
  LONG_MS
)

test.concurrent.each(own.map(({ name, breaks }) => [name, breaks] as const))(
  '%s flips exactly its cases',
  async (name, breaks) => {
    const { flipped, findings, book } = await playFixture(sseSlice, [name])
    expect(flipped.map(dead)).toEqual([...breaks].map(dead).sort())
    for (const { repeats, severity, predicate } of findings) {
      expect(repeats?.k).toBeGreaterThan(2)
      if (told[name] !== undefined) expect(`${severity} ${predicate}`).toBe(told[name])
    }
    for (const id of flipped) expect(book.inconclusive.map((entry) => entry.case)).not.toContain(id)
  },
  LONG_MS
)
