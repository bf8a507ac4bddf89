/** Each switch of the fixture's WebSocket flips exactly its own cases; with all off there is nothing to report. */
import { expect, test } from '@jest/globals'
import { wsSlice } from '../../../src/validate/traffic/ws/index.ts'
import { wsSwitches } from '../../fixture/ws-switches.ts'
import { playFixture } from '../play.ts'

/** Which moment of death is caught first depends on the clock; the way does not. */
const dead = (id: string): string => id.replace(/^kill-.*-/, 'kill-')
/** They take longest, so they begin first. */
const SLOW = ['ws-counts-dead', 'ws-kept-after-fin']
const own = wsSwitches
  .filter(({ breaks }) => !breaks.includes('*'))
  .sort((a, b) => Number(SLOW.includes(b.name)) - Number(SLOW.includes(a.name)))
const LONG_MS = 150_000

/** How the worst of its findings is told, for a few of each kind. */
const told: Record<string, string> = {
  'ws-wrong-accept': 'MED I-WS-HANDSHAKE',
  'ws-no-version-hint': 'LOW I-WS-HANDSHAKE',
  'ws-unmasked': 'MED I-WS-ACCEPTED',
  'ws-control-long': 'MED I-WS-ACCEPTED',
  'ws-utf8-per-fragment': 'MED I-WS-ECHO',
  'ws-silent-failure': 'MED I-WS-HANG',
  'ws-cut-1m': 'HIGH I-WS-ECHO',
  'ws-crosstalk': 'HIGH I-WS-ECHO',
  'ws-masked-frames': 'HIGH I-WS-ECHO',
  'ws-kept-after-fin': 'HIGH I-WS-LEAK'
}

test(
  'a server that keeps the rules has no finding of any severity, and every case is exercised',
  async () => {
    const { findings, book, count } = await playFixture(wsSlice, [])
    expect(findings).toEqual([])
    expect(book.exercised).toBe(book.planned)
    expect(count('ws_upgraded')).toBeGreaterThan(100)
    expect(count('ws_echo_ok')).toBe(count('ws_echo_sent'))
  },
  LONG_MS
)

test(
  'the same server in later rounds',
  async () => {
    const { findings, book } = await playFixture(wsSlice, [], { forMs: 8000, seed: '0x77' })
    expect(findings).toEqual([])
    expect(book.exercised).toBe(book.planned)
  },
  LONG_MS
)

test.concurrent.each(own.map(({ name, breaks }) => [name, breaks] as const))(
  '%s flips exactly its cases',
  async (name, breaks) => {
    const { flipped, findings, book } = await playFixture(wsSlice, [name])
    expect(flipped.map(dead)).toEqual([...breaks].map(dead).sort())
    for (const { repeats, severity, predicate } of findings) {
      expect(repeats?.k).toBeGreaterThan(2)
      if (told[name] !== undefined) expect(`${severity} ${predicate}`).toBe(told[name])
    }
    for (const id of flipped) expect(book.inconclusive.map((entry) => entry.case)).not.toContain(id)
  },
  LONG_MS
)
