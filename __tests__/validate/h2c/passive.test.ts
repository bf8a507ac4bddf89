/** What the frames of a case are answered is shown to the passive rules, as every answer is. */
import { expect, test } from '@jest/globals'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { RandomStreams } from '../../../src/kit/random.ts'
import { preflight } from '../../../src/validate/preflight/index.ts'
import { h2cSlice } from '../../../src/validate/traffic/h2c/index.ts'
import { attachedTo, standFor } from '../../fixture/stand.ts'

/** The fields by which these cases differ from a plain GET. */
const CASES = { 'ctl-field': 'x-val', 'ctl-te': 'te' }

async function told(cookieFor: readonly string[]): Promise<(string | undefined)[][]> {
  const server = createServer((request, response) => {
    const strange = cookieFor.some((name) => request.headers[name] !== undefined)
    if (strange) response.setHeader('set-cookie', 'no pair')
    response.end('hello')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const target = attachedTo('127.0.0.1', (server.address() as AddressInfo).port)
  try {
    const { signal } = new AbortController()
    const capabilities = await preflight(target, { random: new RandomStreams('0x5eed'), signal })
    const stand = standFor(target, capabilities, { only: Object.keys(CASES) })
    await h2cSlice.run(stand.context)
    stand.watcher.finish(stand.ledger)
    return stand.watched.map(({ case: rule, symptom, sent }) => [rule, symptom, sent?.toString('latin1')])
  } finally {
    server.close()
  }
}

test('answers to the frames of a case keep the rules', async () => {
  expect(await told([])).toEqual([])
})

test('answers to the frames of a case break a rule', async () => {
  const [finding, ...more] = await told(Object.values(CASES))
  expect(more).toEqual([])
  expect(finding!.slice(0, 2)).toEqual(['answer-set-cookie', 'syntax'])
  // The request as it was decoded from the frames.
  expect(finding![2]).toMatch(/^GET \/ HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\n(x-val: a b|te: trailers)\r\n/)
})
