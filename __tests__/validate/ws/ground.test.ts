/** A WebSocket that dies, that serves nobody any more, or that is not there: told, and never a pass. */
import { expect, test } from '@jest/globals'
import { wsSlice } from '../../../src/validate/traffic/ws/index.ts'
import { startChild } from '../../fixture/child.ts'
import { playFixture, playTarget } from '../play.ts'

test('a process that ends is told once, and the rest is inconclusive', async () => {
  const child = await startChild(['ws-crash'])
  try {
    const { findings, book } = await playTarget(wsSlice, child.target)
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject({ predicate: 'I-LIVENESS', severity: 'HIGH' })
    expect(findings[0]!.title).toContain('exit code 70')
    const { also_in_flight: beside = '' } = findings[0]!.evidence ?? {}
    expect(`${findings[0]!.case} ${String(beside)}`).toContain('len64-msb')
    expect(book.inconclusive.length).toBeGreaterThan(10)
    expect(book.inapplicable).toEqual([])
  } finally {
    child.kill()
  }
}, 60_000)

test('a route that refuses everybody since a case, while HTTP goes on, is an outage and no pass', async () => {
  const { findings, book } = await playFixture(wsSlice, ['ws-refuses-after'])
  expect(findings).toHaveLength(1)
  expect(findings[0]).toMatchObject({ predicate: 'I-LIVENESS', severity: 'HIGH' })
  expect(findings[0]!.title).toContain('handshake: status 500')
  expect(book.inapplicable).toEqual([])
  expect(book.exercised).toBeLessThan(book.planned)
}, 60_000)

test('a declared route that is no WebSocket was not reached; one that nobody declared may be missing', async () => {
  const declared = await playFixture(wsSlice, [], { routes: { ws: '/echo' } })
  expect(declared.findings).toEqual([])
  expect(declared.book.exercised).toBe(0)
  expect(declared.book.inconclusive).toHaveLength(declared.book.planned)
  expect(declared.book.inconclusive[0]!.reason).toContain(
    'declared, but GET /echo with Upgrade: websocket: 200'
  )
  const missing = await playFixture(wsSlice, ['h1-never-answers'])
  expect(missing.findings).toEqual([])
  expect(missing.book.inapplicable).toHaveLength(missing.book.planned)
})

test.each(['ws-wrong-accept', 'ws-long-length', 'ws-hangs-up', 'ws-mute'])(
  '%s: what nobody can use is not exercised',
  async (name) => {
    const { findings, book } = await playFixture(wsSlice, [name])
    expect(findings).toHaveLength(1)
    expect(book.exercised).toBeLessThan(4)
    expect(book.inconclusive.length).toBeGreaterThan(100)
  }
)
