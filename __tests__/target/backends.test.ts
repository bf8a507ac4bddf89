import { afterAll, afterEach, describe, expect, test } from '@jest/globals'
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import postgres from 'postgres'
import { UserError } from '../../src/kit/errors.ts'
import { redact } from '../../src/kit/secrets.ts'
import { lookAt } from '../../src/target/backend-probes.ts'
import { freePort, startOwn } from '../../src/target/backend-process.ts'
import { Backends, findProgram, readBackendAddress } from '../../src/target/backends.ts'
import { alive, documentOf, root, scratch, start } from '../support/suite.ts'

const NAMES = ['postgres', 'redis', 'memcached'] as const
type Name = (typeof NAMES)[number]
const PROGRAM = { postgres: 'postgres', redis: 'redis-server', memcached: 'memcached' }
const VARIABLE = {
  postgres: 'PROBATORIUM_POSTGRES',
  redis: 'PROBATORIUM_REDIS',
  memcached: 'PROBATORIUM_MEMCACHED'
}
const programs = new Map<Name, string | undefined>()
for (const name of NAMES) programs.set(name, await findProgram(PROGRAM[name]))
const present = NAMES.filter((name) => programs.get(name) !== undefined)
const needs = (...names: Name[]): typeof test =>
  names.every((name) => present.includes(name)) ? test : (test.skip as typeof test)

const folder = scratch()
chmodSync(folder, 0o755)
/** Where the backends of other processes keep their data: empty when all is well. */
const temporary = join(folder, 'tmp')
mkdirSync(temporary)
chmodSync(temporary, 0o1777)
const running: Backends[] = []
const servers: Server[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((backends) => backends.stop()))
  for (const server of servers.splice(0)) server.close()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function backendsOf(named: ConstructorParameters<typeof Backends>[0] = {}): Backends {
  const backends = new Backends(named)
  running.push(backends)
  return backends
}

async function valueOf(backends: Backends, name: Name): Promise<string> {
  const env = await backends.environment([name])
  expect(env).not.toHaveProperty('reason')
  return (env as Record<string, string>)[VARIABLE[name]]!
}

const addressOf = (name: Name, value: string) => readBackendAddress(name, value)
const look = (name: Name, value: string) => lookAt(name, addressOf(name, value), 10_000)

async function pidOf(name: Name, value: string): Promise<number> {
  const { self } = await look(name, value)
  return Number(
    name === 'postgres' ? readFileSync(join(self, 'postmaster.pid'), 'utf8').split('\n')[0] : self
  )
}

/** The data folder of a backend; PostgreSQL works in a folder below it. */
function folderOf(pid: number): string {
  const found = /^.*\/probatorium-\w+-\w+/.exec(readlinkSync(`/proc/${pid}/cwd`))
  expect(found).not.toBeNull()
  return found![0]
}

async function until(holds: () => boolean | Promise<boolean>, ms = 20_000): Promise<boolean> {
  const end = Date.now() + ms
  while (Date.now() < end) {
    if (await holds()) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return holds()
}

/** A server that is none of the three. */
async function stranger(answer: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => void (answer === '' ? undefined : socket.write(answer)))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function tell(value: string, text: string): Promise<void> {
  const { host, port } = addressOf('memcached', value)
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port }, () => socket.write(text))
    socket.on('data', () => (socket.destroy(), resolve()))
    socket.on('close', () => resolve())
    socket.on('error', reject)
  })
}

