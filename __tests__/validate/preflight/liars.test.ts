/** Servers that do the same whatever they are asked, through the command line: no pass, and each is named for what it is. */
import { createServer, type RequestListener } from 'node:http'
import { rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import type { ResultDocument } from '../../../src/documents/result.ts'
import { liars, startLiar, type Liar } from '../../fixture/liars.ts'
import { scratch, suite, type Ran } from '../../support/suite.ts'

const SLICES = ['adversarial', 'h2c', 'ws', 'sse']

const NAMES: Record<Liar, RegExp> = {
  'answers 400 and closes': /^this server answers every request with 400 and closes: nothing can be judged$/,
  'answers 400 and stays': /^this server answers every request with 400: nothing can be judged$/,
  'answers every second request':
    /^this server leaves [3-9] of 12 valid requests unanswered: nothing can be judged$/,
  'holds half of all requests behind a stream':
    /^this server leaves [3-9] of 12 valid requests unanswered once its routes were asked for \(.*GET \/events.*\): nothing/,
  'never answers': /^this server takes every request and never answers .*: nothing can be judged$/,
  'accepts everything':
    /^this server answers everything with 200, also bytes that are no request: nothing can be judged$/,
  'accepts everything in HTTP/1.0':
    /^this server answers everything with 200 in HTTP\/1\.0 and closes, also bytes that are no request: nothing/,
  'answers before reading':
    /^this server sends "HTTP\/1\.1 200 OK.*" before it is asked: nothing can be judged$/,
  'answers each segment': /^this server answers .* before it has read the request: nothing can be judged$/,
  'closes at once':
    /^this server ends every connection without an answer \(\d closed, \d reset\): nothing can be judged$/,
  'closes when it is asked':
    /^this server ends every connection without an answer \(\d closed, \d reset\): nothing can be judged$/,
  'echoes bytes': /^this server sends back the bytes that it is sent: nothing can be judged$/,
  'accepts and resets':
    /^this server ends every connection without an answer \(0 closed, 5 reset\): nothing can be judged$/,
  'resets when it is asked':
    /^this server ends every connection without an answer \(0 closed, 5 reset\): nothing can be judged$/
}

async function validate(url: string, slices: readonly string[]): Promise<Ran & { document: ResultDocument }> {
  const out = scratch()
  try {
    const ran = await suite([
      ...['validate', '--url', url, '--slices', slices.join(','), '--duration', '2s'],
      ...['--json', '--out', join(out, 'o')]
    ])
    return { ...ran, document: JSON.parse(ran.stdout) as ResultDocument }
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

test.concurrent.each(Object.keys(liars) as Liar[])(
  'a server that %s: vacuous, named in one sentence, and no case counts',
  async (name) => {
    const { url, close } = await startLiar(name)
    try {
      const { code, stderr, document } = await validate(url, SLICES)
      const [cell] = document.validation_results.cells
      expect(cell!.failure_reason).toMatch(NAMES[name])
      expect(cell!.status).toBe('vacuous')
      expect(cell!.findings).toEqual([])
      expect(code).toBe(1)
      expect(stderr).toContain(cell!.failure_reason)
      for (const slice of SLICES) {
        const { planned, exercised, inconclusive } = cell!.coverage!.slices[slice]!
        expect([slice, exercised, inconclusive.length]).toEqual([slice, 0, planned])
        expect(planned).toBeGreaterThan(10)
        expect(new Set(inconclusive.map(({ reason }) => reason))).toEqual(new Set([cell!.failure_reason]))
      }
    } finally {
      await close()
    }
  },
  60_000
)

/** What the preflight and the cases make of a server that tells requests from other bytes. */
async function isNoLiar(answer: RequestListener): Promise<void> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { document } = await validate(url, ['adversarial'])
    const [cell] = document.validation_results.cells
    expect(cell!.capabilities!['nature']).toBeUndefined()
    expect(cell!.coverage!.slices['adversarial']!.exercised).toBeGreaterThan(60)
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

test.concurrent(
  'a plain server that answers every path with 200, and refuses what is no request, is no liar',
  () => isNoLiar((_, response) => void response.end('hello')),
  120_000
)

test.concurrent(
  'a server whose first answers take longer than the preflight waits at first is no liar',
  () => {
    let slow = 8
    return isNoLiar((_, response) => {
      if ((slow -= 1) < 0) response.end('hello')
      else setTimeout(() => response.end('hello'), 3000)
    })
  },
  120_000
)
