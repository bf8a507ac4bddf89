/** A server that ends or hangs: the case that did it is named, it is started again, and what is left is played. */
import { expect, test } from '@jest/globals'
import { attachTo, CODING, frailCell, launchFrail, LONG, named } from './frail.ts'

const WS = ['ctl-text', 'ctl-bin', 'hs-ctl', 'hs-ver12', 'hs-nover', 'hs-nokey']

test(
  'two cases of two slices that end the process: both are named, tried alone, and all others are played',
  async () => {
    const cell = await frailCell('crashes', { slices: ['adversarial', 'ws'], only: [...CODING, ...WS] })
    expect(named(cell)).toEqual(['HIGH hs-ver12', 'HIGH te-xchunked'])
    for (const finding of cell.findings!) {
      expect(finding.repeats).toEqual({ k: 3, n: 3 })
      expect(finding.evidence!['alone_on_a_fresh_process']).toMatch(/ended \(.*\) in 2 of 2 tries/)
    }
    expect(cell.restarts).toBeGreaterThanOrEqual(2)
    expect(cell.status).toBe('fail')
    expect(cell.incidents!.length).toBeGreaterThan(0)
    for (const slice of ['adversarial', 'ws']) {
      const { planned, exercised, inapplicable } = cell.coverage!.slices[slice]!
      expect(planned).toBeGreaterThan(4)
      expect(exercised / (planned - inapplicable.length)).toBeGreaterThanOrEqual(0.95)
    }
    // The last process is well, and the run must not say that the server was.
    expect(cell.tier_1!.property_violation_ids).toEqual(['I-LIVENESS'])
  },
  LONG
)

test(
  'an end that no case brings about alone: the title says that it is not sure',
  async () => {
    let lives = 0
    const cell = await frailCell('crashes', {
      slices: ['adversarial'],
      only: CODING,
      start: (signal) => launchFrail((lives += 1) === 1 ? 'crashes' : 'sound', signal)
    })
    const [finding, ...more] = cell.findings!
    expect(more).toEqual([])
    expect(finding).toMatchObject({ severity: 'HIGH', predicate: 'I-LIVENESS' })
    expect(finding!.title).toMatch(/ \(once, and not again with this case alone\)$/)
    expect(finding!.evidence!['alone_on_a_fresh_process']).toMatch(/^not seen again in one try of each of \d/)
    expect(cell.restarts).toBeGreaterThanOrEqual(1)
    expect(cell.status).toBe('fail')
  },
  LONG
)

test(
  'a sound server: no restart, nothing to report',
  async () => {
    const cell = await frailCell('sound', { slices: ['adversarial', 'ws'], only: [...CODING, ...WS] })
    expect(cell.findings).toEqual([])
    expect(cell.restarts).toBe(0)
    expect(cell.notes).toEqual([])
    expect(cell.status).toBe('pass')
    expect(
      cell.property_details!.filter(({ id }) => id.startsWith('I-CASE-')).map(({ reason }) => reason)
    ).toEqual(Array.from({ length: 4 }, () => expect.stringMatching(/^pass: /)))
  },
  LONG
)

test(
  'a server that is only attached to and dies: told with its case, the rest is inconclusive',
  async () => {
    const target = await launchFrail('crashes')
    const cell = await frailCell('crashes', {
      slices: ['adversarial'],
      only: CODING,
      start: attachTo(target)
    })
    await target.stop(500)
    // Nobody can try it again: it is the case that is named, or one of those that were on their way beside it.
    const [finding, ...more] = cell.findings!
    expect(more).toEqual([])
    expect(finding).toMatchObject({ severity: 'HIGH', predicate: 'I-LIVENESS' })
    expect(`${finding!.case} ${JSON.stringify(finding!.evidence)}`).toContain('te-xchunked')
    expect(cell.restarts).toBe(0)
    const { planned, exercised, inconclusive } = cell.coverage!.slices['adversarial']!
    expect(exercised + inconclusive.length).toBe(planned)
    expect(inconclusive.length).toBeGreaterThan(0)
    expect(new Set(inconclusive.map(({ reason }) => reason.replace(/\(.*/, '')))).toEqual(
      new Set(['the server is gone '])
    )
  },
  LONG
)

test(
  'a server that serves nobody for seven seconds: told once, and all others are played',
  async () => {
    const cell = await frailCell('naps', { slices: ['adversarial'], only: CODING })
    expect(named(cell)).toEqual(['HIGH ck-size-plus'])
    const { planned, exercised } = cell.coverage!.slices['adversarial']!
    expect(exercised / planned).toBeGreaterThanOrEqual(0.95)
  },
  LONG
)
