/** Each switch of the fixture server flips exactly its own messages; with all off there is nothing to report. */
import { afterAll, expect, test } from '@jest/globals'
import { http1Switches } from '../../fixture/http1-switches.ts'
import { playMutants } from '../mutants.ts'
import { playFixture, type PlayOptions } from '../play.ts'
import { messageIds, messageSlice, wholeSlice } from './messages.ts'

/** What they break shows only where a message comes in several segments. */
const isCut = (name: string): boolean => name.startsWith('h1-seg-')
const switches = http1Switches
  .filter(({ name }) => name !== 'h1-crash-nul')
  .map((entry) => ({ ...entry, breaks: entry.breaks.filter((id) => id === '*' || messageIds.has(id)) }))
  // The others are about cases of several steps.
  .filter(({ breaks }) => breaks.length > 0)

playMutants({
  slice: wholeSlice,
  switches: switches.filter(({ name }) => !isCut(name)),
  unrepeated: ['h1-hang-all'],
  told: {
    'h1-accept-dup-host': 'MED I-ADV-ACCEPTED',
    'h1-host-any': 'MED I-ADV-ACCEPTED',
    'h1-length-plus': 'MED I-ADV-ACCEPTED',
    'h1-length-minus': 'HIGH I-ADV-ACCEPTED',
    'h1-length-same': 'HIGH I-ADV-ACCEPTED',
    'h1-coding-keeps-open': 'MED I-ADV-OPEN',
    'h1-coding-substring': 'HIGH I-ADV-ACCEPTED',
    'h1-coding-ignored': 'HIGH I-ADV-ACCEPTED',
    'h1-nul-delivered': 'HIGH I-ADV-ACCEPTED',
    'h1-name-nbsp': 'HIGH I-ADV-ACCEPTED',
    'h1-ows-kept': 'MED I-ADV-ACCEPTED',
    'h1-first-line-space': 'MED I-ADV-ACCEPTED',
    'h1-chunk-0x': 'HIGH I-ADV-ACCEPTED',
    'h1-chunk-500': 'LOW I-ADV-5XX',
    'h1-long-field-500': 'MED I-ADV-5XX',
    'h1-version-500': 'LOW I-ADV-5XX',
    'h1-method-silent': 'LOW I-ADV-HANG',
    'h1-refuse-trailer': 'MED I-ADV-REFUSED',
    'h1-refuse-lead-crlf': 'LOW I-ADV-REFUSED',
    'h1-upgrade-insists': 'LOW I-ADV-REFUSED',
    'h1-upgrade-10': 'MED I-ADV-REFUSED',
    'h1-pipeline-first': 'LOW I-ADV-REFUSED',
    'h1-pipeline-swaps': 'HIGH I-ADV-ORDER',
    'h1-coding-raw': 'HIGH I-ADV-BODY',
    'h1-body-short': 'HIGH I-ADV-BODY',
    'h1-get-body-unread': 'HIGH I-ADV-ACCEPTED',
    'h1-10-open': 'MED I-ADV-OPEN',
    'h1-cut-others': 'HIGH I-LIVENESS'
  },
  each: ({ standard }) => expect(standard).toMatch(/^RFC \d+ \d/),
  sound: ({ count }) => {
    expect(count('adv_sent')).toBeGreaterThan(166)
    expect(count('adv_wrong_accepted')).toBe(0)
  },
  later: { forMs: 6000 },
  soundLater: ({ book, count }) => {
    expect(count('adv_sent')).toBeGreaterThan(book.planned)
    expect(count('adv_segments_differ')).toBe(0)
  }
})

/** Few cases, so that each comes in each segmentation within the time. */
const FEW: PlayOptions = {
  forMs: 8000,
  only: [
    'ctl-get',
    'ctl-post-cl',
    'ctl-post-chunked',
    'body-get',
    'body-head',
    'ck-size-comma',
    'ck-size-tsp',
    'te-chunkedx'
  ]
}

test('a server that keeps the rules keeps them however the messages are cut', async () => {
  const { findings, count, book } = await playFixture(messageSlice, [], FEW)
  expect(findings).toEqual([])
  expect(book.exercised).toBe(FEW.only!.length)
  expect(count('adv_sent')).toBeGreaterThan(5 * FEW.only!.length)
})

test.concurrent(
  'a framing that is refused when it is cut is told once, of its plainest message',
  async () => {
    const chunked = ['ctl-post-chunked', 'ctl-chunk-ext', 'ctl-chunk-HEX', 'ck-size-tsp', 'te-sp-colon']
    const { findings } = await playFixture(messageSlice, ['h1-chunks-cut'], { forMs: 8000, only: chunked })
    expect(findings.map(({ predicate, case: of }) => `${predicate} ${of}`)).toEqual([
      'I-ADV-SEGMENT ctl-post-chunked'
    ])
  }
)

test.concurrent.each(
  switches.filter(({ name }) => isCut(name)).map(({ name, breaks }) => [name, breaks] as const)
)(
  '%s shows in segments alone, and there in exactly its cases',
  async (name, breaks) => {
    const whole = await playFixture(wholeSlice, [name], { only: FEW.only! })
    expect(whole.findings).toEqual([])
    const { findings, flipped } = await playFixture(messageSlice, [name], FEW)
    expect(flipped).toEqual([...breaks].sort())
    for (const finding of findings) {
      expect(finding.predicate).toBe('I-ADV-SEGMENT')
      expect(finding.repeats?.k).toBe(3)
      // Both are named: how it came, and what became of it.
      expect(finding.title).toContain('in one segment')
      expect(finding.evidence).toMatchObject({
        answers: expect.anything(),
        answers_in_one_segment: expect.anything()
      })
      expect(finding.wire).toHaveLength(2)
      const grave = name === 'h1-seg-unread' || finding.case === 'ck-size-comma'
      expect(finding.severity).toBe(grave || finding.case.startsWith('ctl-') ? 'HIGH' : 'MED')
    }
  },
  60_000
)

afterAll(() => {
  const rows = switches.map(({ name, breaks, says }) => `${name.padEnd(26)} ${breaks.join(' ')}  (${says})`)
  process.stdout.write(`\nswitch x case\n${rows.join('\n')}\n`)
})

test('a finding carries the bytes, both directions, and what the oracles saw', async () => {
  const { findings } = await playFixture(wholeSlice, ['h1-coding-identity'])
  const [finding] = findings
  expect(finding?.sent?.toString('latin1')).toContain('Transfer-Encoding: identity')
  expect(finding?.received?.toString('latin1')).toMatch(/^HTTP\/1\.1 200/)
  expect(finding?.transcript).toContain('>>')
  expect(finding?.evidence).toMatchObject({ all_bytes_written: true, fresh_connection: 'served' })
  expect(finding?.repeats).toEqual({ k: 3, n: 3 })
})
