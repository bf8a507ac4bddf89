import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { BackendName } from '../../src/documents/manifest.ts'
import { Backends, findProgram } from '../../src/target/backends.ts'
import type { Prepared } from '../../src/target/build.ts'
import { loadManifest } from '../../src/target/manifest.ts'
import type { Target } from '../../src/target/types.ts'
import { loadMarkov } from '../../src/validate/traffic/markov/model.ts'
import { root, scratch } from '../support/suite.ts'
import { build, celerisDir, Client, published, stage, type Stage } from './drivers-process.ts'

const PROGRAM = { postgres: 'postgres', redis: 'redis-server', memcached: 'memcached' } as const
const NAMES: readonly BackendName[] = ['postgres', 'redis', 'memcached']
const present = new Set<BackendName>()
for (const name of NAMES) if ((await findProgram(PROGRAM[name])) !== undefined) present.add(name)

test.each(NAMES)('driver_%s is in the manifest with its backend, and its model holds', (name) => {
  const servers = loadManifest(join(root, 'probatorium.yml'), root).servers.filter(
    ({ refapp }) => refapp === `driver_${name}`
  )
  expect(servers.map(({ engine }) => engine)).toEqual(['iouring', 'epoll', 'std', 'adaptive'])
  for (const server of servers) {
    expect(server).toMatchObject({ celeris: true, toolchain: 'go', backends: [name] })
    const model = loadMarkov(server.markov!)
    const reads = [...model.steps.values()].filter(({ lostWrite }) => lostWrite)
    expect(reads.length).toBeGreaterThanOrEqual(5)
  }
})

const cache = scratch()
const backends = new Backends({})
afterAll(async () => {
  await backends.stop()
  rmSync(cache, { recursive: true, force: true })
})

/** With CELERIS_DIR and the backend's program; skipped otherwise. */
function withApp(name: BackendName, what: (stageOf: () => Stage) => void): void {
  const can = celerisDir !== '' && present.has(name)
  ;(can ? describe : describe.skip)(`driver_${name} (CELERIS_DIR, ${PROGRAM[name]})`, () => {
    let prepared: Prepared
    let current: Stage
    beforeAll(async () => {
      prepared = await build(`driver_${name}`, cache)
      current = await stage(prepared, backends, [name])
    }, 480_000)
    afterEach(() => current.stop())
    what(() => current)
  })
}