describe.each(NAMES)('%s of our own', (name) => {
  needs(name)(
    'is started once, answers its protocol at once, and is gone after the stop, its folder too',
    async () => {
      const backends = backendsOf()
      const [one, two] = await Promise.all([valueOf(backends, name), valueOf(backends, name)])
      expect(two).toBe(one)
      const pid = await pidOf(name, one)
      expect(await pidOf(name, await valueOf(backends, name))).toBe(pid)
      const data = folderOf(pid)
      expect(await backends.trouble([name])).toBeUndefined()
      await backends.stop()
      expect(alive(pid)).toBe(false)
      expect(existsSync(data)).toBe(false)
    },
    120_000
  )

  needs(name)(
    'takes the next port where one is taken, also by a server of its kind',
    async () => {
      const other = backendsOf()
      const taken = [await stranger(''), addressOf(name, await valueOf(other, name)).port]
      const tried = [...taken]
      const own = await startOwn(name, programs.get(name)!, {
        signal: new AbortController().signal,
        ports: async () => tried.shift() ?? freePort()
      })
      expect(tried).toEqual([])
      expect(taken).not.toContain(own.address.port)
      expect((await lookAt(name, own.address, 10_000)).life).toBe(own.state.life)
      await own.stop()
      expect(own.gone()).toContain(PROGRAM[name])
    },
    180_000
  )

  needs(name)(
    'that dies is trouble, and so is every cell after it',
    async () => {
      const backends = backendsOf()
      const pid = await pidOf(name, await valueOf(backends, name))
      // A SIGKILL of PostgreSQL would leave its shared memory on this machine.
      process.kill(pid, name === 'postgres' ? 'SIGQUIT' : 'SIGKILL')
      expect(await until(() => !alive(pid))).toBe(true)
      expect(await backends.trouble([name])).toContain(name)
      expect(await backends.trouble([name])).toContain(name)
      expect(await backends.trouble(NAMES.filter((other) => other !== name))).toBeUndefined()
    },
    120_000
  )

  needs(name)(
    'does not outlive a SIGKILL of the suite',
    async () => {
      const { pids, kill } = await separate([name])
      expect(pids.every(alive)).toBe(true)
      kill()
      expect(await until(() => pids.every((pid) => !alive(pid)))).toBe(true)
      expect(await until(() => readdirSync(temporary).length === 0)).toBe(true)
      // PostgreSQL holds a piece of System V shared memory; its fifth column is who made it.
      const segments = readFileSync('/proc/sysvipc/shm', 'utf8').split('\n')
      expect(segments.filter((line) => pids.includes(Number(line.trim().split(/\s+/)[4])))).toEqual([])
    },
    120_000
  )

  test('that nobody can reach is a reason, not an error', async () => {
    const port = await freePort()
    const value = {
      postgres: `postgres://me:sesame-open@127.0.0.1:${port}/x`,
      redis: `redis://:sesame-open@127.0.0.1:${port}`,
      memcached: `127.0.0.1:${port}`
    }[name]
    const answer = await backendsOf({ [name]: value }).environment([name])
    expect(answer).toEqual({
      reason: `${name} at 127.0.0.1:${port}: nothing listens there`,
      fix: expect.stringContaining(`--${name}`)
    })
  }, 30_000)

  test.each([
    ['says nothing', ''],
    ['speaks another protocol', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n']
  ])(
    'of a server that %s is a reason too',
    async (_, text) => {
      const port = await stranger(text)
      const value = name === 'postgres' ? `postgres://me@127.0.0.1:${port}/x` : `127.0.0.1:${port}`
      const answer = await backendsOf({ [name]: value }).environment([name])
      expect(answer).toMatchObject({ reason: expect.stringContaining(`${name} at 127.0.0.1:${port}: `) })
    },
    30_000
  )
})

/** Backends in a process of their own, so that it can be killed. */
async function separate(
  names: readonly Name[],
  through: string[] = []
): Promise<{ pids: number[]; kill: () => void; end: () => Promise<string> }> {
  const file = join(folder, `separate-${names.join('-')}.ts`)
  writeFileSync(
    file,
    `import { Backends } from ${JSON.stringify(join(root, 'src/target/backends.ts'))}
     const backends = new Backends({})
     console.log(JSON.stringify(await backends.environment(${JSON.stringify(names)})))
     process.stdin.on('data', async () => { await backends.stop(); process.exit(0) })`
  )
  const [program, ...args] = [...through, process.execPath, '--no-warnings', file]
  const child = spawn(program, args, {
    env: { ...process.env, TMPDIR: temporary, HOME: temporary },
    stdio: ['pipe', 'pipe', 'pipe']
  })
  let text = ''
  let errors = ''
  child.stderr.on('data', (chunk) => (errors += String(chunk)))
  const closed = new Promise<string>((resolve) => child.on('close', () => resolve(errors)))
  await Promise.race([
    closed,
    new Promise<void>((resolve) =>
      child.stdout.on('data', (chunk) => (text += String(chunk)).includes('\n') && resolve())
    )
  ])
  expect(errors).toBe('')
  const env = JSON.parse(text) as Record<string, string>
  expect(env).not.toHaveProperty('reason')
  const pids = await Promise.all(names.map((name) => pidOf(name, env[VARIABLE[name]]!)))
  return { pids, kill: () => child.kill('SIGKILL'), end: () => (child.stdin.write('\n'), closed) }
}

const asNobody = process.getuid?.() === 0 && spawnSync('setpriv', ['--version']).status === 0
;(asNobody ? needs(...present) : test.skip)(
  'a user without rights starts and stops all of them',
  async () => {
    const { pids, end } = await separate(present, [
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups'
    ])
    for (const pid of pids) expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\s+65534\b/m)
    expect(await end()).toBe('')
    expect(pids.filter(alive)).toEqual([])
    expect(readdirSync(temporary)).toEqual([])
  },
  120_000
)

