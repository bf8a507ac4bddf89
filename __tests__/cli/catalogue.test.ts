/** The catalogue as a person meets it: listed, explained, played. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CaseInfo } from '../../src/validate/catalogue/about.ts'
import { startFixture } from '../fixture/server.ts'
import { documentOf, scratch, suite } from '../support/suite.ts'

jest.setTimeout(120_000)
const folder = scratch()
/** Takes two Host fields for one, as Node does; says what its handler saw. */
const server: Server = createServer((request, response) => {
  const body: Buffer[] = []
  request.on('data', (piece: Buffer) => body.push(piece))
  request.on('end', () => {
    const { method, url: target, rawHeaders: headers } = request
    response.end(
      target?.startsWith('/echo') === true
        ? JSON.stringify({ method, target, headers, body: Buffer.concat(body).toString('base64') })
        : 'ok'
    )
  })
})
let url = ''
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function listed(...args: string[]): Promise<CaseInfo[]> {
  const ran = await suite(['catalogue', '--json', ...args])
  expect(ran.code).toBe(0)
  return (JSON.parse(ran.stdout) as { cases: CaseInfo[] }).cases
}

test('--list: every case of every protocol, each with all that a person needs', async () => {
  const all = await listed('--list')
  const count = (protocol: string): number => all.filter((info) => info.protocol === protocol).length
  expect(count('h1')).toBeGreaterThanOrEqual(262)
  expect(count('h2c')).toBeGreaterThanOrEqual(160)
  expect(count('ws')).toBeGreaterThanOrEqual(166)
  expect(count('sse')).toBeGreaterThanOrEqual(40)
  expect(count('passive')).toBeGreaterThanOrEqual(38)
  expect(new Set(all.map(({ protocol, id }) => `${protocol}/${id}`)).size).toBe(all.length)
  for (const info of all) {
    const name = `${info.protocol}/${info.id}`
    expect([name, info.title, info.right, info.standard].every((text) => text.trim().length > 1)).toBe(true)
    if (info.protocol !== 'passive') expect([name, info.steps.length > 0]).toEqual([name, true])
    expect([name, info.wrong.length > 0]).toEqual([name, true])
    expect([name, info.oracles.length > 0 && info.oracles.every((id) => /^O\d+$/.test(id))]).toEqual([
      name,
      true
    ])
  }
  const ran = await suite(['catalogue', '--list'])
  expect(ran.stdout.trimEnd().split('\n').length).toBeGreaterThanOrEqual(all.length)
})

test('--only picks by id and by protocol; a wrong name offers the right one', async () => {
  expect((await listed('--only', 'te-cl')).map(({ id }) => id)).toEqual(['te-cl'])
  expect((await listed('--only', 'h2c/ctl-get')).map(({ protocol }) => protocol)).toEqual(['h2c'])
  expect((await listed('--only', 'ctl-get')).map(({ protocol }) => protocol)).toEqual(['h1', 'h2c'])
  const slow = await listed('--only', 'h1/slow')
  expect(new Set(slow.map(({ protocol, group }) => `${protocol}/${group}`))).toEqual(new Set(['h1/slow']))
  expect(slow.length).toBeGreaterThan(5)
  const told = await suite(['catalogue', '--only', 'host-dup'])
  expect(told.stdout).toMatch(/host-dup.*two equal Host fields/)
  expect(told.stdout).toMatch(/sends +GET .*\\r\\n\n +Host: /)
  expect(told.stdout).toMatch(/MED: a request with two Host fields was served/)
  const wrong = await suite(['catalogue', '--only', 'host-dupp'])
  expect(wrong).toMatchObject({
    code: 2,
    all: expect.stringMatching(/no case and no group is called "host-dupp"; did you mean "host-dup"/)
  })
  expect(await suite(['catalogue'])).toMatchObject({
    code: 2,
    all: expect.stringMatching(/--url: no server is named/)
  })
})

test('played against a server: the chosen cases alone, told by group; an accepted deviation passes', async () => {
  const out = join(folder, 'out')
  const args = ['catalogue', '--url', url, '--pid', String(process.pid), '--route', 'echo=/echo']
  const chosen = ['--only', 'host-dup,te-xchunked,ctl-post-cl', '--out', out, '--strict']
  const ran = await suite([...args, ...chosen])
  expect(ran).toMatchObject({ code: 1, stdout: expect.stringMatching(/MED.*host-dup/) })
  const [cell] = documentOf(out).validation_results.cells
  expect(cell?.coverage?.slices).toMatchObject({ adversarial: { planned: 3, exercised: 3 } })
  expect(cell?.findings?.map((finding) => finding.case)).toEqual(['host-dup'])
  expect(ran.stdout).toMatch(/3 cases: 2 right, 1 with findings, 0 inapplicable, 0 inconclusive/)
  expect(ran.stdout).toMatch(/adversarial .*host 1\/1/)
  const accept = join(folder, 'accept.yml')
  writeFileSync(
    accept,
    'accept:\n  - { case: host-dup, reason: Node does, owner: us, expires: 2999-01-01 }\n'
  )
  expect(await suite([...args, ...chosen, '--waivers', accept])).toMatchObject({ code: 0 })
})

test('the answer to the second request of a connection is not taken for one to the first', async () => {
  const fixture = await startFixture()
  try {
    const out = join(folder, 'second')
    const args = ['catalogue', '--url', `http://${fixture.host}:${fixture.port}`, '--out', out]
    const ran = await suite([...args, '--only', 'h2c/up-second,passive/answer-101-unasked', '--strict'])
    const [cell] = documentOf(out).validation_results.cells
    expect(cell?.coverage?.slices).toMatchObject({ h2c: { exercised: 1 }, passive: { exercised: 1 } })
    expect(cell?.findings).toEqual([])
    expect(ran.code).toBe(0)
  } finally {
    await fixture.close()
  }
})
