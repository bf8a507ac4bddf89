/** Each switch of the fixture server flips exactly its own cases; with all off there is nothing to report. */
import { expect, test } from '@jest/globals'
import { http1Switches } from '../../fixture/http1-switches.ts'
import { playFixture } from './play.ts'

const own = http1Switches.filter(({ name, breaks }) => !breaks.includes('*') && name !== 'h1-crash-nul')

test('a server that keeps the rules has no finding of any severity, and every case is exercised', async () => {
  const { findings, book, count } = await playFixture([])
  expect(findings).toEqual([])
  expect(book.exercised).toBe(book.planned)
  expect(count('adv_sent')).toBeGreaterThan(40)
  expect(count('adv_wrong_accepted')).toBe(0)
})

test('the same server in later rounds: other order, other segments, the same verdict', async () => {
  const { findings, count, book } = await playFixture([], { forMs: 3000 })
  expect(findings).toEqual([])
  expect(book.exercised).toBe(book.planned)
  expect(count('adv_sent')).toBeGreaterThan(book.planned)
})

test.concurrent.each(own.map(({ name, breaks }) => [name, breaks] as const))(
  '%s flips exactly its cases',
  async (name, breaks) => {
    const { flipped, findings, book } = await playFixture([name])
    expect(flipped).toEqual([...breaks].sort())
    for (const finding of findings) {
      expect(finding.repeats?.k).toBeGreaterThan(name === 'h1-hang-all' ? 0 : 2)
      expect(finding.standard).toMatch(/^RFC \d+ \d/)
    }
    for (const id of breaks) expect(book.inconclusive.map((entry) => entry.case)).not.toContain(id)
  },
  60_000
)

const severities: [string, string, string][] = [
  ['h1-accept-dup-host', 'I-ADV-ACCEPTED', 'MED'],
  ['h1-length-plus', 'I-ADV-ACCEPTED', 'MED'],
  ['h1-length-minus', 'I-ADV-ACCEPTED', 'HIGH'],
  ['h1-coding-keeps-open', 'I-ADV-OPEN', 'MED'],
  ['h1-coding-substring', 'I-ADV-ACCEPTED', 'HIGH'],
  ['h1-nul-delivered', 'I-ADV-ACCEPTED', 'HIGH'],
  ['h1-chunk-0x', 'I-ADV-ACCEPTED', 'HIGH'],
  ['h1-chunk-500', 'I-ADV-5XX', 'LOW'],
  ['h1-refuse-trailer', 'I-ADV-REFUSED', 'MED'],
  ['h1-get-body-unread', 'I-ADV-ACCEPTED', 'HIGH'],
  ['h1-cut-others', 'I-LIVENESS', 'HIGH']
]
test.concurrent.each(severities)('%s is told as %s, %s', async (name, predicate, severity) => {
  const { findings } = await playFixture([name])
  expect(findings.length).toBeGreaterThan(0)
  for (const finding of findings) expect([finding.predicate, finding.severity]).toEqual([predicate, severity])
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