/** What the three have in common. */
function common(name: BackendName, stageOf: () => Stage, item: string): void {
  test.each(['epoll', 'iouring', 'std'])(
    'on %s: data and session survive a kill of the refapp, and the stop is graceful',
    async (engine) => {
      const first = await stageOf().start(engine)
      const me = await new Client(first).signIn(`survivor-${engine}`)
      const made = await me.send('POST', `/${item}s`, { name: 'kept' })
      expect(made.status).toBe(201)
      process.kill(first.pid!, 'SIGKILL')
      await first.exited
      const second = await stageOf().start(engine)
      const again = new Client(second)
      again.cookie = me.cookie
      expect((await again.send('GET', '/me')).json).toEqual({ user: `survivor-${engine}` })
      expect(await again.send('GET', `/${item}s/${String(made.json['id'])}`)).toMatchObject({
        status: 200,
        json: { name: 'kept' }
      })
      const stopped = await second.stop(10_000)
      expect([stopped.how, stopped.exit?.code]).toEqual(['graceful', 0])
    },
    120_000
  )

  test('what is mine is nobody else’s, and no engine sees the data of another', async () => {
    const epoll = await stageOf().start('epoll')
    const mine = await new Client(epoll).signIn('owner')
    const made = await mine.send('POST', `/${item}s`, { name: 'mine' })
    const path = `/${item}s/${String(made.json['id'])}`
    const other = await new Client(epoll).signIn('other')
    for (const [method, body] of [['GET'], ['DELETE'], ['PUT', { name: 'stolen' }]] as const)
      expect((await other.send(method, path, body)).status).toBe(404)
    expect((await mine.send('GET', path)).json['name']).toBe('mine')
    expect((await new Client(epoll).send('GET', path)).status).toBe(401)
    const std = await stageOf().start('std')
    await expect(new Client(std).signIn('owner', false)).rejects.toThrow('login: 401')
  }, 120_000)

  test('several processes may begin on one backend at once', async () => {
    const targets = await Promise.all(
      ['adaptive', 'adaptive', 'adaptive'].map((engine) => stageOf().start(engine))
    )
    const me = await new Client(targets[0]!).signIn('everywhere')
    for (const target of targets) {
      const there = new Client(target)
      there.cookie = me.cookie
      expect((await there.send('GET', '/me')).json).toEqual({ user: 'everywhere' })
    }
  }, 120_000)

  test('versions: a stale writer is refused, a removed thing is gone', async () => {
    const me = await new Client(await stageOf().start('epoll')).signIn('writer')
    const made = await me.send('POST', `/${item}s`, { name: 'first' })
    const path = `/${item}s/${String(made.json['id'])}`
    const tag = made.headers.get('etag')!
    const second = await me.send('PUT', path, { name: 'second' }, { 'if-match': tag })
    expect(second.status).toBe(200)
    expect((await me.send('PUT', path, { name: 'third' }, { 'if-match': tag })).status).toBe(412)
    expect(
      (await me.send('GET', path, undefined, { 'if-none-match': second.headers.get('etag')! })).status
    ).toBe(304)
    expect((await me.send('GET', path)).json['name']).toBe('second')
    expect((await me.send('DELETE', path)).status).toBe(204)
    for (const method of ['GET', 'DELETE']) expect((await me.send(method, path)).status).toBe(404)
  }, 60_000)

  test('it reads back what it writes, says so, and its pools come back', async () => {
    const target = await stageOf().start('epoll')
    const me = await new Client(target).signIn('reader')
    await Promise.all(Array.from({ length: 40 }, (_, i) => me.send('POST', `/${item}s`, { name: `n${i}` })))
    const vars = await published(target)
    expect(vars['predicates']).toContain('I-DRV')
    expect(vars).toMatchObject({
      drv_reads: 40,
      drv_read_hits: 40,
      drv_read_misses: 0,
      drv_read_errors: 0,
      backend_errors: 0
    })
    expect(vars['drv_pool']).toMatchObject({ in_use: 0 })
    expect((vars['drv_pool'] as { open: number }).open).toBeGreaterThan(0)
    expect(vars['drv_mirror']).toMatchObject({ in_use: 0 })
  }, 60_000)

  test('without its backend it says what is missing, and without a good address it repeats none', async () => {
    const variable = `PROBATORIUM_${name.toUpperCase()}`
    const bad = await startFails(stageOf(), { [variable]: '' })
    expect(bad).toContain(`${variable} is not set`)
    const gone = await startFails(stageOf(), {
      [variable]: name === 'postgres' ? 'postgres://me:sesame-open@127.0.0.1:1/x' : '127.0.0.1:1'
    })
    expect(gone).toMatch(/PostgreSQL|Redis|memcached/)
    expect(gone).not.toContain('sesame')
  }, 60_000)
}

async function startFails(from: Stage, env: Record<string, string>): Promise<string> {
  try {
    await from.with(env).start('std')
  } catch (error) {
    return (error as { output: string[] }).output.join('\n')
  }
  throw new Error('it started')
}

