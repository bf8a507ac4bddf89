/** The cases as data: complete, readable, and consistent with what may be wrong. */
import { expect, test } from '@jest/globals'
import {
  outcomeOf,
  outcomesOf,
  WS_CASES,
  wsCases,
  wsInfos
} from '../../../src/validate/catalogue/ws/index.ts'

/** The executed set of the reference, by its names. */
const EXECUTED =
  `ctl-text ctl-bin ctl-empty ctl-126 ctl-65536 ctl-frag ctl-frag-ping ctl-ping ctl-ping125 ctl-pong
  ctl-close1000 ctl-close-empty ctl-close3000 ctl-close4999 ctl-utf8-split ctl-zero-frags unmasked rsv1 rsv2 rsv3 op3 op7
  opB opF ping126 ping-frag close-frag cont-alone text-in-frag utf8-bad utf8-surrogate utf8-overlong utf8->10ffff
  utf8-trunc utf8-bad-frag close-1byte close-utf8bad close-0 close-999 close-1004 close-1005 close-1006 close-1015
  close-1016 close-1100 close-2000 close-2999 close-5000 close-65535 len64-msb len16-nonmin len64-nonmin after-close
  len-huge hs-post hs-http10 hs-nokey hs-shortkey hs-badkey hs-nover hs-ver12 hs-noconn hs-conn-ka hs-noupg hs-upg-foo
  hs-nohost hs-ctl hs-ctl-case hs-body hs-dupkey hs-ext-bogus hs-ext-malf hs-pmd-bits99 hs-pmd-dup`.split(
    /\s+/
  )

/** Further cases, by group: so many at least. */
const FURTHER: Record<string, number> = {
  handshake: 20 + 16,
  deflate: 24,
  torture: 14,
  close: 12,
  resource: 13
}

test('every case of the reference is there, each name once', () => {
  const ids = WS_CASES.map(({ id }) => id)
  expect(EXECUTED).toHaveLength(74)
  expect(EXECUTED.filter((id) => !ids.includes(id))).toEqual([])
  expect(new Set(ids).size).toBe(ids.length)
  for (const [group, least] of Object.entries(FURTHER))
    expect(WS_CASES.filter((spec) => spec.group === group).length).toBeGreaterThanOrEqual(least)
  expect(wsCases('sequences')).toHaveLength(12)
  const sequences = wsCases('sequences').flatMap((spec) => spec.sequences)
  expect(sequences.length).toBeGreaterThanOrEqual(132)
})

test('the sequences are what their group says: valid text, or none', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  for (const { valid, sequences } of wsCases('sequences'))
    for (const hex of sequences) {
      const read = (): string => decoder.decode(Buffer.from(hex, 'hex'))
      if (valid) expect(read).not.toThrow()
      else expect(read).toThrow()
    }
})

test('each case is told with steps, a twin, what is right and what is wrong', () => {
  const infos = wsInfos()
  expect(infos.map(({ id }) => id)).toEqual(WS_CASES.map(({ id }) => id))
  for (const info of infos) {
    expect(info.protocol).toBe('ws')
    expect(info.steps.length).toBeGreaterThan(0)
    expect(info.wrong.length).toBeGreaterThan(1)
    expect(info.wrong[0]!.says).not.toBe('')
    for (const oracle of info.oracles) expect(oracle).toMatch(/^O\d+$/)
  }
  const told = (id: string) => infos.find((info) => info.id === id)!
  expect(told('unmasked').steps).toContain('text (not masked): "hi"')
  expect(told('len64-msb').steps.join()).toContain('length field 7fffffffffffffffff')
  expect(told('hs-ver12').steps).toContain('Sec-WebSocket-Version: 12')
  expect(told('frag-1m').steps.join()).toContain('1000000 times')
})

test('what an echo must bring back is what its frames carry', () => {
  const payloadOf = ({ hex = '', text = '', fill = 0 }): Buffer =>
    Buffer.concat([Buffer.from(hex, 'hex'), Buffer.from(text), Buffer.alloc(fill, '*')])
  const echoes = wsCases('frames').filter(
    ({ expect: { kind }, offer }) => kind === 'echo' && offer === undefined
  )
  expect(echoes.length).toBeGreaterThan(20)
  for (const { id, frames, expect: expected } of echoes) {
    const messages: { id: string; op: number; payload: string }[] = []
    let parts: Buffer[] = []
    let op = 0
    const all = frames.flatMap((item) =>
      'times' in item ? Array.from({ length: item.times }, () => item.frames).flat() : [item]
    )
    for (const frame of all.filter((one) => one.op < 8)) {
      if (frame.op !== 0) [op, parts] = [frame.op, []]
      parts.push(payloadOf(frame))
      if (frame.fin !== false) messages.push({ id, op, payload: Buffer.concat(parts).toString('hex') })
    }
    const wanted = expected.kind === 'echo' ? expected.messages : []
    expect(messages).toEqual(
      wanted.map((message) => ({ id, op: message.op, payload: payloadOf(message).toString('hex') }))
    )
  }
})

test('no case is graded harder than the standard: what it leaves open is never MED for the choice itself', () => {
  const severity = (id: string, symptom: string): string =>
    outcomeOf(
      WS_CASES.find((spec) => spec.id === id)!,
      symptom
    ).severity
  for (const id of ['len16-nonmin', 'len64-nonmin', 'close-5000', 'close-65535'])
    expect(WS_CASES.find((spec) => spec.id === id)).toMatchObject({
      strength: 'MAY',
      expect: { kind: 'any' }
    })
  for (const id of ['close-1004', 'close-1016', 'close-2999'])
    expect(severity(id, 'forbidden code sent')).toBe('LOW')
  for (const id of ['close-0', 'close-999', 'close-1005', 'close-1006', 'close-1015'])
    expect(severity(id, 'forbidden code sent')).toBe('MED')
  expect(severity('unmasked', 'accepted')).toBe('MED')
  expect(severity('utf8-bad', 'accepted')).toBe('MED')
  expect(severity('hs-http10', 'accepted')).toBe('MED')
  expect(severity('hs-dupkey', 'accepted')).toBe('LOW')
  expect(WS_CASES.find(({ id }) => id === 'len-huge')).toMatchObject({ expect: { silence: true } })
})

test('a symptom that the kind of a case has not is an error of ours', () => {
  const [first] = wsCases('frames')
  expect(() => outcomeOf(first!, 'nonsense')).toThrow('no symptom is called "nonsense"')
  expect(() => outcomesOf({ ...first!, wrong: { nonsense: 'LOW' } })).toThrow('no symptom is called')
})
