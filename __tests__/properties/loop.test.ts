import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { attach } from '../../src/target/attach.ts'
import { launch } from '../../src/target/launch.ts'
import type { Target } from '../../src/target/types.ts'
import type { FindingDraft } from '../../src/validate/contracts.ts'
import { startProperties, type PropertyReport } from '../../src/validate/properties/index.ts'
import { LoopVitals } from '../../src/validate/vitals.ts'
import { root, scratch } from '../support/suite.ts'

const SECONDS = 22
const LONGEST = 60
const LOOKS = 22
const folder = scratch()
const never = new AbortController().signal

interface Seen {
  report: PropertyReport
  found: FindingDraft[]
  database: string
}

const keeper = (bug: string): Promise<Target> =>
  launch({
    argv: [
      process.execPath,
      join(root, '__tests__/support/keeper.ts'),
      '-bind',
      '127.0.0.1:0',
      '-engine',
      bug
    ],
    cwd: root,
    env: {},
    routes: {},
    readyTimeoutMs: 20_000,
    signal: never
  })

function ask(target: Target, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host: target.host, port: target.port, path, agent: false }, (answer) => {
      answer
        .resume()
        .on('end', () => resolve(true))
        .on('error', () => resolve(false))
    })
    asked.on('error', () => resolve(false)).end()
  })
}

/** A cell with a property loop and a light load of fresh connections. */
async function watch(
  name: string,
  target: Target,
  seconds = SECONDS,
  vitals = new LoopVitals(),
  path = '/healthz'
): Promise<Seen> {
  const found: FindingDraft[] = []
  const database = join(folder, `${name}.sqlite`)
  let answers = 0
  const loop = await startProperties({
    target,
    cell: `keeper/${name}/x`,
    database,
    healthPath: '/healthz',
    healthDeclared: true,
    debugVarsPath: '/debug/vars',
    slices: new Set(['markov']),
    vitals,
    tally: (slice, counter) => (slice === 'markov' && /^requests_(sent|2xx)$/.test(counter) ? answers : 0),
    reported: () => new Set(found.map(({ predicate }) => predicate)),
    report: (draft) => void found.push(draft),
    signal: never
  })
  loop.phase('load')
  const end = performance.now() + seconds * 1000
  // On a busy machine it takes longer until a leak is large enough to be told.
  const enough = (): boolean =>
    !name.startsWith('leaks-') || (loop.recent(LOOKS).length >= LOOKS && answers >= 880)
  const last = performance.now() + LONGEST * 1000
  while (performance.now() < end || (!enough() && performance.now() < last)) {
    const asked = [1, 2, 3].map(async () => {
      if (await ask(target, path)) answers += 1
    })
    await Promise.race([Promise.all(asked), delay(500)])
    await delay(40)
  }
  const report = await loop.finish(true)
  vitals.stop()
  await target.stop(500)
  return { report, found, database }
}

/** Every server and what must be found of it; nothing else may be. */
const SERVERS: Record<string, string[]> = {
  strict: [],
  'fills-cache': [],
  'collects-garbage': [],
  'gives-back-late': [],
  'leaks-descriptors': ['I-FD-1', 'I-FD-2'],
  'leaks-descriptors-by-read': ['I-FD-1'],
  'leaks-tasks': ['I-MEM-2', 'I-MEM-3'],
  'leaks-memory': ['I-MEM-4'],
  'leaks-memory-by-read': ['I-MEM-4'],
  'keeps-notes': [],
  stalls: ['I-HEALTH'],
  'stops-listening': ['I-LIVENESS'],
  dies: ['I-LIVENESS']
}
/** How soon the slope sees it depends on how fast this machine asks; after the load it is seen in any case. */
const MAY: Record<string, string[]> = { 'leaks-descriptors-by-read': ['I-FD-2'] }
const seen = new Map<string, Seen>()

/** Few at a time: each needs its share of the processor for its load. */
const AT_ONCE = 4

