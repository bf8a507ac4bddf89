/** Servers on which nothing, or less, can be judged: no false pass and no false alarm. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { expect, test } from '@jest/globals'
import { attachedTo } from '../../fixture/stand.ts'
import { playFixture, playServer, playTarget, type Played } from './messages.ts'

/** Nothing judged, and not for a reason that leaves the cell green. */
function expectVacuous({ findings, book }: Played): void {
  expect(findings).toEqual([])
  expect(book.exercised).toBe(0)
  expect(book.inapplicable).toEqual([])
  expect(book.inconclusive).toHaveLength(book.planned)
}

test.each(['h1-400-to-all', 'h1-closes-at-once', 'h1-speaks-first', 'h1-never-answers'])(
  '%s: vacuous, never a pass',
  async (name) => {
    expectVacuous(await playFixture([name]))
  }
)

test('a server that limits the rate is not judged by its 429', async () => {
  const { findings, book } = await playFixture(['h1-rate-limited'])
  expect(findings).toEqual([])
  expect(book.inconclusive.length).toBeGreaterThan(40)
  expect(book.inconclusive[0]!.reason).toContain('429')
})

test('a server that answers before it reads the body is not judged on bodies', async () => {
  const { findings, book } = await playFixture(['h1-answers-early'])
  expect(findings).toEqual([])
  const reasons = new Map(book.inapplicable.map(({ case: id, reason }) => [id, reason]))
  expect(reasons.get('ck-size-hex0x')).toContain('before it has read the body')
})

test('a server that answers 200 to everything malformed passes nothing that it must refuse', async () => {
  const { flipped, count } = await playFixture(['h1-accepts-everything'])
  expect(flipped).toEqual(expect.arrayContaining(['host-missing', 'cl-plus', 'te-xchunked', 'te-cl']))
  // Without a look into the handler a bad chunk that is answered 200 is said, not judged.
  expect(flipped).not.toContain('ck-size-hex0x')
  expect(count('adv_advisory')).toBeGreaterThan(5)
})

test('error pages with status 200 are told from service by the echo, and not judged without one', async () => {
  const withEcho = await playFixture(['h1-errors-as-200'])
  expect(withEcho.findings).toEqual([])
  expect(withEcho.book.exercised).toBe(withEcho.book.planned)
  const without = await playFixture(['h1-errors-as-200'], { routes: { echo: '/none', post: '/upload' } })
  expect(without.findings).toEqual([])
  expect(without.book.inconclusive.length).toBeGreaterThan(20)
})

test('silence while our own process stood still is inconclusive', async () => {
  const { findings, book } = await playFixture(['h1-long-uri-silent'], { stallMs: 60_000 })
  expect(findings).toEqual([])
  expect(book.inconclusive.map((entry) => entry.case)).toContain('rl-long-uri')
})

test('a process that ends is told once, with the message that was on its way', async () => {
  const child = spawn(process.execPath, ['__tests__/fixture/cli.ts', '-bug', 'h1-crash-nul'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  try {
    const address = await new Promise<string>((resolve) => {
      createInterface(child.stdout).on('line', (line) => {
        const found = /^ready addr=(\S+)/.exec(line)
        if (found !== null) resolve(found[1]!)
      })
    })
    const [host, port] = address.split(':')
    const target = attachedTo(host!, Number(port))
    child.once('exit', (code, signal) => target.end({ code, signal, at: new Date() }))
    const { findings, book, count } = await playTarget(target)
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject({ predicate: 'I-LIVENESS', severity: 'HIGH', case: 'val-nul' })
    expect(findings[0]!.title).toContain('exit code 70')
    expect(count('adv_crashed')).toBe(1)
    expect(book.inconclusive.some(({ reason }) => reason === 'the server died in case val-nul')).toBe(true)
  } finally {
    child.kill('SIGKILL')
  }
})

test("Node's own http server: what it takes for a Host, MED, and nothing HIGH", async () => {
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { method, url, rawHeaders } = request
      response.end(
        JSON.stringify({
          method,
          target: url,
          headers: rawHeaders,
          body: Buffer.concat(parts).toString('base64')
        })
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { findings } = await playServer('127.0.0.1', (server.address() as AddressInfo).port, {
      forMs: 2000
    })
    expect([...new Set(findings.map((finding) => `${finding.severity} ${finding.case}`))].sort()).toEqual([
      'MED host-bad-char',
      'MED host-badport',
      'MED host-bracket',
      'MED host-comma',
      'MED host-dup',
      'MED host-dup-diff',
      'MED host-slash',
      'MED host-userinfo'
    ])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
