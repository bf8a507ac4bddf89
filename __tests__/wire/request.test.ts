/** A strict reader of requests: each rule by a message that keeps it and one that breaks it. */
import { expect, test } from '@jest/globals'
import { EXAMPLE } from '../../src/validate/catalogue/http1/example.ts'
import { http1Cases, render } from '../../src/validate/catalogue/http1/index.ts'
import { claimOf, readRequests } from '../../src/wire/request.ts'

const read = (text: string): ReturnType<typeof readRequests> => readRequests(Buffer.from(text, 'latin1'))
const claim = (text: string): string => claimOf(Buffer.from(text, 'latin1'))
const HOST = 'Host: a\r\n'

test('what is read of whole requests', () => {
  const text =
    `\r\nPOST /a?b HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n` +
    `3;x=" y"\r\nabc\r\n00\r\nX-T: t\r\n\r\n` +
    `GET http://a/ HTTP/1.0\r\nX-A:  v \r\n\r\nPUT /c HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nxy`
  const { requests, fault, unfinished } = read(text)
  expect({ fault, unfinished }).toEqual({ fault: undefined, unfinished: false })
  expect(requests).toMatchObject([
    { method: 'POST', target: '/a?b', framing: 'chunked', trailers: [['X-T', 't']], at: 0 },
    { method: 'GET', version: '1.0', fields: [['X-A', 'v']], framing: 'none' },
    { method: 'PUT', framing: 'length' }
  ])
  expect(requests.map(({ body }) => body.toString())).toEqual(['abc', '', 'xy'])
  expect(requests.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(text.length)
})

test('a fault tells the request in which it stands; those before it are read', () => {
  const first = `GET / HTTP/1.1\r\n${HOST}\r\n`
  const { requests, fault } = read(`${first}GET /\t HTTP/1.1\r\n\r\n`)
  expect(requests).toHaveLength(1)
  expect(fault).toMatchObject({ rule: 'target', at: first.length, standard: 'RFC 9112 3.2' })
})

/** Head behind `GET / HTTP/1.1`, or a whole message. */
test.each<[rule: string, broken: string, kept: string]>([
  ['request-line', `GET  / HTTP/1.1\r\n${HOST}\r\n`, `GET / HTTP/1.1\r\n${HOST}\r\n`],
  ['method', `G(T / HTTP/1.1\r\n${HOST}\r\n`, `G!T / HTTP/1.1\r\n${HOST}\r\n`],
  ['target', `GET g HTTP/1.1\r\n${HOST}\r\n`, `GET /g HTTP/1.1\r\n${HOST}\r\n`],
  ['target', `GET * HTTP/1.1\r\n${HOST}\r\n`, `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`],
  ['target', `GET a:1 HTTP/1.1\r\n${HOST}\r\n`, `CONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`],
  ['version', `GET / http/1.1\r\n${HOST}\r\n`, `GET / HTTP/1.2\r\n${HOST}\r\n`],
  ['version-major', `GET / HTTP/2.0\r\n${HOST}\r\n`, `GET / HTTP/1.0\r\n\r\n`],
  ['bare-lf', `GET / HTTP/1.1\n${HOST}\r\n`, `GET / HTTP/1.1\r\n${HOST}\r\n`],
  ['bare-cr', `GET / HTTP/1.1\r\n${HOST}A: b\rc\r\n\r\n`, `GET / HTTP/1.1\r\n${HOST}A: b\tc\r\n\r\n`],
  ['field-line', `GET / HTTP/1.1\r\n${HOST}x\r\n\r\n`, `GET / HTTP/1.1\r\n${HOST}x:\r\n\r\n`],
  ['field-name', `GET / HTTP/1.1\r\n${HOST}: v\r\n\r\n`, `GET / HTTP/1.1\r\n${HOST}X: v\r\n\r\n`],
  ['field-value', `GET / HTTP/1.1\r\n${HOST}A: \0\r\n\r\n`, `GET / HTTP/1.1\r\n${HOST}A: \xe9\r\n\r\n`],
  ['blank-before-colon', `GET / HTTP/1.1\r\n${HOST}A : b\r\n\r\n`, `GET / HTTP/1.1\r\n${HOST}A:b\r\n\r\n`],
  ['obs-fold', `GET / HTTP/1.1\r\n${HOST} b\r\n\r\n`, `GET / HTTP/1.1\r\n${HOST}\r\n`],
  ['blank-before-fields', `GET / HTTP/1.1\r\n ${HOST}\r\n`, `GET / HTTP/1.1\r\n${HOST}\r\n`],
  ['host-missing', 'GET / HTTP/1.1\r\n\r\n', 'GET / HTTP/1.0\r\n\r\n'],
  ['host-twice', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, `GET / HTTP/1.1\r\n${HOST}\r\n`],
  ['host-value', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 'GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n'],
  [
    'length',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: +1\r\n\r\nx`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 01\r\n\r\nx`
  ],
  [
    'length-differs',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 1, 2\r\n\r\nx`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`
  ],
  [
    'length-and-coding',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`
  ],
  [
    'coding-not-final',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, gzip\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, Chunked\r\n\r\n0\r\n\r\n`
  ],
  [
    'coding',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: , chunked\r\n\r\n0\r\n\r\n`
  ],
  ['coding-in-1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 'POST / HTTP/1.0\r\n\r\n']
])('%s', (rule, broken, kept) => {
  expect(claim(broken)).toBe(rule)
  expect(claim(kept)).toBe('valid')
})

const chunked = (body: string): string =>
  claim(`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${body}`)
test.each<[rule: string, body: string]>([
  ['chunk-size', '0x3\r\nabc\r\n0\r\n\r\n'],
  ['chunk-size', '3 \r\nabc\r\n0\r\n\r\n'],
  ['chunk-size', '\r\n0\r\n\r\n'],
  ['chunk-extension', '3;\r\nabc\r\n0\r\n\r\n'],
  ['chunk-extension', '3;a\0\r\nabc\r\n0\r\n\r\n'],
  ['chunk-line', '3\nabc\r\n0\r\n\r\n'],
  ['chunk-line', '3\rabc\r\n0\r\n\r\n'],
  ['chunk-data', '3\r\nabcd\r\n0\r\n\r\n'],
  ['chunk-overflow', 'ffffffffffffffff\r\n'],
  ['trailer', '0\r\nbad line\r\n\r\n'],
  ['unfinished', '3\r\nab'],
  ['unfinished', '3\r\nabc\r\n0\r\n'],
  ['valid', '3;a;b=c;d = "e\\"f"\r\nabc\r\n0\r\n\r\n']
])('chunks: %s %j', (rule, body) => expect(chunked(body)).toBe(rule))

test('bytes that end early break no rule, and a head is judged by its whole lines', () => {
  expect(claim(`GET / HTTP/1.1\r\n${HOST}`)).toBe('unfinished')
  expect(claim('GET / HT')).toBe('unfinished')
  expect(claim(`GET / HTTP/1.1\r\nA B: c\r\nHo`)).toBe('field-name')
})

/** Classes whose messages break a rule; of the others only the twin is known to keep all. */
const MALFORMED = new Set(['REJ+C', 'REJ|SAN', 'REJ|+C', 'DEC', 'SHD'])

test.each(http1Cases.map((entry) => [entry.id, entry] as const))(
  'case %s: the twin is valid, and the message is what its class says',
  (_, entry) => {
    expect(claim(render(entry.twin, EXAMPLE))).toBe('valid')
    const says = claim(render(entry.sends, EXAMPLE))
    if (entry.class === 'ACC' || entry.class === 'ACC+C') expect(says).toBe('valid')
    else if (MALFORMED.has(entry.class) && says === 'valid') expect(SENT_VALID).toContain(entry.id)
  }
)

/** Their rule is about connections, not about grammar. */
const SENT_VALID = ['conn-close-then-pipelined']
