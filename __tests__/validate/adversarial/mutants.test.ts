/** Each switch of the fixture server flips exactly its own cases; with all off there is nothing to report. */
import { expect, test } from '@jest/globals'
import { adversarialSlice } from '../../../src/validate/traffic/adversarial/index.ts'
import { http1Switches } from '../../fixture/http1-switches.ts'
import { playMutants } from '../mutants.ts'
import { playFixture } from './play.ts'

playMutants({
  slice: adversarialSlice,
  switches: http1Switches.filter(({ name }) => name !== 'h1-crash-nul'),
  unrepeated: ['h1-hang-all'],
  told: {
    'h1-accept-dup-host': 'MED I-ADV-ACCEPTED',
    'h1-length-plus': 'MED I-ADV-ACCEPTED',
    'h1-length-minus': 'HIGH I-ADV-ACCEPTED',
    'h1-coding-keeps-open': 'MED I-ADV-OPEN',
    'h1-coding-substring': 'HIGH I-ADV-ACCEPTED',
    'h1-nul-delivered': 'HIGH I-ADV-ACCEPTED',
    'h1-chunk-0x': 'HIGH I-ADV-ACCEPTED',
    'h1-chunk-500': 'LOW I-ADV-5XX',
    'h1-refuse-trailer': 'MED I-ADV-REFUSED',
    'h1-get-body-unread': 'HIGH I-ADV-ACCEPTED',
    'h1-cut-others': 'HIGH I-LIVENESS'
  },
  each: ({ standard }) => expect(standard).toMatch(/^RFC \d+ \d/),
  sound: ({ count }) => {
    expect(count('adv_sent')).toBeGreaterThan(40)
    expect(count('adv_wrong_accepted')).toBe(0)
  },
  later: { forMs: 3000 },
  soundLater: ({ book, count }) => expect(count('adv_sent')).toBeGreaterThan(book.planned)
})

test('a finding carries the bytes, both directions, and what the oracles saw', async () => {
  const { findings } = await playFixture(['h1-coding-identity'])
  const [finding] = findings
  expect(finding?.sent?.toString('latin1')).toContain('Transfer-Encoding: identity')
  expect(finding?.received?.toString('latin1')).toMatch(/^HTTP\/1\.1 200/)
  expect(finding?.transcript).toContain('>>')
  expect(finding?.evidence).toMatchObject({ all_bytes_written: true, fresh_connection: 'served' })
  expect(finding?.repeats).toEqual({ k: 3, n: 3 })
})
