import { expect, test } from '@jest/globals'
import { readAnswers } from '../../../src/validate/oracles/answers.ts'
import { fieldValues, readEcho } from '../../../src/validate/oracles/echo.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const last = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

const statuses = (text: string, method = 'GET', closed = false): number[] =>
  readAnswers(Buffer.from(text, 'latin1'), method, closed).responses.map(({ status }) => status)

test('answers are counted, also those after an announced close', () => {
  expect(statuses(ok + ok)).toEqual([200, 200])
  expect(statuses(last + ok)).toEqual([400, 200])
  expect(statuses('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n' + ok, 'HEAD')).toEqual([200, 200])
})

test('an answer that is not whole is none', () => {
  const { responses, incomplete } = readAnswers(Buffer.from(ok.slice(0, -1)), 'GET', false)
  expect([responses.length, incomplete]).toEqual([0, true])
  expect(readAnswers(Buffer.from('SSH-2.0-x\r\n'), 'GET', false).error?.rule).toBe('status-line')
})

test.each([
  [
    [
      ['Host', 'a'],
      ['X', 'b']
    ]
  ],
  [['Host', 'a', 'X', 'b']],
  [{ Host: 'a', X: ['b'] }]
])('an echo tells its fields as %j', (headers) => {
  const body = Buffer.from('\0\xff', 'latin1')
  const echo = readEcho(
    Buffer.from(JSON.stringify({ method: 'POST', target: '/e', headers, body: body.toString('base64') }))
  )
  expect(echo?.headers).toEqual([
    ['Host', 'a'],
    ['X', 'b']
  ])
  expect(echo?.body).toEqual(body)
  expect(fieldValues(echo!, 'x')).toEqual(['b'])
})

test.each(['ok', '{"method":"GET"}', '{', '[]'])('%s is no echo', (text) => {
  expect(readEcho(Buffer.from(text))).toBeUndefined()
})
