/** Each switch of the fixture's WebSocket flips exactly its own cases; with all off there is nothing to report. */
import { expect } from '@jest/globals'
import type { Mutants } from '../mutants.ts'
import { breaking, long, partOf } from './parts.ts'

export const table: Mutants = {
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
}