withApp('postgres', (stageOf) => {
  common('postgres', stageOf, 'ledger')

  test.each(['epoll', 'iouring', 'std'])(
    'on %s: however many move money at once, the sum stays',
    async (engine) => {
      const target = await stageOf().start(engine)
      const user = `mover-${engine}`
      const me = await new Client(target).signIn(user)
      const { json: ledger } = await me.send('POST', '/ledgers', { name: 'race', total: 100 })
      const path = `/ledgers/${String(ledger['id'])}`
      const accounts = [ledger['cash']]
      for (const name of ['a', 'b', 'c'])
        accounts.push((await me.send('POST', `${path}/accounts`, { name })).json['id'])
      const clients = await Promise.all(
        Array.from({ length: 6 }, () => new Client(target).signIn(user, false))
      )
      const statuses = await Promise.all(
        clients.flatMap((client, i) =>
          Array.from({ length: 20 }, async (_, n) => {
            const [from, to] = [accounts[(i + n) % 4], accounts[(i + n * 3 + 1) % 4]]
            if (from === to) return 201
            return (await client.send('POST', `${path}/transfers`, { from, to, amount: 17, note: '' })).status
          })
        )
      )
      expect(new Set(statuses)).toEqual(new Set([201, 409]))
      expect((await me.send('GET', `${path}/totals`)).json).toMatchObject({ total: 100, sum: 100 })
      const left = (await me.send('GET', `${path}/accounts`)).json['accounts'] as { balance: number }[]
      expect(left.every(({ balance }) => balance >= 0)).toBe(true)
      expect((await published(target))['drv_read_misses']).toBe(0)
    },
    120_000
  )

  test('a savepoint undoes one transfer of a batch and no other', async () => {
    const me = await new Client(await stageOf().start('epoll')).signIn('batcher')
    const { json: ledger } = await me.send('POST', '/ledgers', { name: 'batch', total: 10 })
    const path = `/ledgers/${String(ledger['id'])}`
    const cash = ledger['cash']
    const other = (await me.send('POST', `${path}/accounts`, { name: 'a' })).json['id']
    const transfers = [
      { from: cash, to: other, amount: 4, note: 'one' },
      { from: other, to: cash, amount: 5, note: 'too much' },
      { from: cash, to: 0, amount: 1, note: 'to nobody' },
      { from: cash, to: other, amount: 6, note: 'two' }
    ]
    expect((await me.send('POST', `${path}/batches`, { transfers })).json).toMatchObject({
      made: 2,
      refused: 2
    })
    const notes = (await me.send('GET', `${path}/transfers`)).json['transfers'] as { note: string }[]
    expect(notes.map(({ note }) => note)).toEqual(['two', 'one'])
    expect((await me.send('GET', `${path}/accounts/${String(other)}`)).json['balance']).toBe(10)
  }, 60_000)

  test('COPY in and out keeps tabs, backslashes and other letters; a range is read', async () => {
    const me = await new Client(await stageOf().start('epoll')).signIn('scribe')
    const { json } = await me.send('POST', '/ledgers', { name: 'notes' })
    const path = `/ledgers/${String(json['id'])}`
    const lines = ['a\tb', 'c\\d', 'ü €', '', '\\N', ...Array.from({ length: 2000 }, (_, i) => `line ${i}`)]
    expect((await me.send('POST', `${path}/notes`, lines.join('\n'))).json).toEqual({ rows: lines.length })
    const range = (await me.send('GET', `${path}/notes?first=1&last=1000`)).json['notes'] as {
      content: string
    }[]
    expect(range.map(({ content }) => content)).toEqual(lines.slice(0, 1000))
    const out = (await me.send('GET', `${path}/export`)).text.split('\n')
    expect(out.slice(0, 5)).toEqual(['1\ta\\tb', '2\tc\\\\d', '3\tü €', '4\t', '5\t\\\\N'])
    expect(out).toHaveLength(lines.length + 1)
  }, 60_000)
})

withApp('redis', (stageOf) => {
  common('redis', stageOf, 'board')

  test('scripts, pipelines, queues and counters', async () => {
    const target = await stageOf().start('epoll')
    const me = await new Client(target).signIn('player')
    const { json } = await me.send('POST', '/boards', { name: 'race', total: 100 })
    const path = `/boards/${String(json['id'])}`
    for (const name of ['a', 'b', 'c']) await me.send('PUT', `${path}/scores/${name}`)
    const players = ['bank', 'a', 'b', 'c']
    const statuses = await Promise.all(
      Array.from({ length: 80 }, async (_, n) => {
        const move = { from: players[n % 4], to: players[(n * 3 + 1) % 4], points: 17 }
        return move.from === move.to ? 200 : (await me.send('POST', `${path}/moves`, move)).status
      })
    )
    expect(new Set(statuses)).toEqual(new Set([200, 409]))
    expect((await me.send('GET', `${path}/totals`)).json).toEqual({ total: 100, sum: 100 })
    await Promise.all(Array.from({ length: 50 }, () => me.send('POST', '/counters/n?by=2')))
    expect((await me.send('GET', '/counters/n')).json['value']).toBe(100)
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, `value\r\n${i}`]))
    expect((await me.send('POST', '/multi', many)).status).toBe(201)
    expect((await me.send('GET', `/multi?keys=${Object.keys(many).join(',')}`)).json['values']).toEqual(many)
    for (const text of ['x', 'y']) await me.send('POST', '/queues/q', text)
    expect((await me.send('POST', '/queues/q/pop')).text).toBe('x')
    expect((await me.send('POST', '/queues/q/pop')).text).toBe('y')
    expect((await me.send('POST', '/queues/q/pop')).status).toBe(404)
  }, 60_000)

  test('a message goes through Redis to everybody who reads the feed, of other processes too', async () => {
    const [one, two] = [await stageOf().start('epoll'), await stageOf().start('epoll')]
    const stop = new AbortController()
    const feed = await fetch(`http://${two.authority}/feed`, { signal: stop.signal })
    const reader = (feed.body as ReadableStream<Uint8Array>).getReader()
    const me = await new Client(one).signIn('speaker')
    let text = ''
    const told = (async () => {
      while (!text.includes('hello there')) {
        const { value, done } = await reader.read()
        if (done) break
        text += new TextDecoder().decode(value)
      }
    })()
    await untilPublished(two, ({ feed_subscribers: count }) => count === 1)
    expect((await me.send('POST', '/messages', 'hello there')).json).toEqual({ receivers: 2 })
    await told
    expect(text).toContain('data: hello there')
    stop.abort()
  }, 60_000)

  test('the rate limit is kept in Redis', async () => {
    await limitSurvives(stageOf(), 'epoll')
  }, 60_000)
})

