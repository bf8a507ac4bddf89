/** Each switch of the fixture's WebSocket flips exactly its own cases; with all off there is nothing to report. */
import { expect } from '@jest/globals'
import { WS_CASES } from '../../../src/validate/catalogue/ws/index.ts'
import type { Slice } from '../../../src/validate/contracts.ts'
import { wsSlice } from '../../../src/validate/traffic/ws/index.ts'
import type { Switch } from '../../fixture/types.ts'
import { wsSwitches } from '../../fixture/ws-switches.ts'
import { playMutants } from '../mutants.ts'

/** Crowds, floods and clients that take their time: played on switches of their own, so that the table stays quick. */
const LONG_PLAYS = ['idle', 'closes', 'unread', 'aborts', 'bomb']
const long = new Set(
  WS_CASES.filter(
    (spec) =>
      LONG_PLAYS.includes(spec.play) ||
      ('forMs' in spec && spec.forMs !== undefined) ||
      ('pauseMs' in spec && spec.pauseMs !== undefined) ||
      (spec.play === 'stream' && spec.messages > 1000)
  ).map(({ id }) => id)
)
/** Its process is not known, so that nothing is inflated in it. */
const bombs = WS_CASES.filter(({ play }) => play === 'bomb').map(({ id }) => id)

const partOf = (wants: (id: string) => boolean): Slice => ({
  ...wsSlice,
  run: (context) => wsSlice.run({ ...context, wants })
})
/** The switches that break a case of this part, and what they break of it; with them those that break nothing at all. */
const breaking = (part: (id: string) => boolean, lawful: boolean): Switch[] =>
  wsSwitches
    .filter(({ breaks }) => breaks.some((id) => id === '*' || part(id)) || (lawful && breaks.length === 0))
    .map((entry) => ({ ...entry, breaks: entry.breaks.filter((id) => id === '*' || part(id)) }))

playMutants({
  slice: partOf((id) => !long.has(id)),
  switches: breaking((id) => !long.has(id), true),
  // Raw deflate has no window of 8 bits, so the fixture declines it.
  elsewhere: ['pmd-alone-8', 'pmd-context-8'],
  slow: ['ws-counts-dead', 'ws-kept-after-fin'],
  told: {
    'ws-wrong-accept': 'MED I-WS-HANDSHAKE',
    'ws-no-version-hint': 'LOW I-WS-HANDSHAKE',
    'ws-unmasked': 'MED I-WS-ACCEPTED',
    'ws-control-long': 'MED I-WS-ACCEPTED',
    'ws-utf8-per-fragment': 'MED I-WS-ECHO',
    'ws-surrogates': 'MED I-WS-ACCEPTED',
    'ws-silent-failure': 'MED I-WS-HANG',
    'ws-cut-1m': 'HIGH I-WS-ECHO',
    'ws-crosstalk': 'HIGH I-WS-ECHO',
    'ws-masked-frames': 'HIGH I-WS-ECHO',
    'ws-pmd-any-offer': 'MED I-WS-HANDSHAKE',
    'ws-pmd-large-window': 'MED I-WS-ECHO',
    'ws-pmd-rsv1-anywhere': 'MED I-WS-ACCEPTED'
  },
  // Which moment of death is caught first depends on the clock; the way does not.
  steady: (id) => id.replace(/^kill-.*-/, 'kill-'),
  sound: ({ count }) => {
    expect(count('ws_upgraded')).toBeGreaterThan(100)
    expect(count('ws_echo_ok')).toBe(count('ws_echo_sent'))
  },
  later: { forMs: 8000, seed: '0x77' }
})

playMutants({
  slice: partOf((id) => long.has(id)),
  // A process of its own is needed for the bombs: see the tests of the ground.
  switches: breaking((id) => long.has(id) && !bombs.includes(id), false),
  elsewhere: bombs,
  told: {
    'ws-no-backpressure': 'LOW I-WS-MEMORY',
    'ws-close-lost-in-throng': 'MED I-WS-HANG',
    'ws-mute-in-throng': 'MED I-WS-HANG',
    'ws-pmd-loses': 'HIGH I-WS-ECHO'
  },
  sound: ({ count }) => expect(count('ws_upgraded')).toBeGreaterThan(1000),
  later: { seed: '0x78' }
})
