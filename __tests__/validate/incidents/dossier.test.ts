import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Finding } from '../../../src/documents/finding.ts'
import { takeCensus } from '../../../src/target/census.ts'
import type { Target } from '../../../src/target/types.ts'
import { openIncident } from '../../../src/validate/incidents/index.ts'
import { noteSent } from '../../../src/wire/recent.ts'
import { scratch } from '../../support/suite.ts'

const folder = scratch()
const finding: Finding = {
  id: 'f1',
  predicate: 'I-LOST-WRITE',
  severity: 'HIGH',
  cell: 'a/b/c',
  title: 'lost',
  observed_at: new Date(0).toISOString()
}
const draft = {
  predicate: 'I-LOST-WRITE',
  severity: 'HIGH' as const,
  case: 'read',
  title: 'lost',
  sent: Buffer.from('GET /items/1 HTTP/1.1\r\n\r\n'),
  received: Buffer.from([0x48, 0x00, 0xff])
}
let server: Server
let answers: Record<string, string> = {}

beforeAll(async () => {
  server = createServer((request, response) => {
    const body = answers[request.url ?? '']
    // A path without an answer hangs, as a wedged server does; "" is not there.
    if (body === undefined) return
    response.writeHead(body === '' ? 404 : 200).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

function target(own: Partial<Target> = {}): Target {
  const { port } = server.address() as AddressInfo
  return {
    origin: 'launched',
    host: '127.0.0.1',
    port,
    authority: `127.0.0.1:${port}`,
    pid: process.pid,
    readyAt: new Date(),
    routes: {},
    output: () => ['last words'],
    exit: () => undefined,
    exited: new Promise(() => undefined),
    census: () => takeCensus(process.pid),
    stop: () => Promise.resolve({ how: 'attached', tookMs: 0 }),
    ...own
  }
}

const ABSENT = { '/debug/pprof/goroutine?debug=2': '', '/debug/pprof/heap': '', '/debug/vars': '' }

async function open(own: Partial<Target> = {}, more: object = {}): Promise<string> {
  const name = await openIncident({
    folder,
    finding,
    draft,
    target: target(own),
    facts: { seed: '0x1' },
    ...more
  })
  return join(folder, name!)
}
const read = (path: string, file: string): string => readFileSync(join(path, file), 'utf8')

test('a server with profiles: everything is there', async () => {
  answers = {
    '/debug/pprof/goroutine?debug=2': 'goroutine 1 [running]',
    '/debug/pprof/heap': 'heap',
    '/debug/vars': '{"goroutines":3}'
  }
  const { port } = server.address() as AddressInfo
  noteSent(port, 'POST /items HTTP/1.1\r\n\r\nbefore the loss')
  const path = await open({}, { samples: [{ t: 1, fd_count: 7 }] })
  expect(read(path, 'goroutine-stacks.txt')).toContain('goroutine 1')
  expect(read(path, 'last_requests.txt')).toContain('before the loss')
  expect(read(path, 'last_requests.txt')).not.toContain('pprof')
  expect(read(path, 'sent.hex')).toMatch(/^00000000  47 45 54 20 .* \|GET \/items/)
  expect(read(path, 'received.hex')).toContain('48 00 ff')
  expect(JSON.parse(read(path, 'census.json'))).toMatchObject({
    now: { descriptors: expect.any(Number) },
    before: [{ t: 1, fd_count: 7 }]
  })
  expect(JSON.parse(read(path, 'incident.json'))).toMatchObject({ seed: '0x1', pid: process.pid })
  expect(read(path, 'sockets.txt')).toContain(String(port))
  expect(read(path, 'refapp_output_tail.txt')).toBe('last words\n')
})

test('a server without profiles and without a process id: each gap has its reason', async () => {
  answers = ABSENT
  const path = await open({
    pid: undefined,
    census: () => Promise.resolve(undefined),
    output: () => []
  } as never)
  const missing = readdirSync(path).filter((name) => name.endsWith('.missing'))
  for (const piece of ['proc-status.txt', 'proc-fd.txt', 'census.json'])
    expect(read(path, `${piece}.missing`)).toBe('no process id is known\n')
  expect(read(path, 'goroutine-stacks.txt.missing')).toMatch(/no side listener: status 404/)
  expect(missing).toEqual(
    expect.arrayContaining(['heap.pprof.missing', 'refapp_output_tail.txt.missing', 'samples.json.missing'])
  )
  expect(read(path, 'forensics_status.txt')).toContain('proc-fd.txt  missing: no process id is known')
})

test('a process that is gone leaves its words and its bytes', async () => {
  answers = ABSENT
  const exit = { code: null, signal: 'SIGSEGV' as const, at: new Date(0) }
  const path = await open({ pid: 2 ** 22 + 1, census: () => Promise.resolve(undefined), exit: () => exit })
  expect(read(path, 'proc-status.txt.missing')).toContain('ENOENT')
  expect(read(path, 'census.json.missing')).toContain('is gone')
  expect(JSON.parse(read(path, 'incident.json'))).toMatchObject({ exit: { signal: 'SIGSEGV' } })
  expect(read(path, 'sent.bin')).toContain('GET /items/1')
})

test('a wedged server costs time, not evidence', async () => {
  answers = {}
  const path = await open({ debug: { host: '127.0.0.1', port: (server.address() as AddressInfo).port } })
  expect(read(path, 'goroutine-stacks.txt.missing')).toMatch(/timeout|not done/)
  for (const piece of [
    'sent.bin',
    'received.hex',
    'incident.json',
    'refapp_output_tail.txt',
    'proc-status.txt'
  ])
    expect(readdirSync(path)).toContain(piece)
}, 30_000)

test('no two incidents share a folder, whatever the names hold', async () => {
  answers = ABSENT
  const odd = { ...finding, cell: '../../up/x y', predicate: 'I-X' }
  const paths = await Promise.all([1, 2, 3, 4].map(() => open({}, { finding: odd })))
  expect(new Set(paths).size).toBe(4)
  for (const path of paths) expect(path.startsWith(`${folder}/`)).toBe(true)
  expect(readdirSync(folder).every((name) => !name.includes('/'))).toBe(true)
})

test('a folder that cannot be made is said, not thrown', async () => {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'a-file')
  writeFileSync(file, '')
  expect(await openIncident({ folder: file, finding, draft, target: target(), facts: {} })).toBeUndefined()
})
