import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cell } from '../../src/documents/result.ts'
import { documentOf, root, scratch, suite } from '../support/suite.ts'

/** Each engine of the keeper breaks one rule; what must be found, and nothing else. */
const BREAKS: Record<string, string[]> = {
  strict: [],
  // Removing what was lost is answered 404 in turn.
  'lost-write': ['I-LOST-WRITE', 'I-STATUS'],
  'stale-write': ['I-LOST-WRITE'],
  'hides-token': ['I-READ-WRITE'],
  'hides-location': ['I-ANSWER'],
  miscodes: ['I-ANSWER'],
  'odd-status': ['I-STATUS'],
  throws: ['I-5XX', 'I-PANIC'],
  // The note is put on before the coding, which is then left out.
  'cross-talk': ['I-CROSS-TALK', 'I-LOST-WRITE'],
  'bad-framing': ['I-RFC-1'],
  cuts: ['I-CONN-LOST', 'I-RFC-1'],
  'forgets-sessions': ['I-RELOGIN'],
  'owner-mismatch': ['I-MW-SESSION'],
  'stops-counting': ['I-REQUESTS'],
  sick: ['I-HEALTH'],
  'ignores-sigterm': ['I-STOP'],
  dies: ['I-LIVENESS']
}
const folder = scratch()
const cells = new Map<string, Cell>()

beforeAll(async () => {
  const manifest = {
    refapps: [
      {
        slug: 'keeper',
        run: [
          '{node}',
          join(root, '__tests__/support/keeper.ts'),
          '-bind',
          '127.0.0.1:0',
          '-engine',
          '{engine}'
        ],
        engines: Object.keys(BREAKS),
        routes: { get: '/healthz', health: '/healthz' },
        markov: join(root, '__tests__/support/keeper.yaml'),
        stop_timeout: '1s'
      }
    ]
  }
  const file = join(folder, 'probatorium.yml')
  writeFileSync(file, JSON.stringify(manifest))
  await suite([
    'validate',
    '--config',
    file,
    '--slices',
    'markov',
    '--duration',
    '90s',
    '--concurrency',
    '6',
    '--out',
    folder
  ])
  for (const cell of documentOf(folder).validation_results.cells) cells.set(cell.engine, cell)
}, 240_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each(Object.entries(BREAKS))('engine %s is told for what it is', (engine, predicates) => {
  const cell = cells.get(engine)!
  expect([cell.status, cell.failure_reason]).not.toContain('vacuous')
  const found = new Set((cell.findings ?? []).map(({ predicate }) => predicate))
  expect([...found].filter((predicate) => !predicates.includes(predicate))).toEqual([])
  expect(predicates.filter((predicate) => predicates.length > 0 && found.has(predicate)).length).toBe(
    engine === 'strict' ? 0 : Math.max(1, found.size)
  )
})

test('every request is an answer, an error or was cut', () => {
  for (const engine of Object.keys(BREAKS)) {
    const tier = cells.get(engine)!.tier_1!
    const parts = [
      'requests_2xx',
      'requests_3xx',
      'requests_4xx',
      'requests_5xx',
      'requests_5xx_expected',
      'requests_panic_expected',
      'requests_error',
      'requests_cut_at_deadline'
    ] as const
    const sum = parts.reduce((total, name) => total + (tier[name] ?? 0), 0)
    expect([engine, sum]).toEqual([engine, tier.requests_sent])
  }
})

test('the clean server passes with everything exercised', () => {
  const cell = cells.get('strict')!
  expect([cell.status, cell.failure_reason]).toEqual(['pass', undefined])
  expect(cell.coverage!.slices['markov']).toMatchObject({ planned: 7, exercised: 7, inconclusive: [] })
  expect(cell.tier_1!.requests_sent).toBeGreaterThan(500)
})

test('a HIGH opens an incident with bytes, process state and words for what is missing', () => {
  const [incident] = cells.get('lost-write')!.incidents ?? []
  expect(incident).toBeDefined()
  const names = readdirSync(join(folder, incident!))
  expect(names).toEqual(
    expect.arrayContaining([
      'sent.bin',
      'received.bin',
      'proc-status.txt',
      'incident.json',
      'forensics_status.txt',
      'goroutine-stacks.txt.missing'
    ])
  )
  expect(readFileSync(join(folder, incident!, 'sent.bin'), 'latin1')).toMatch(/^GET \/items\//)
})
