/** An answer that breaks a rule of all answers, asked for once more. */
import { afterEach, expect, test } from '@jest/globals'
import { createServer, type Server as Listener, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Replay } from '../../../src/documents/replay.ts'
import { createLog } from '../../../src/kit/log.ts'
import { FindingBook } from '../../../src/validate/collector.ts'
import { replayFinding, Server, type Judged } from '../../../src/validate/replay/index.ts'
import { replayOf } from '../../../src/validate/replay/record.ts'
import { Watcher } from '../../../src/validate/oracles/passive/watch.ts'
import { readAnswers } from '../../../src/validate/oracles/answers.ts'

let listener: Listener | undefined
const sockets = new Set<Socket>()
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  listener?.close()
})

/** Answers each request with these bytes. */
async function serve(answer: string): Promise<string> {
  for (const socket of sockets) socket.destroy()
  listener?.close()
  listener = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    let held = ''
    socket.on('data', (chunk) => {
      held += chunk.toString('latin1')
      for (let end = held.indexOf('\r\n\r\n'); end >= 0; end = held.indexOf('\r\n\r\n')) {
        held = held.slice(end + 4)
        socket.write(answer)
      }
    })
  })
  await new Promise<void>((resolve) => listener!.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(listener.address() as AddressInfo).port}`
}

const DATE = 'Date: Sat, 28 Nov 2026 02:00:00 GMT\r\n'
const answer = (status: string, fields: string): string =>
  `HTTP/1.1 ${status}\r\nContent-Length: 2\r\n${fields}\r\nok`

/** The finding as a run has it. */
function found(authority: string, text: string, rule: string): Replay {
  const replays: (Replay | string)[] = []
  const book = new FindingBook('url/x/amd64', ({ finding, draft }) => {
    const believed = { finding, draft, target: { authority }, capabilities: undefined, facts: {} }
    replays.push(replayOf(believed))
  })
  const watcher = new Watcher({
    report: (draft) => book.report('passive', draft),
    wants: (id) => id === rule
  })
  const [response] = readAnswers(Buffer.from(text), 'GET', false).responses
  for (let i = 0; i < 5; i++)
    watcher.answer(response!, Buffer.from(`GET /x HTTP/1.1\r\nHost: ${authority}\r\n\r\n`))
  watcher.finish({
    plan: () => undefined,
    exercised: () => undefined,
    inapplicable: () => undefined,
    inconclusive: () => undefined
  } as never)
  const [replay] = replays
  if (typeof replay !== 'object') throw new Error(replay ?? 'no finding')
  return replay
}

async function judged(replay: Replay, authority: string): Promise<Judged> {
  const signal = new AbortController().signal
  const choice = { url: `http://${authority}`, routes: { get: '/x' }, backends: {} }
  const server = await Server.open(choice, replay.seed, createLog({ quiet: true }), signal)
  try {
    return (await replayFinding(server, replay, { tries: 2, signal })).judged
  } finally {
    await server.close()
  }
}

test.each([
  ['answer-date', answer('200 OK', ''), answer('200 OK', DATE)],
  [
    'answer-401-challenge',
    answer('401 No', DATE),
    answer('401 No', `${DATE}WWW-Authenticate: Basic realm="a"\r\n`)
  ]
])(
  '%s: reproduced, not reproduced where it is kept, not judged where another answer comes',
  async (rule, broken, kept) => {
    const first = await serve(broken)
    const replay = found(first, broken, rule)
    expect(replay).toMatchObject({ slice: 'passive', case: rule, judge: { kind: 'passive' } })
    expect(replay.right).toBeDefined()
    expect(await judged(replay, first)).toMatchObject({ verdict: 'reproduced', k: 2, n: 2 })
    expect(await judged(replay, await serve(kept))).toMatchObject({ verdict: 'not reproduced', n: 2 })
    expect(await judged(replay, await serve(answer('404 None', DATE)))).toMatchObject({
      verdict: 'not judged',
      n: 0
    })
  },
  60_000
)

test('what was no answer to one request of HTTP/1.1 is said not to be replayable', () => {
  const finding = { predicate: 'I-ANSWER', severity: 'LOW' as const, slice: 'passive', case: 'answer-date' }
  const believed = { finding, target: { authority: 'h:1' }, capabilities: undefined, facts: {} }
  const draft = { ...finding, title: 't', sent: Buffer.from(':method: GET\n:path: /') }
  expect(replayOf({ ...believed, draft })).toMatch(/no answer of HTTP\/1\.1/)
  for (const slice of ['markov', 'properties'])
    expect(replayOf({ ...believed, finding: { ...finding, slice }, draft })).toMatch(/run validate again/)
  const leak = { ...finding, slice: 'ws', predicate: 'I-WS-LEAK' }
  expect(replayOf({ ...believed, finding: leak, draft })).toMatch(/measured over time/)
})
