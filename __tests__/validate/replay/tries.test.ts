/** What all tries say together: no try that taught nothing makes a finding look repaired. */
import { expect, test } from '@jest/globals'
import { choiceFor } from '../../../src/validate/replay/server.ts'
import { judgeTries, type Try } from '../../../src/validate/replay/tries.ts'
import type { Replay } from '../../../src/documents/replay.ts'

const tries = (...outcomes: Try['outcome'][]): Try[] =>
  outcomes.map((outcome) => ({ outcome, text: `it was ${outcome}`, ms: 1 }))

test.each<[Try['outcome'][], string, number, number]>([
  [['reproduced', 'right', 'right'], 'reproduced', 1, 3],
  [['inconclusive', 'reproduced'], 'reproduced', 1, 1],
  [['other', 'right'], 'other', 0, 2],
  [['right', 'inconclusive'], 'not reproduced', 0, 1],
  [['inconclusive', 'inconclusive'], 'not judged', 0, 0],
  [['inapplicable'], 'inapplicable', 0, 0],
  [['inapplicable', 'inconclusive'], 'not judged', 0, 0],
  [[], 'not judged', 0, 0]
])('%j: %s', (outcomes, verdict, k, n) => {
  expect(judgeTries(tries(...outcomes))).toMatchObject({ verdict, k, n })
})

const replay = (refapp: string): Replay =>
  ({
    cell: { refapp, engine: 'epoll', arch: 'amd64' },
    server: { url: 'http://h:1', authority: 'h:1', routes: { echo: '/e' }, celeris: 'v1.5.8' }
  }) as unknown as Replay

test('without a server the one of the finding is taken: its cell, its celeris, or its URL and routes', () => {
  const backends = {}
  expect(choiceFor(replay('kitchen_sink'), { backends })).toMatchObject({
    refapp: 'kitchen_sink',
    engine: 'epoll',
    celeris: 'v1.5.8',
    fromFile: true
  })
  expect(choiceFor(replay('kitchen_sink'), { backends, engine: 'std', celeris: 'v1.5.9' })).toMatchObject({
    refapp: 'kitchen_sink',
    engine: 'std',
    celeris: 'v1.5.9',
    fromFile: false
  })
  expect(choiceFor(replay('url'), { backends, routes: { ws: '/w' } })).toMatchObject({
    url: 'http://h:1',
    routes: { echo: '/e', ws: '/w' }
  })
  expect(choiceFor(replay('url'), { backends, url: 'http://x:2' }).routes).toBeUndefined()
})
