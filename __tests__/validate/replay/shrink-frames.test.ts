/** Lists of frames as a user makes them smaller: a server with a bug, its finding, the same on one without. */
import { afterAll, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { formatReplay, parseReplay, type Replay } from '../../../src/documents/replay.ts'
import { framesRecord } from '../../../src/validate/replay/read.ts'
import { refuseProgram } from '../../../src/validate/replay/shrink/index.ts'
import { bytesSent } from '../../../src/validate/replay/steps.ts'
import { startFixture, type Fixture } from '../../fixture/server.ts'
import { scratch, suite, type Ran } from '../../support/suite.ts'

const folder = scratch()
const fixtures: Fixture[] = []
afterAll(async () => {
  await Promise.all(fixtures.map((fixture) => fixture.close()))
  rmSync(folder, { recursive: true, force: true })
})

/** The options that name a server with these bugs. */
async function at(...bugs: string[]): Promise<string[]> {
  const fixture = await startFixture(bugs)
  fixtures.push(fixture)
  return ['--url', `http://${fixture.host}:${fixture.port}`]
}

interface Small {
  file: string
  bytes_before: number
  bytes_after: number
  claim: string
}

async function shrunk(file: string, server: readonly string[]): Promise<{ told: Small; small: Replay }> {
  const told = JSON.parse((await suite(['shrink', file, ...server, '--json'])).stdout) as Small
  return { told, small: parseReplay(readFileSync(told.file, 'utf8')) }
}

const replayed = (file: string, server: readonly string[]): Promise<Ran> =>
  suite(['replay', file, '--json', '--tries', '2', ...server])

/** What a try sent on its last connection; the case that is its twin may stand before. */
function lastSent(stdout: string): string {
  const { tries } = JSON.parse(stdout) as { tries: { sent_b64: string[] }[] }
  return Buffer.from(tries[0]!.sent_b64.at(-1)!, 'base64').toString('hex')
}

test.each([
  // The body goes, of which the trailers need nothing.
  ['h2c', 'h2c-trailers-lax', 'trailer-pseudo', 'pseudo-field in trailers', '000003000000000001616263'],
  // One frame behind the Close is enough.
  ['ws', 'ws-echo-after-close', 'close-then-text', 'after-close', undefined]
] as const)(
  '%s with %s: %s gets smaller, is the same, and is gone where the rules are kept',
  async (protocol, bug, id, claim, gone) => {
    const [broken, good] = [await at(bug), await at()]
    const out = join(folder, protocol)
    await suite(['catalogue', ...broken, '--only', `${protocol}/${id}`, '--out', out])
    const name = readdirSync(join(out, 'findings')).find((one) => one.endsWith('.replay.json'))!
    const file = join(out, 'findings', name)
    const first = parseReplay(readFileSync(file, 'utf8'))
    expect(first.judge).toMatchObject({ kind: 'frames', protocol, record: { id } })

    const { told, small } = await shrunk(file, broken)
    expect(told.claim).toBe(claim)
    expect(told.bytes_after).toBeLessThan(told.bytes_before)
    expect(framesRecord(small).spec.frames.length).toBeLessThan(framesRecord(first).spec.frames.length)

    const again = await replayed(told.file, broken)
    expect(JSON.parse(again.stdout)).toMatchObject({ verdict: 'reproduced', k: 2 })
    // What was made smaller is played, and not the case of that name.
    if (gone !== undefined) {
      expect(bytesSent(first.exchange).toString('hex')).toContain(gone)
      expect(lastSent(again.stdout)).not.toContain(gone)
    }
    expect(JSON.parse((await replayed(told.file, good)).stdout)).toMatchObject({ verdict: 'not reproduced' })
    const script = await suite(['replay', told.file, '--script'])
    expect(script.stdout).toMatch(new RegExp(`^#!/usr/bin/env python3\n# ${id} `))
  },
  120_000
)

test('a server without HTTP/2 is told as that, and a file of an earlier suite is read', async () => {
  const findings = join(folder, 'h2c', 'findings')
  const min = join(
    findings,
    readdirSync(findings).find((one) => one.endsWith('.min.json'))!
  )
  const plain = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1')
  await once(plain, 'listening')
  const { port } = plain.address() as AddressInfo
  const ran = await suite(['replay', min, '--url', `http://127.0.0.1:${port}`])
  plain.close()
  expect(ran).toMatchObject({ code: 2, all: expect.stringMatching(/no HTTP\/2 with prior knowledge: /) })
  const earlier = { ...parseReplay(readFileSync(min, 'utf8')), replay_version: '1.0' }
  expect(parseReplay(formatReplay({ ...earlier, judge: { kind: 'slice' } })).judge).toEqual({ kind: 'slice' })
}, 60_000)

test('floods, and cases of an upgrade or of several steps, stay refused', () => {
  const of = (id: string): Replay =>
    ({ case: id, slice: 'h2c', judge: { kind: 'slice' } }) as unknown as Replay
  for (const id of ['fl-ping', 'up-post', 'prior-garbage', 'churn-cancel', 'stage-s4-settings-fin'])
    expect(() => refuseProgram(of(id))).toThrow(
      /a case of several steps, or a program of the suite, and not one message/
    )
})
