/** What walkers show to the passive rules: their answers, and what becomes of their connections. */
import { expect, test } from '@jest/globals'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RandomStreams } from '../../../src/kit/random.ts'
import { preflight } from '../../../src/validate/preflight/index.ts'
import { defaultModel, markovSlice } from '../../../src/validate/traffic/markov/index.ts'
import { attachedTo, standFor, type Stand } from '../../fixture/stand.ts'

/** Walks over a server, and says what the passive rules told. */
async function walk(server: Server, forMs: number): Promise<Stand> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    const target = attachedTo('127.0.0.1', port)
    const signal = new AbortController().signal
    const capabilities = await preflight(target, { random: new RandomStreams('0x5eed'), signal })
    const stand = standFor(target, capabilities, { forMs, concurrency: 4 })
    await markovSlice(defaultModel(capabilities)).run(stand.context)
    stand.watcher.finish(stand.ledger)
    return stand
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
const told = ({ watched }: Stand): string[] =>
  watched.map(
    ({ severity, predicate, case: rule, symptom }) => `${severity} ${predicate} ${rule} ${symptom ?? ''}`
  )

test('a server without fault: nothing, and the rules were exercised', async () => {
  const stand = await walk(
    createServer((request, response) => {
      request.resume().on('end', () => response.end('ok'))
    }),
    500
  )
  expect(told(stand)).toEqual([])
  const counts = stand.watcher.counts()
  expect(counts['passive_answers']).toBeGreaterThan(100)
  expect(counts['answer-date']).toBeGreaterThan(5)
  expect(counts['answer-keep-alive']).toBeGreaterThan(0)
  expect(counts['answer-401-challenge']).toBeUndefined()
}, 30_000)

test('Connection: close, and the connection stays open', async () => {
  const server = createServer((request, response) => {
    response.shouldKeepAlive = false
    const { socket } = response
    // What the answer announces is left undone.
    if (socket !== null) socket.destroySoon = () => undefined
    request.resume().on('end', () => response.end('ok'))
  })
  expect(told(await walk(server, 4500))).toEqual(['MED I-RFC-3 answer-close stays'])
}, 30_000)

test('the close of a busy connection that was not announced', async () => {
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const { socket } = response
      response.end('ok')
      response.once('close', () => setImmediate(() => socket?.end()))
    })
  })
  server.keepAliveTimeout = 5000
  const stand = await walk(server, 1500)
  expect(told(stand)).toEqual(['LOW I-CONN-LOST answer-keep-alive closed'])
}, 30_000)
