/** Messages made smaller: what makes the finding one must hold at each step. */
import { expect, test } from '@jest/globals'
import {
  http1Cases,
  render,
  type ProtocolCase,
  type Values
} from '../../../src/validate/catalogue/http1/index.ts'
import { shrinkMessage, type Candidate, type Shrunk } from '../../../src/validate/replay/shrink/message.ts'
import { alignment, repaired, tokensOf, without } from '../../../src/validate/replay/shrink/template.ts'
import { claimOf } from '../../../src/wire/request.ts'

const VALUES: Values = {
  host: 'h:1',
  name: 'h',
  get: '/g?n=1',
  path: '/g',
  post: '/p?n=1',
  unknown: '/none',
  type: '',
  body: 'abc',
  canary: 'GET /g?n=2 HTTP/1.1\r\nHost: h:1\r\n\r\n',
  evil: 'GET /g?n=3 HTTP/1.1\r\nHost: h:1\r\n\r\n'
}
const base = http1Cases.find(({ id }) => id === 'te-xchunked')!
const entryOf = (sends: string, twin: string): ProtocolCase => ({ ...base, sends, twin })
const text = (template: string): string => render(template, VALUES)

interface Asked {
  shrunk: Shrunk
  asked: Candidate[]
}

/** @param wrong what the server does wrong: true for messages that show it */
async function shrink(
  entry: ProtocolCase,
  wrong: (message: string) => boolean,
  how: Candidate['how'] = 'whole',
  most = Infinity
): Promise<Asked> {
  const asked: Candidate[] = []
  const shrunk = await shrinkMessage(
    { entry, how },
    {
      values: VALUES,
      holds: (candidate) => {
        asked.push(candidate)
        return Promise.resolve(wrong(text(candidate.entry.sends)))
      },
      over: () => asked.length >= most
    }
  )
  return { shrunk, asked }
}

test('what has nothing to do with it goes: lines, requests, segments, FIN; the twin loses the same', async () => {
  const entry = {
    ...entryOf(
      '{P}X-Long: something\r\nAccept: */*\r\nTransfer-Encoding: xchunked\r\nX-B: c\r\n\r\n{CH}{CAN}',
      '{P}X-Long: something\r\nAccept: */*\r\nTransfer-Encoding: chunked\r\nX-B: c\r\n\r\n{CH}{CAN}'
    ),
    fin: true
  }
  const { shrunk } = await shrink(entry, (message) => message.includes('xchunked'), 'bytes')
  // The last chunk stays: the twin would not be whole without it.
  expect(text(shrunk.entry.sends)).toBe(
    'POST /p?n=1 HTTP/1.1\r\nHost: h:1\r\nTransfer-Encoding:xchunked\r\n\r\n0\r\n\r\n'
  )
  expect(claimOf(Buffer.from(text(shrunk.entry.twin)))).toBe('valid')
  expect(shrunk).toMatchObject({ how: 'whole', claim: 'coding' })
  expect(shrunk.entry.fin).toBe(false)
  expect(shrunk.bytesAfter).toBeLessThan(shrunk.bytesBefore)
  expect(text(shrunk.entry.twin)).not.toMatch(/X-Long|Accept|X-B/)
})

test('a step that would make the message valid is not even tried, though the server does wrong there too', async () => {
  const entry = entryOf('{G}X-A : v\r\n\r\n', '{G}X-A: v\r\n\r\n')
  const { shrunk, asked } = await shrink(entry, () => true)
  expect(asked.length).toBeGreaterThan(0)
  for (const { entry: one } of asked)
    expect([claimOf(Buffer.from(text(one.sends))), claimOf(Buffer.from(text(one.twin)))]).toEqual([
      'blank-before-colon',
      'valid'
    ])
  expect(text(shrunk.entry.sends)).toMatch(
    /^GET \/g\?n=1 HTTP\/1\.1\r\n.? :\r\n\r\n$|^GET \/g\?n=1 HTTP\/1\.1\r\nHost: h:1\r\n.? :\r\n\r\n$/
  )
})

test('a message that breaks one rule does not become one that breaks another', async () => {
  const entry = entryOf(
    '{P}Content-Length: 3\r\nX-A : v\r\nTransfer-Encoding: chunked\r\n\r\n{CH}',
    '{P}X-A: v\r\nTransfer-Encoding: chunked\r\n\r\n{CH}'
  )
  const { asked } = await shrink(entry, () => true)
  expect(new Set(asked.map((one) => claimOf(Buffer.from(text(one.entry.sends)))))).toEqual(
    new Set(['blank-before-colon'])
  )
})