beforeAll(async () => {
  const waiting = Object.keys(SERVERS).filter((bug) => bug !== 'stalls')
  const lane = async (): Promise<void> => {
    for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) {
      const path = bug === 'keeps-notes' ? '/notes' : '/healthz'
      seen.set(bug, await watch(bug, await keeper(bug), SECONDS, new LoopVitals(), path))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  // Alone: where our own loop lags, a stall is not told.
  seen.set('stalls', await watch('stalls', await keeper('stalls'), 12))
}, 300_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each(Object.entries(SERVERS))('%s', (bug, predicates) => {
  expect(
    seen
      .get(bug)!
      .found.map(({ predicate }) => predicate)
      .filter((predicate) => MAY[bug]?.includes(predicate) !== true)
      .sort()
  ).toEqual(predicates)
})

test('the end of a process is told once, with how and the last words', () => {
  const { found, report } = seen.get('dies')!
  expect(found).toHaveLength(1)
  expect(found[0]).toMatchObject({ case: 'process', symptom: expect.stringMatching(/SIGABRT|exit code/) })
  expect(report.failed).toEqual(['I-LIVENESS'])
})

test('a cell too short for a slope says so, or why it is flat, property by property', () => {
  const { report } = seen.get('strict')!
  for (const id of ['I-MEM-4', 'I-CONN-2'])
    expect(report.details.find((detail) => detail.id === id)!.reason).toMatch(
      /^by-design: .*needed|^pass: slope/
    )
  expect(report.passed).toEqual(
    expect.arrayContaining(['I-FD-1', 'I-FD-2', 'I-MEM-2', 'I-MEM-3', 'I-HEALTH'])
  )
})

test('the observer holds a row a second, and nulls where nothing is known', () => {
  const database = new DatabaseSync(seen.get('stalls')!.database, { readOnly: true })
  const rows = database.prepare('SELECT * FROM observations ORDER BY t').all()
  database.close()
  expect(rows.length).toBeGreaterThanOrEqual(10)
  expect(rows.every((row) => row['heap_inuse_bytes'] === null && row['subscribers'] === null)).toBe(true)
  expect(rows.every((row) => typeof row['fd_count'] === 'number')).toBe(true)
  expect(rows.some((row) => Number(row['health_waiting']) > 0)).toBe(true)
})

test('a stall while our own loop lagged is no finding', async () => {
  const vitals = new LoopVitals()
  vitals.stallSince = () => 2000
  const { found } = await watch('lagging', await keeper('stalls'), 9, vitals)
  expect(found).toEqual([])
}, 60_000)

test('without a process id, and with one that is not there to look at, it says what is missing', async () => {
  const target = await keeper('strict')
  const url = `http://${target.host}:${target.port}/`
  const attached = await attach({ url, routes: {}, signal: never })
  const { report } = await watch('attached', attached, 3)
  expect(report.details.find(({ id }) => id === 'I-FD-2')!.reason).toBe(
    'not-instrumented: no process id is known: name it with --pid'
  )
  expect(report.details.find(({ id }) => id === 'I-FD-1')!.reason).toMatch(/^not-instrumented: no process id/)
  expect(report.details.find(({ id }) => id === 'I-MEM-3')!.reason).toMatch(
    /^not-instrumented: GET \/debug\/vars/
  )
  await target.stop(500)
}, 60_000)

test('a server that is attached to and ends without a process id is found by its refusals', async () => {
  const child = spawn(process.execPath, [join(root, '__tests__/support/keeper.ts'), '-engine', 'strict'])
  const line = await new Promise<string>((resolve) => {
    let text = ''
    child.stdout.on('data', (part: Buffer) => {
      text += part.toString()
      const ready = /ready addr=(\S+)\n/.exec(text)
      if (ready !== null) resolve(ready[1]!)
    })
  })
  const attached = await attach({ url: `http://${line}/`, routes: {}, signal: never })
  setTimeout(() => child.kill('SIGKILL'), 1500)
  const { found } = await watch('gone', attached, 7)
  expect(found.map(({ predicate }) => predicate)).toEqual(['I-LIVENESS'])
}, 60_000)
