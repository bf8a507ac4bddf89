/** Each case is what it says: its message breaks the grammar and its twin keeps it, by a strict reader that is not the oracle. */
import { expect, test } from '@jest/globals'
import { http1Cases, http1Infos, render } from '../../../src/validate/catalogue/http1/index.ts'
import { EXAMPLE } from '../../../src/validate/catalogue/http1/example.ts'
import { readBody } from '../../fixture/http1-body.ts'
import { isBad, planOf, readHead } from '../../fixture/http1-head.ts'
import { Bugs } from '../../fixture/types.ts'

/** Number of whole requests in the bytes, or why they break the grammar. */
function read(text: string): number | string {
  const strict = new Bugs()
  // RFC 9112 2.2: empty lines before a request line are passed over.
  let rest: Buffer = Buffer.from(text.replace(/^(?:\r\n)+/, ''), 'latin1')
  let count = 0
  while (rest.length > 0) {
    const head = readHead(rest, strict)
    if (head === undefined) return 'unfinished'
    if (isBad(head)) return head.why
    const plan = planOf(head, strict)
    if (isBad(plan)) return plan.why
    const body = readBody(rest.subarray(head.length), plan.framing, strict)
    if (body === undefined) return 'unfinished'
    if (isBad(body)) return body.why
    rest = rest.subarray(head.length + body.used)
    count += 1
  }
  return count
}

/** Valid messages whose right treatment is the question. */
const VALID = new Set(['ACC', 'ACC+C', 'FRAME'])
/** Valid to one reader and not to the next. */
const OPEN = new Set(['MAY', 'LIM'])

test.each(http1Cases.map((entry) => [entry.id, entry] as const))('%s', (id, entry) => {
  const message = render(entry.sends, EXAMPLE)
  const twin = render(entry.twin, EXAMPLE)
  // A case about segments sends what its twin sends.
  if (entry.sends.includes('{CUT}')) expect(twin).toBe(message)
  else expect(twin).not.toBe(message)
  expect(read(twin)).toBe(twin.includes(EXAMPLE.canary) ? 2 : 1)
  if (OPEN.has(entry.class)) return
  const seen = read(message)
  if (VALID.has(entry.class) || id === 'conn-close-then-pipelined') expect(typeof seen).toBe('number')
  else expect(typeof seen).toBe('string')
})

test('ids are unique, and every case that must be refused says where that stands', () => {
  const ids = http1Infos().map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.length).toBeGreaterThanOrEqual(166)
  for (const { judge, strength, class: kind } of http1Cases) {
    const severity = typeof judge.accepted === 'object' ? judge.accepted.severity : undefined
    if (severity === 'MED' || (kind === 'REJ+C' && severity !== 'LOW')) expect(strength).toBe('MUST')
  }
})

test('each case tells a person what is sent, what is right and what is wrong', () => {
  const infos = http1Infos()
  expect(infos.map(({ id }) => id)).toEqual(expect.arrayContaining(http1Cases.map(({ id }) => id)))
  for (const { steps, twin, right, wrong, oracles } of infos) {
    const told = [...steps, twin, right, ...wrong.map(({ says }) => says)]
    for (const text of told) expect(text).toMatch(/^[\x20-\x7e]+$/)
    expect(wrong.length).toBeGreaterThan(0)
    expect(oracles).toEqual(expect.arrayContaining(['O1', 'O2', 'O3']))
  }
  const info = (id: string) => infos.find((one) => one.id === id)
  expect(info('te-nbsp')?.steps).toContain('Transfer-Encoding: \\xa0chunked\\r\\n')
  expect(info('te-nbsp')?.wrong).toContainEqual({
    severity: 'HIGH',
    says: 'the byte A0 was trimmed off a transfer coding, and the body decoded as chunked'
  })
  expect(info('te-nbsp')?.oracles).toEqual(expect.arrayContaining(['O4', 'O5', 'O6', 'O9']))
  expect(info('lim-1m-hdr')?.steps).toContain('X-A: {a*1000000}\\r\\n')
  expect(info('fin-mid-body')?.steps.at(-1)).toBe('(FIN)')
})

test('lengths in templates are those of the parts, and an unknown placeholder is an error', () => {
  const parts = { ...EXAMPLE, evil: 'e'.repeat(45), canary: 'c'.repeat(45) }
  expect(render('{len:EVIL} {hex:EVIL} {hex4:EVIL} {len:CAN+5}', parts)).toBe('45 2d 002d 50')
  expect(render('{a*3}{9*2}{fields*2}', EXAMPLE)).toBe('aaa99X-0: v\r\nX-1: v\r\n')
  expect(() => render('{NOPE}', EXAMPLE)).toThrow('NOPE')
})