withApp('memcached', (stageOf) => {
  common('memcached', stageOf, 'folder')

  test('compare-and-swap, add, replace, append, counters, many at once', async () => {
    const me = await new Client(await stageOf().start('epoll')).signIn('swapper')
    const bytes = 'line\r\nEND\r\n\u0000 and more'
    expect((await me.send('PUT', '/values/v', bytes, { 'if-match': '*' })).status).toBe(404)
    const put = await me.send('PUT', '/values/v', bytes, { 'if-none-match': '*' })
    expect(put.status).toBe(200)
    expect((await me.send('PUT', '/values/v', 'x', { 'if-none-match': '*' })).status).toBe(412)
    expect((await me.send('GET', '/values/v')).text).toBe(bytes)
    const tag = put.headers.get('etag')!
    const won = await Promise.all(
      Array.from({ length: 10 }, (_, i) => me.send('PUT', '/values/v', `writer ${i}`, { 'if-match': tag }))
    )
    expect(won.filter(({ status }) => status === 200)).toHaveLength(1)
    expect((await me.send('POST', '/values/v/append', '!')).status).toBe(200)
    expect((await me.send('GET', '/values/v')).text).toMatch(/^writer \d!$/)
    await me.send('PUT', '/counters/c')
    await Promise.all(Array.from({ length: 50 }, () => me.send('POST', '/counters/c?by=2')))
    expect((await me.send('GET', '/counters/c')).json['value']).toBe(100)
    expect((await me.send('POST', '/counters/c?by=-1000')).json['value']).toBe(0)
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, `value\r\n${i}`]))
    expect((await me.send('POST', '/multi', many)).status).toBe(201)
    const keys = ['never', ...Object.keys(many).slice(1)].join(',')
    expect((await me.send('GET', `/multi?keys=${keys}`)).json).toMatchObject({ found: 99 })
  }, 60_000)

  test('a value goes when its time is over, and stays when it was given more', async () => {
    const me = await new Client(await stageOf().start('epoll')).signIn('timer')
    for (const key of ['short', 'touched']) await me.send('PUT', `/values/${key}?ttl=2`, 'x')
    expect((await me.send('POST', '/values/touched/touch?ttl=600')).status).toBe(204)
    const gone = async (): Promise<boolean> => (await me.send('GET', '/values/short')).status === 404
    const end = Date.now() + 30_000
    while (!(await gone()) && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await gone()).toBe(true)
    expect((await me.send('GET', '/values/touched')).status).toBe(200)
  }, 60_000)

  test('the rate limit is kept in memcached', async () => {
    await limitSurvives(stageOf(), 'epoll')
  }, 60_000)
})

async function untilPublished(
  target: Target,
  holds: (vars: Record<string, unknown>) => boolean
): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (holds(await published(target))) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('it never published that')
}

/** The bucket outlives the process that filled it. */
async function limitSurvives(current: Stage, engine: string): Promise<void> {
  const first = await current.start(engine)
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) statuses.push((await new Client(first).send('POST', '/codes/somewhere')).status)
  expect(statuses).toEqual([202, 202, 202, 429])
  await first.stop(5000)
  const second = await current.start(engine)
  const refused = await new Client(second).send('POST', '/codes/somewhere')
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
}
