/** Each switch of the fixture's HTTP/2 flips exactly its own cases; with all off there is nothing to report. */
import { expect } from '@jest/globals'
import { h2cSlice } from '../../../src/validate/traffic/h2c/index.ts'
import { h2cSwitches } from '../../fixture/h2c-switches.ts'
import type { Mutants } from '../mutants.ts'

export const table: Mutants = {
  slice: h2cSlice,
  switches: h2cSwitches,
  elsewhere: ['prior-on-h1', 'prior-h1-on-h2'],
  slow: ['h2c-keeps-dead', 'h2c-goaway-open', 'h2c-acks-once'],
  told: {
    'h2c-upper-case': 'MED I-H2C-ACCEPTED',
    'h2c-values-delivered': 'HIGH I-H2C-ACCEPTED',
    'h2c-values-dropped': 'LOW I-H2C-ACCEPTED',
    'h2c-refuses-padding': 'MED I-H2C-REFUSED',
    'h2c-window-ignored': 'MED I-H2C-FRAMING',
    'h2c-cross-talk': 'HIGH I-H2C-INTEGRITY',
    'h2c-upgrade-body': 'HIGH I-H2C-INTEGRITY',
    'h2c-path-lax': 'HIGH I-H2C-ACCEPTED',
    'h2c-half-closed': 'MED I-H2C-ACCEPTED',
    'h2c-block-unbounded': 'LOW I-H2C-BOUND',
    'h2c-block-blocks': 'HIGH I-H2C-HANG',
    'h2c-falls-silent': 'MED I-H2C-HANG',
    'h2c-keeps-dead': 'HIGH I-H2C-LEAK',
    'h2c-acks-once': 'MED I-H2C-HANG'
  },
  sound: ({ count }) => {
    expect(count('h2c_upgraded')).toBeGreaterThan(20)
    expect(count('h2c_streams_answered')).toBeGreaterThan(300)
    expect(count('h2c_intentional_rst')).toBeGreaterThan(20)
    expect([count('h2c_crashed'), count('h2c_hang'), count('h2c_wrong_accepted')]).toEqual([0, 0, 0])
  },
  later: { forMs: 8000, seed: '0x77' }
}
