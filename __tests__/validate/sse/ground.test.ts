/** A stream that ends the process, that serves nobody any more, or that is none: told, and never a pass. */
import { expect, test } from '@jest/globals'
import { sseSlice } from '../../../src/validate/traffic/sse/index.ts'
import { startChild } from '../../fixture/child.ts'
import { playFixture, playTarget } from '../play.ts'

test('a process that ends when a client is reset is told once', async () => {
  const child = await startChild(['sse-crash'])
  try {
    const { findings, book } = await playTarget(sseSlice, child.target)
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject({ predicate: 'I-LIVENESS', severity: 'HIGH' })
    expect(findings[0]!.title).toContain('exit code 70')
    expect(book.inapplicable).toEqual([])
    expect(book.exercised).toBeLessThan(book.planned / 2)
  } finally {
    child.kill()
  }
}, 60_000)

test('a route that refuses everybody since a reset is an outage and no pass', async () => {
  const { findings, book } = await playFixture(sseSlice, ['sse-refuses-after'])
  expect(findings.map(({ predicate, severity }) => [predicate, severity])).toEqual([['I-LIVENESS', 'HIGH']])
  expect(findings[0]!.title).toContain('status 500')
  expect(book.inapplicable).toEqual([])
}, 60_000)

test.each([
  ['sse-wrong-type', '200, no text/event-stream'],
  ['sse-buffers', 'no head'],
  ['sse-empty', 'ends without an event']
])(
  '%s: a declared stream that is none was not reached',
  async (name, reason) => {
    const { findings, book } = await playFixture(sseSlice, [name], { routes: { sse: '/events' } })
    expect(findings).toEqual([])
    expect(book.exercised).toBe(0)
    expect(book.inconclusive).toHaveLength(book.planned)
    expect(book.inconclusive[0]!.reason).toContain(reason)
  },
  60_000
)

test('nobody can go before a head that comes at once; before one that is waited for, six do', async () => {
  const only = ['kill-K0p-rst', 'kill-K0p-stop']
  const quick = await playFixture(sseSlice, [], { only })
  expect(quick.book.exercised).toBe(0)
  expect(quick.book.inapplicable.map(({ reason }) => reason)).toEqual(
    only.map(() => 'the head comes within 5 ms: nobody can go before it')
  )
  const waiting = await playFixture(sseSlice, ['sse-leak-await'], { only })
  expect(waiting.book.exercised).toBe(2)
  expect(waiting.count('sse_killed_mid_stream')).toBe(12)
}, 60_000)
