import { expect, test } from '@jest/globals'
import { parseResponses, ResponseParser, type HttpResponse } from '../../src/wire/http1.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const parse = (text: string, methods = ['GET'], closed = false) =>
  parseResponses(Buffer.from(text, 'latin1'), methods, closed)

test.each([
  ['length', ok, 'ok'],
  [
    'chunked',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a="b"\r\nok\r\n0\r\nX-T: v\r\n\r\n',
    'ok'
  ],
  ['none', 'HTTP/1.1 204 No Content\r\n\r\n', '']
])('framing by %s', (framing, text, body) => {
  const { responses, error } = parse(text)
  expect(error).toBeUndefined()
  expect(responses[0]).toMatchObject({ framing })
  expect(responses[0]!.body.toString()).toBe(body)
})

test('a close-delimited body ends with the connection', () => {
  const text = 'HTTP/1.1 200 OK\r\n\r\nto the end'
  expect(parse(text).responses).toHaveLength(0)
  expect(parse(text, ['GET'], true).responses[0]!.body.toString()).toBe('to the end')
})

test.each([
  ['space-before-colon', 'HTTP/1.1 200 OK\r\nX : v\r\nContent-Length: 0\r\n\r\n'],
  ['obs-fold', 'HTTP/1.1 200 OK\r\nX: v\r\n w\r\nContent-Length: 0\r\n\r\n'],
  ['control-in-field', 'HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n'],
  ['control-in-field', 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n'],
  ['bare-lf', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
  ['two-lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n'],
  ['content-length', 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok'],
  [
    'length-and-coding',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
  ],
  ['framing-in-204', 'HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n'],
  ['chunk-size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n'],
  ['chunk-end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n'],
  ['status-line', 'HTTP/1.1 99 Low\r\n\r\n'],
  ['unasked', `${ok}${ok}`],
  ['after-close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n']
])('rule %s', (rule, text) => {
  expect(parse(text, rule === 'after-close' ? ['GET', 'GET'] : ['GET']).error).toMatchObject({
    rule,
    standard: expect.stringMatching(/^RFC 911[02] /)
  })
})

test('a cut response is an error, a body of HEAD is not read', () => {
  expect(parse(ok.slice(0, -1), ['GET'], true).error).toMatchObject({ rule: 'truncated' })
  expect(
    parse(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n${ok}`, ['HEAD', 'GET']).responses.map(({ body }) =>
      body.toString()
    )
  ).toEqual(['', 'ok'])
})

test('every segmentation is read the same', () => {
  const bytes = Buffer.from(
    `HTTP/1.1 100 Continue\r\n\r\n${ok}HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n${ok}`
  )
  const read = (cuts: readonly number[]): string[] => {
    const seen: HttpResponse[] = []
    const errors: string[] = []
    const parser = new ResponseParser({
      onResponse: (response) => void seen.push(response),
      onError: ({ rule }) => void errors.push(rule)
    })
    for (let i = 0; i < 3; i++) parser.expect('GET')
    let last = 0
    for (const cut of [...cuts, bytes.length]) {
      parser.push(Buffer.from(bytes.subarray(last, cut)))
      last = cut
    }
    return [
      ...seen.map(({ body, status, interim }) => `${status} ${interim.length} ${body.toString()}`),
      ...errors
    ]
  }
  const whole = read([])
  expect(whole).toEqual(['200 1 ok', '200 0 abcde', '200 0 ok'])
  for (let cut = 1; cut < bytes.length; cut++) expect(read([cut])).toEqual(whole)
  expect(read([...bytes.keys()].slice(1))).toEqual(whole)
})
