/** A WebSocket that dies, that serves nobody any more, or that is not there: told, and never a pass. */
import { expect, test } from '@jest/globals'
import { wsSlice } from '../../../src/validate/traffic/ws/index.ts'
import { readFileSync } from 'node:fs'
import { WS_CASES, wsCases } from '../../../src/validate/catalogue/ws/index.ts'
import { startChild } from '../../fixture/child.ts'
import { playFixture, playTarget } from '../play.ts'

/** What applies to the fixture, without crowds and floods. */
const only = WS_CASES.filter(({ group }) => !['deflate', 'resource', 'torture'].includes(group)).map(
  ({ id }) => id
)

test('a process that ends is told once, and the rest is inconclusive', async () => {
  const child = await startChild(['ws-crash'])
  try {
    const { findings, book } = await playTarget(wsSlice, child.target, { only })
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
  const { findings, book } = await playFixture(wsSlice, ['ws-refuses-after'], { only })
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

/** A child whose process is known, as that of a launched server is. */
async function withChild<T>(
  bugs: string[],
  use: (target: Awaited<ReturnType<typeof startChild>>['target']) => Promise<T>
): Promise<T> {
  const child = await startChild(bugs)
  const rss = (): number =>
    1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))?.[1])
  const census = () => Promise.resolve({ at: new Date(), pids: [child.pid], rss: rss() })
  try {
    return await use({ ...child.target, census })
  } finally {
    child.kill()
  }
}

const bombs = wsCases('bomb').map(({ id }) => id)

test('messages that are small on the wire only: refused by a bound, told where there is none', async () => {
  const play = (bugs: string[]) =>
    withChild(bugs, (target) => playTarget(wsSlice, target, { only: ['pmd-ctl', ...bombs] }))
  const bounded = await play([])
  expect(bounded.findings).toEqual([])
  expect(bounded.book.exercised).toBe(1 + bombs.length)
  const unbounded = await play(['ws-pmd-bomb'])
  expect(unbounded.flipped).toEqual(['pmd-bomb-64m'])
  expect(unbounded.findings[0]).toMatchObject({ predicate: 'I-WS-MEMORY', severity: 'LOW' })
}, 60_000)

test('nothing is inflated in a process that is not known', async () => {
  const { book } = await playFixture(wsSlice, [], { only: bombs })
  expect(book.inapplicable.map((entry) => entry.case).sort()).toEqual([...bombs].sort())
  expect(book.inapplicable[0]!.reason).toContain('the process of the server is not known')
})

test('without compression its cases do not apply; RSV1 must fail the connection all the same', async () => {
  const deflate = WS_CASES.filter(({ group }) => group === 'deflate').map(({ id }) => id)
  const { findings, book } = await playFixture(wsSlice, ['ws-lawful-no-deflate'], { only: deflate })
  expect(findings).toEqual([])
  expect(book.inconclusive).toEqual([])
  for (const entry of book.inapplicable) expect(entry.reason).toContain('does not take up the offer')
  const applies = deflate.filter((id) => !book.inapplicable.some((entry) => entry.case === id))
  expect(applies).toEqual(expect.arrayContaining(['pmd-offer', 'pmd-rsv1-none', 'pmd-dup', 'pmd-unknown']))
  expect(applies).not.toContain('pmd-ctl')
  const careless = await playFixture(wsSlice, ['ws-lawful-no-deflate', 'ws-rsv'], {
    only: deflate
  })
  expect(careless.flipped).toEqual(['pmd-rsv1-none'])
})

test('only what is wanted is planned and played', async () => {
  const one = await playFixture(wsSlice, ['ws-unmasked', 'ws-rsv'], { only: ['unmasked'] })
  expect(one.book.planned).toBe(1)
  expect(one.flipped).toEqual(['unmasked'])
  const none = await playFixture(wsSlice, [], { only: ['te-cl'] })
  expect(none.book.planned).toBe(0)
})

test('what remains is looked at where it alone is wanted, and where only a death is', async () => {
  const alone = await playFixture(wsSlice, ['ws-kept-after-fin'], { only: ['nothing-remains'] })
  expect(alone.findings).toHaveLength(1)
  expect(alone.findings[0]!.case).toMatch(/^kill-.*-fin$/)
  const death = await playFixture(wsSlice, ['ws-kept-after-fin'], { only: ['kill-after-101-fin'] })
  expect(death.flipped).toEqual(['kill-after-101-fin'])
  expect(death.book.planned).toBe(1)
}, 60_000)
