/** Each switch of the fixture's event stream flips exactly its own cases; with all off there is nothing to report. */
import { expect } from '@jest/globals'
import { sseSlice } from '../../../src/validate/traffic/sse/index.ts'
import { sseSwitches } from '../../fixture/sse-switches.ts'
import type { Mutants } from '../mutants.ts'

export const table: Mutants = {
  slice: sseSlice,
  switches: sseSwitches,
  // No stream of the fixture ends, its memory is ours, and its head comes at once.
  elsewhere: [
    'after-end',
    'resume-204',
    'unread-memory',
    ...['fin', 'rst', 'stop'].map((way) => `kill-K0p-${way}`)
  ],
  unfinished: ['sse-crowd-hangs'],
  oneByOne: true,
  slow: ['sse-crowd-hangs', 'sse-starves', 'sse-leak-rst'],
  told: {
    'sse-leak-rst': 'HIGH I-SSE-LEAK',
    'sse-starves': 'HIGH I-LIVENESS',
    'sse-crowd-hangs': 'HIGH I-LIVENESS',
    'sse-resume-skips': 'MED I-SSE-RESUME',
    'sse-ignores-last-id': 'LOW I-SSE-RESUME',
    'sse-bad-chunk': 'MED I-SSE-FRAMING',
    'sse-cuts-stream': 'MED I-SSE-EARLY-CLOSE',
    'sse-inject-cr': 'HIGH I-SSE-INJECTED',
    'sse-splits-bom': 'MED I-SSE-INJECTED',
    'sse-stalls': 'MED I-SSE-STALLED',
    'sse-cached': 'LOW I-SSE-FRAMING',
    'sse-after-end': 'HIGH I-SSE-FRAMING'
  },
  // Which moment of death is caught first depends on the clock; the way does not.
  steady: (id) => id.replace(/^kill-.*-/, 'kill-'),
  sound: ({ count, notes }) => {
    expect(notes).toEqual([])
    expect(count('sse_established')).toBeGreaterThan(60)
    expect(count('sse_resumed')).toBeGreaterThan(2)
    expect(count('sse_killed_mid_stream')).toBeGreaterThan(60)
  },
  later: { forMs: 6000, seed: '0x77' }
}