test('of a valid message no body becomes a request of its own', async () => {
  const entry = entryOf(
    '{G}Content-Length: {len:EVIL}\r\n\r\n{EVIL}{CAN}',
    '{G}Content-Length: 0\r\n\r\n{CAN}'
  )
  const { shrunk } = await shrink(entry, (message) => message.includes('n=3'))
  expect(text(shrunk.entry.sends)).toBe(
    `GET /g?n=1 HTTP/1.1\r\nHost: h:1\r\nContent-Length: ${VALUES.evil.length}\r\n\r\n${VALUES.evil}`
  )
})

test('of a malformed one neither: the fault stays in the same request', async () => {
  const head = '{G}Content-Length: {len:EVIL}\r\n\r\n{EVIL}GET {get} HTTP/1.1\r\nHost: {host}\r\n'
  const { asked } = await shrink(entryOf(`${head}X-A : v\r\n\r\n`, `${head}X-A: v\r\n\r\n`), () => true)
  // Without its length the body would be a request, and the message one of three.
  for (const { entry } of asked)
    expect(text(entry.sends).includes('n=3') && !text(entry.sends).includes('Content-Length')).toBe(false)
})

test('of a valid message what its twin does not have stays: without it the server would do right', async () => {
  const entry = entryOf(
    '{G}Connection: close\r\nX-A: b\r\n\r\n{CAN}',
    '{G}Connection: keep-alive\r\nX-A: b\r\n\r\n{CAN}'
  )
  const { shrunk } = await shrink(entry, (message) => message.includes('n=2'))
  expect(text(shrunk.entry.sends)).toBe(
    `GET /g?n=1 HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n${VALUES.canary}`
  )
})

test('runs of characters and of field lines shrink to what is needed', async () => {
  const entry = entryOf(
    'GET {path}?{a*100000} HTTP/1.1\r\nHost: {host}\r\n{fields*500}\r\n',
    '{G}{fields*500}\r\n'
  )
  const { shrunk, asked } = await shrink(entry, (message) => (message.match(/a/g) ?? []).length >= 4000)
  expect(shrunk.entry.sends).not.toContain('fields')
  const length = text(shrunk.entry.sends).length
  expect(length).toBeGreaterThanOrEqual(4000)
  expect(length).toBeLessThan(4300)
  expect(asked.length).toBeLessThan(80)
})

test('a body that is shortened gets a true length, where the length was not the fault', async () => {
  const entry = entryOf(
    '{P}X-A : v\r\nContent-Length: 9\r\n\r\nabcdefghi',
    '{P}X-A: v\r\nContent-Length: 9\r\n\r\nabcdefghi'
  )
  const { shrunk } = await shrink(entry, (message) => /Content-Length/.test(message) && message.endsWith('e'))
  expect(text(shrunk.entry.twin)).toMatch(/Content-Length: ?1\r\n\r\ne$/)
})

test('the search ends when its tries are used up, with the best that was found', async () => {
  const entry = entryOf('{P}X-Long: something\r\nX-A : b\r\n\r\n', '{P}X-Long: something\r\nX-A: b\r\n\r\n')
  const { shrunk, asked } = await shrink(entry, () => true, 'whole', 1)
  expect(asked).toHaveLength(1)
  expect(shrunk.bytesAfter).toBeLessThan(shrunk.bytesBefore)
})

test('nothing smaller shows it: the message stays', async () => {
  const entry = entryOf('{G}X-A : v\r\n\r\n', '{G}X-A: v\r\n\r\n')
  const { shrunk } = await shrink(entry, (message) => message === text(entry.sends))
  expect(shrunk.entry).toEqual(entry)
})

test('templates: placeholders are one token, and both messages lose what they have in common', () => {
  expect(tokensOf('{P}a').join('')).toBe('POST {post} HTTP/1.1\r\nHost: {host}\r\n{type}a')
  expect(alignment([...'abcd'], [...'xbd'])).toEqual([-1, 1, -1, 2])
  const { sends, twin } = without({ sends: [...'abXc'], twin: [...'abc'] }, 1, 3)
  expect([sends.join(''), twin.join('')]).toEqual(['ac', 'ac'])
  const tokens = [...'POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nab', '{CAN}']
  expect(repaired(tokens, (part) => part.length).join('')).toContain('content-length: 2\r\n\r\nab{CAN}')
})
