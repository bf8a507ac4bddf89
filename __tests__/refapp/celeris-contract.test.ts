/** The celeris refapps against a checkout of celeris; runs only where CELERIS_DIR names one. */
import { afterAll, afterEach, describe, expect, test } from '@jest/globals'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { isNotRun, prepare } from '../../src/target/build.ts'
import { readCeleris } from '../../src/target/celeris.ts'
import { launch } from '../../src/target/launch.ts'
import { loadManifest } from '../../src/target/manifest.ts'
import type { Target } from '../../src/target/types.ts'
import { RandomStreams } from '../../src/kit/random.ts'
import { readEcho } from '../../src/validate/oracles/echo.ts'
import {
  speaksHttp2,
  speaksSse,
  speaksWebSocket,
  upgradesToHttp2
} from '../../src/validate/preflight/streams.ts'
import { root, scratch } from '../support/suite.ts'

const dir = process.env['CELERIS_DIR']
const withCeleris = dir === undefined ? describe.skip : describe
const cacheDir = scratch()
const running: Target[] = []
const signal = new AbortController().signal

const servers = loadManifest(`${root}/probatorium.yml`, root).servers.filter(
  ({ celeris, backends }) => celeris && backends.length === 0
)

afterEach(async () => {
  await Promise.all(running.splice(0).map((target) => target.stop(8000)))
})
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

withCeleris.each(servers)('$refapp on $engine', (server) => {
  async function started(): Promise<Target> {
    const ready = await prepare(server, { celeris: readCeleris(dir!), cacheDir, signal })
    if (isNotRun(ready)) throw new Error(`${ready.reason}; ${ready.fix}`)
    const target = await launch({
      argv: ready.argv,
      cwd: ready.cwd,
      env: server.env,
      routes: server.routes,
      readyTimeoutMs: 10_000,
      signal
    })
    running.push(target)
    return target
  }
  const ask = (target: Target, path: string, body?: Buffer): Promise<Response> =>
    fetch(`http://${target.authority}${path}`, {
      ...(body === undefined ? {} : { method: 'POST', body: new Uint8Array(body) }),
      signal: AbortSignal.timeout(5000)
    })

  test('the routes of the contract are there, and a restart serves again', async () => {
    const target = await started()
    const health = (await (await ask(target, server.routes.health!)).json()) as object
    expect(health).toMatchObject({ status: 'ok' })

    const sent = randomBytes(300)
    const answer = await ask(target, `${server.routes.echo!}?a=b`, sent)
    const echo = readEcho(Buffer.from(await answer.arrayBuffer()))!
    expect([echo.method, echo.target, echo.body.equals(sent)]).toEqual([
      'POST',
      `${server.routes.echo!}?a=b`,
      true
    ])
    expect(echo.headers).toContainEqual(['host', target.authority])

    const upload = await ask(target, server.routes.upload!, randomBytes(100_000))
    expect([upload.ok, (await upload.json()) as object]).toMatchObject([true, { bytes: 100_000 }])

    const random = new RandomStreams('0x1').stream('contract')
    await expect(speaksWebSocket(target, server.routes.ws!, random, 5000)).resolves.toMatchObject({
      seen: expect.stringMatching(/101, echoes/)
    })
    await expect(speaksSse(target, server.routes.sse!, 5000)).resolves.toMatchObject({
      seen: expect.stringMatching(/something comes/)
    })
    const upgrades = server.routes.h2c !== undefined
    await expect(speaksHttp2(target, 2000)).resolves.toMatchObject({ ok: upgrades })
    await expect(upgradesToHttp2(target, '/', 2000)).resolves.toMatchObject({ ok: upgrades })

    const vars = (await (
      await fetch(`http://${target.debug!.host}:${target.debug!.port}${server.debugVars}`)
    ).json()) as { refapp: object; celeris: { metrics: { RequestCount: number } } }
    expect(vars.refapp).toMatchObject({ name: server.refapp, engine: server.engine })
    expect(vars.celeris.metrics.RequestCount).toBeGreaterThan(0)

    expect(await target.stop(8000)).toMatchObject({ how: 'graceful', exit: { code: 0 } })
    const again = await started()
    expect((await ask(again, server.routes.health!)).status).toBe(200)
  }, 180_000)
})

test('refapps of celeris are declared', () => {
  expect(servers.length).toBeGreaterThan(0)
})
