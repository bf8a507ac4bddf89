/** What keeps all cores busy for a while, and would disturb whatever is tested beside it. */
import { expect, test } from '@jest/globals'
import { http1Cases } from '../../../src/validate/catalogue/http1/index.ts'
import { attachTo, frailCell, launchFrail, LONG } from './frail.ts'

const CASES = http1Cases.filter(({ group }) => ['coding', 'chunk'].includes(group)).map(({ id }) => id)

test(
  'attached, and a thread that spins with each play: named, though the processor was busy before',
  async () => {
    const target = await launchFrail('spins-threads')
    try {
      const cell = await frailCell('x', { slices: ['adversarial'], only: CASES, start: attachTo(target) })
      const [finding] = cell.findings!.filter(({ predicate }) => predicate === 'I-CASE-CPU')
      expect(finding).toMatchObject({ severity: 'HIGH', case: 'te-xchunked' })
      expect(finding!.title).toMatch(/ cores wanted after 3 plays in a row, /)
    } finally {
      await target.stop(500)
    }
  },
  LONG
)