;(process.getuid?.() === 0 ? needs(...present) : test.skip)(
  'root gives them to somebody without rights, and no password stands in an argument list',
  async () => {
    const backends = backendsOf()
    for (const name of present) {
      const value = await valueOf(backends, name)
      const pid = await pidOf(name, value)
      expect(readFileSync(`/proc/${pid}/status`, 'utf8')).not.toMatch(/^Uid:\s+0\b/m)
      const { password } = addressOf(name, value)
      if (password === undefined) continue
      const lines = readdirSync('/proc')
        .filter((entry) => /^\d+$/.test(entry) && existsSync(`/proc/${entry}/cmdline`))
        .map((entry) => {
          try {
            return readFileSync(`/proc/${entry}/cmdline`, 'latin1')
          } catch {
            return ''
          }
        })
      expect(lines.filter((line) => line.includes(password))).toEqual([])
    }
  },
  120_000
)

describe('named ones', () => {
  test.each([
    ['postgres', 'localhost:5432', 'no PostgreSQL URL'],
    ['postgres', 'mysql://me:sesame-open@localhost/x', 'scheme mysql:'],
    ['postgres', 'postgres://me:sesame%zzopen@localhost/x', 'hexadecimal'],
    ['redis', 'localhost', 'no port'],
    ['redis', 'localhost:nine', 'no address'],
    ['redis', 'localhost:0', 'port 0'],
    ['redis', 'rediss://me:sesame-open@localhost:6379', 'scheme rediss:'],
    ['redis', 'redis://:sesame-open@localhost:6379/books', 'number of a database'],
    ['memcached', 'localhost:11211/x', 'more than HOST:PORT'],
    ['memcached', 'http://localhost:11211', 'scheme http:']
  ] as const)('--%s %s is refused: %s', (name, text, what) => {
    let error: unknown
    try {
      new Backends({ [name]: text })
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(UserError)
    expect((error as UserError).message).toContain(what)
    expect((error as UserError).message).toContain(`--${name}`)
    expect((error as UserError).message).not.toContain('sesame')
  })

  needs('postgres')(
    'a PostgreSQL that does not let us in is a reason; one that has no free connection is no trouble',
    async () => {
      const url = await valueOf(backendsOf(), 'postgres')
      const wrong = url.replace(/:[^:@/]+@/, ':sesame-open@')
      const refused = await backendsOf({ postgres: wrong }).environment(['postgres'])
      expect(refused).toMatchObject({ reason: expect.stringContaining('password authentication failed') })
      expect(JSON.stringify(refused)).not.toContain('sesame')

      const sql = postgres(url, { max: 1, onnotice: () => undefined })
      await sql`create role guest login password 'guest-secret'`
      const named = backendsOf({ postgres: url.replace(/\/\/[^@]+@/, '//guest:guest-secret@') })
      expect(await named.environment(['postgres'])).not.toHaveProperty('reason')
      await sql`alter role guest connection limit 0`
      expect(await named.trouble(['postgres'])).toBeUndefined()
      await sql`alter role guest nologin`
      expect(await named.trouble(['postgres'])).toContain('postgres stopped answering')
      await sql.end()
    },
    120_000
  )

  needs('postgres', 'redis')(
    'what a run wrote under its namespace is taken out, the rest stays',
    async () => {
      const own = backendsOf()
      const url = await valueOf(own, 'postgres')
      const redis = await valueOf(own, 'redis')
      const named = backendsOf({ postgres: url, redis })
      const env = (await named.environment(['postgres', 'redis'])) as Record<string, string>
      const space = env['PROBATORIUM_NAMESPACE']!
      const other = ((await backendsOf().environment([])) as Record<string, string>)['PROBATORIUM_NAMESPACE']!
      expect(other).not.toBe(space)
      const sql = postgres(url, { max: 1, onnotice: () => undefined })
      for (const name of [`${space}_epoll`, `${other}_epoll`]) {
        await sql`create schema ${sql(name)}`
        await sql`create table ${sql(`${name}.things`)} (id int)`
        await tell(redis, `SET ${name}:thing 1\r\n`)
      }
      await named.stop()
      const left = await sql`select nspname from pg_namespace where nspname like 'probatorium%'`
      expect(left.map((row) => row['nspname'] as string)).toEqual([`${other}_epoll`])
      await sql.end()
      const { host, port } = addressOf('redis', redis)
      const keys = await new Promise<string>((resolve) => {
        const socket = connect({ host, port }, () => socket.write('KEYS *\r\n'))
        socket.on('data', (chunk) => (socket.destroy(), resolve(String(chunk))))
      })
      expect(keys).toContain(`${other}_epoll:thing`)
      expect(keys).not.toContain(space)
    },
    120_000
  )

  test('a password is masked from the moment it is read', () => {
    readBackendAddress('redis', 'redis://reader:open-barley@localhost:6379/2')
    expect(redact('cannot log in with open-barley')).toBe('cannot log in with ***')
  })

  needs('redis')(
    'one that was restarted under our feet is trouble',
    async () => {
      const signal = new AbortController().signal
      const first = await startOwn('redis', programs.get('redis')!, { signal })
      const { port } = first.address
      const named = backendsOf({ redis: `127.0.0.1:${port}` })
      expect(await named.environment(['redis'])).toMatchObject({ PROBATORIUM_REDIS: `127.0.0.1:${port}` })
      expect(await named.trouble(['redis'])).toBeUndefined()
      await first.stop()
      const ports = (): Promise<number> => Promise.resolve(port)
      const second = await startOwn('redis', programs.get('redis')!, { signal, ports })
      expect(await named.trouble(['redis'])).toBe('redis was restarted during the run')
      await second.stop()
    },
    60_000
  )

  needs('memcached')(
    'entries that memcached threw away are trouble',
    async () => {
      const backends = backendsOf()
      const value = await valueOf(backends, 'memcached')
      expect(await backends.trouble(['memcached'])).toBeUndefined()
      await tell(value, 'flush_all\r\n')
      expect(await backends.trouble(['memcached'])).toContain('memcached threw 1 entries away')
    },
    60_000
  )
})

describe('in a run', () => {
  /** A server that stops its Redis, and from then on answers 500 and leaks the address to stderr. */
  const SERVER = `
    const http = require('node:http'), net = require('node:net')
    const [host, port] = process.env.PROBATORIUM_REDIS.split(':')
    let asked = 0
    const server = http.createServer((q, r) => {
      q.resume()
      q.on('end', () => {
        asked += 1
        if (process.env.SHOT && asked === 300) net.connect(port, host).end('SHUTDOWN NOSAVE\\r\\n')
        r.statusCode = process.env.SHOT && asked > 300 && q.url !== '/healthz' ? 500 : 200
        r.end('ok')
      })
    })
    server.listen(0, '127.0.0.1', () => console.log('ready addr=127.0.0.1:' + server.address().port))
    process.on('SIGTERM', () => process.exit(0))`

  function manifest(name: string, env: Record<string, string>): string {
    const script = join(folder, `${name}.cjs`)
    writeFileSync(script, SERVER)
    const file = join(folder, `${name}.yml`)
    const refapp = {
      slug: 'x',
      engines: ['a', 'b'],
      run: ['{node}', script],
      backends: ['redis'],
      routes: { get: '/', health: '/healthz' },
      env
    }
    writeFileSync(file, JSON.stringify({ refapps: [refapp] }))
    return file
  }

  needs('redis')(
    'a backend that dies under load is an error of the cell and no finding against the server',
    async () => {
      const out = join(folder, 'shot')
      const args = [
        '--config',
        manifest('shot', { SHOT: '1' }),
        '--slices',
        'markov',
        '--duration',
        '16s',
        '--out',
        out
      ]
      const ran = await start(['validate', ...args], { env: { TMPDIR: temporary } }).done
      const { cells } = documentOf(out).validation_results
      expect(cells.map(({ status, findings }) => [status, findings])).toEqual([
        ['error', undefined],
        ['error', undefined]
      ])
      expect(cells[0]!.failure_reason).toContain('redis')
      expect(ran.code).toBe(3)
      expect(readdirSync(temporary)).toEqual([])
    },
    120_000
  )

  needs('redis')(
    'the same server is judged where its backend lives',
    async () => {
      const out = join(folder, 'well')
      const args = [
        '--config',
        manifest('well', {}),
        '--engines',
        'a',
        '--slices',
        'markov',
        '--duration',
        '7s',
        '--out',
        out
      ]
      const ran = await start(['validate', ...args], { env: { TMPDIR: temporary } }).done
      expect(documentOf(out).validation_results.cells.map(({ status }) => status)).toEqual(['pass'])
      expect(ran.code).toBe(0)
    },
    120_000
  )

  test('a named one that is not there: the cells are not run, and its password is nowhere', async () => {
    const out = join(folder, 'absent')
    const url = `redis://:sesame-open@127.0.0.1:${await freePort()}`
    const ran = await start([
      'validate',
      '--config',
      manifest('absent', {}),
      '--redis',
      url,
      '--duration',
      '6s',
      '--out',
      out
    ]).done
    const { cells } = documentOf(out).validation_results
    expect(cells.map(({ status }) => status)).toEqual(['not_run', 'not_run'])
    expect(cells[0]!.failure_reason).toContain('nothing listens there')
    const texts = readdirSync(out)
      .filter((file) => /\.(json|md|html)$/.test(file))
      .map((file) => readFileSync(join(out, file), 'utf8'))
    for (const text of [ran.all, ...texts]) expect(text).not.toContain('sesame')
  }, 60_000)

  needs('postgres')(
    'what a server prints of its database address is masked in the document',
    async () => {
      const out = join(folder, 'loud')
      const script = join(folder, 'loud.cjs')
      writeFileSync(
        script,
        'console.error("cannot open " + process.env.PROBATORIUM_POSTGRES); process.exit(1)'
      )
      const file = join(folder, 'loud.yml')
      writeFileSync(
        file,
        JSON.stringify({
          refapps: [{ slug: 'x', engines: ['a'], run: ['{node}', script], backends: ['postgres'] }]
        })
      )
      const ran = await start(['validate', '--config', file, '--duration', '6s', '--out', out], {
        env: { TMPDIR: temporary }
      }).done
      const [cell] = documentOf(out).validation_results.cells
      expect(cell!.failure_reason).toContain('cannot open ***')
      expect(JSON.stringify(cell)).not.toMatch(/probatorium:[0-9a-f]{8}/)
      expect(ran.all).not.toMatch(/probatorium:[0-9a-f]{8}/)
    },
    60_000
  )
})
