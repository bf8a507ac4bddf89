import { expect, test } from '@jest/globals'
import { parseResultDocument } from '../../src/documents/result.ts'
import { gate } from '../../src/validate/judge/gate.ts'
import type { Waiver } from '../../src/documents/waivers.ts'

/** A cell as the Go predecessor writes it: null for empty lists, sub-tallies as maps, durations in nanoseconds. */
const tier1 = {
  requests_sent: 52_000,
  requests_2xx: 51_000,
  requests_4xx: 1000,
  walker_logins: 10,
  walker_relogins: 4,
  walker_logouts: 30,
  property_evaluations: 900,
  adversarial: { adv_sent: 400, adv_well_rejected: 400 },
  h2c_churn: { h2c_sent: 90, h2c_declined: 90 },
  ws_torture: { ws_route_probed: 1, ws_sent: 40, ws_closed_correctly: 40 },
  sse_kill: null
}
const cell = (more: object = {}, inTier1: object = {}) => ({
  refapp: 'driver_postgres',
  engine: 'epoll',
  arch: 'amd64',
  tier_1: { ...tier1, ...inTier1 },
  tier_3: null,
  properties_passed: 9,
  properties_failed: 0,
  properties_not_instrumented: null,
  failure_summaries: null,
  ...more
})
const ok = (more: object = {}, inTier1: object = {}) => cell({ status: 'ok', ...more }, inTier1)

function judge(version: string, cells: unknown, waivers: Waiver[] = []) {
  const results = Array.isArray(cells) ? { cells } : cells
  const text = JSON.stringify({
    schema_version: version,
    host_arch_pair: 'msa2-server-amd64',
    benchmark_config: { duration: 600_000_000_000 },
    validation_results: { started_at: '2026-09-01T00:00:00Z', ...(results as object) }
  })
  const options = { failOn: 'high', strict: false, waivers, today: '2026-10-01' } as const
  const verdict = gate(parseResultDocument(text), options)
  expect(gate(parseResultDocument(text), options)).toEqual(verdict)
  const said = verdict.refusals.map(({ rule, text: words }) => `${rule}: ${words}`)
  return { ...verdict, said: said.join('\n') }
}

test.each<[string, unknown]>([
  ['5.1', [cell()]],
  ['5.1', [cell({}, { property_evaluations: 0 })]],
  ['5.6', [cell()]],
  ['5.6', [cell({}, { property_evaluations: 0, property_loop_skipped: 'no /debug/vars' })]],
  ['5.8', [cell({ properties_not_judged: ['I-MEM-1'], properties_not_judged_by_design: ['I-MEM-1'] })]],
  ['5.9', [cell()]],
  ['5.12', [ok()]],
  ['5.16', [ok({ properties_not_instrumented: ['I-RACE'] })]],
  ['5.16', [ok({ properties_not_judged: ['I-MEM-1'] }), ok({ engine: 'std' })]],
  ['5.16', [ok({}, { engine_requests_total: 60_000, engine_zero_witness: { recv_sq_full: 0 } })]],
  ['5.16', [ok({ tier_3: { seeds_attempted: 40, seeds_passed: 40, seeds_failed: 0, seeds_errored: 0 } })]],
  ['5.99', [ok({ of_tomorrow: { a: null } })]],
  ['5.6', { tier_1: tier1, tier_3: null }],
  ['5.14', { tier_1: tier1, cells: null }]
])('a clean document of %s passes (%#)', (version, cells) => {
  expect(judge(version, cells)).toMatchObject({ outcome: 'pass', said: '' })
})

test.each<[string, string, unknown, RegExp]>([
  ['no cell', '5.1', [], /no-cells/],
  ['none stated', '5.1', {}, /no-cells/],
  ['tier 1 missing', '5.6', [cell({ tier_1: null })], /vacuous: tier_1 is missing/],
  ['dead', '5.1', [cell({}, { requests_sent: 0 })], /no request was sent/],
  ['requests not stated', '5.1', [cell({}, { requests_sent: undefined })], /requests_sent is not stated/],
  ['5xx', '5.1', [cell({}, { requests_5xx: 3 })], /counter: HIGH requests_5xx is 3/],
  ['transport errors', '5.1', [cell({}, { requests_error: 1 })], /requests_error is 1/],
  ['invariants', '5.6', [cell({}, { invariant_hits: 1 })], /invariant_hits/],
  ['properties violated', '5.6', [cell({}, { property_violations: 2 })], /property_violations/],
  ['sessions forgotten', '5.6', [cell({}, { walker_relogins: 131 })], /walker_relogins is 131, at most 130/],
  ['no property evaluated', '5.6', [cell({}, { property_evaluations: 0 })], /no property was evaluated/],
  ['evaluations absent, 5.10 > 5.9', '5.10', [cell({}, { property_evaluations: undefined })], /no property/],
  ['vacuous h2c', '5.6', [cell({ refapp: 'kitchen_sink' })], /h2c: no upgrade was taken/],
  [
    'hang, with its causes',
    '5.9',
    [cell({}, { h2c_churn: { h2c_sent: 9, h2c_hang: 5, h2c_hang_eof: 3, h2c_hang_timeout: 2 } })],
    /^counter: MED h2c_hang is 5 \(eof 3, timeout 2\)$/
  ],
  ['ws', '5.1', [cell({}, { ws_torture: { ws_accepted_bad_frame: 1 } })], /ws_accepted_bad_frame is 1/],
  ['sse', '5.1', [cell({}, { sse_kill: { sse_peer_reset_early: 1 } })], /sse_peer_reset_early/],
  ['echo', '5.9', [cell({}, { ws_echo: { ws_echo_reorder: 7 } })], /ws_echo_reorder is 7/],
  [
    'a counter beyond 2^53',
    '5.1',
    [cell({}, { requests_5xx: 2 ** 64 })],
    /requests_5xx is 18446744073709552000/
  ],
  ['tier 3 never ran', '5.1', [cell({ tier_3: { seeds_attempted: 0 } })], /tier 3 ran no seed/],
  ['a seed failed', '5.1', [cell({ tier_3: { seeds_attempted: 9, seeds_failed: 1 } })], /seeds_failed is 1/],
  [
    'a seed errored',
    '5.1',
    [cell({ tier_3: { seeds_attempted: 9, seeds_errored: 2 } })],
    /seeds_errored is 2/
  ],
  ['leak', '5.6', [cell({ soak_summary: { goroutine_leak_detected: true } })], /goroutine leak/],
  ['restart', '5.6', [cell({ soak_summary: { restarted_processes: 1 } })], /restarted_processes is 1/],
  [
    'witness',
    '5.11',
    [cell({}, { engine_zero_witness: { recv_double_armed: 1 } })],
    /recv_double_armed is 1/
  ],
  ['engine lost count', '5.12', [ok({}, { engine_requests_total: 10 })], /engine_requests_total is 10/],
  [
    'blind everywhere',
    '5.6',
    [cell({ properties_not_instrumented: ['I-CONN-2'] })],
    /silent: I-CONN-2 is instrumented in no cell/
  ],
  [
    'silent oracle',
    '5.8',
    [cell({ properties_not_judged: ['I-MEM-1'] })],
    /silent: I-MEM-1 was judged in no cell/
  ],
  [
    'failed',
    '5.12',
    [cell({ status: 'failed', failure_reason: 'exit status 2' })],
    /^status: exit status 2$/
  ],
  ['status empty', '5.12', [cell({ status: '' })], /status: its status is not stated/],
  ['status empty in an old document', '5.6', [cell({ status: '' })], /status is not stated/],
  ['status absent where it is due', '5.13', [cell()], /status is not stated/],
  ['status of nobody', '5.16', [cell({ status: 'skipped' })], /status "skipped" is unknown/],
  ['not run', '5.12', [cell({ status: 'not_run' })], /no-cells: none of 1 cells ran/],
  ['at the top', '5.6', { tier_1: { ...tier1, requests_5xx: 1 } }, /requests_5xx is 1/]
])('refused: %s', (_, version, cells, words) => {
  const { outcome, said } = judge(version, cells)
  expect(said).toMatch(words)
  expect(outcome).toBe('findings')
})

test.each<[string, unknown, RegExp]>([
  ['negative', cell({}, { requests_5xx: -1 }), /requests_5xx: must not be negative/],
  ['not whole', cell({}, { adversarial: { adv_sent: 0.5 } }), /adv_sent: must be a whole number/],
  ['text', cell({}, { requests_sent: '52000' }), /requests_sent: expected number/],
  ['no name', { arch: 'amd64' }, /refapp/]
])('a count that is none is no document: %s', (_, broken, words) => {
  expect(() => judge('5.1', [broken])).toThrow(words)
})

test('severities of strangers weigh like the worst; what is not stated does not break the reader', () => {
  const own = (...findings: object[]) => [ok({ findings })]
  expect(judge('5.16', own({ predicate: 'I-X', severity: 'CATASTROPHIC' }))).toMatchObject({
    outcome: 'findings',
    counts: { high: 1 },
    refusals: [{ finding: { severity: 'HIGH', severity_stated: 'CATASTROPHIC' } }]
  })
  expect(
    judge('5.16', own({ predicate: 'I-X', severity: 'low' }, { predicate: 'I-Y', severity: 'Medium' }))
  ).toMatchObject({
    outcome: 'pass',
    counts: { high: 0, med: 1, low: 1 }
  })
})

test('a silent property may be waived, and what is unknown is kept', () => {
  const waiver = { predicate: 'I-CONN-2', reason: 'no counters here', expires: '2999-01-01' }
  const silent = [cell({ properties_not_instrumented: ['I-CONN-2'] })]
  expect(judge('5.6', silent, [waiver])).toMatchObject({ outcome: 'pass', unused: [] })
  const read = parseResultDocument(
    JSON.stringify({
      schema_version: '5.20',
      x: 1,
      validation_results: { y: [2], cells: [ok({ z: { a: 3 } })] }
    })
  )
  expect(read).toMatchObject({ x: 1, validation_results: { y: [2], cells: [{ z: { a: 3 } }] } })
})

test('a book that does not add up, and a cell in which nothing was exercised, are vacuous', () => {
  const book = (planned: number, exercised: number, away: number) => ({
    planned,
    exercised,
    inapplicable: Array.from({ length: away }, (_, i) => ({ case: `c${i}`, reason: 'no route' })),
    inconclusive: []
  })
  const own = (slice: object) => [ok({ findings: [], coverage: { slices: { markov: slice } } })]
  expect(judge('5.16', own(book(20, 20, 0))).outcome).toBe('pass')
  expect(judge('5.16', own(book(20, 5, 30))).said).toMatch(/does not add up/)
  expect(judge('5.16', own(book(20, 0, 20))).said).toMatch(/nothing was exercised/)
})

test('the same cell twice is one of those expected', () => {
  const text = JSON.stringify({ schema_version: '5.12', validation_results: { cells: [ok(), ok()] } })
  const options = { failOn: 'high', strict: false, waivers: [], today: '2026-10-01' } as const
  expect(gate(parseResultDocument(text), { ...options, expectCells: 2 })).toMatchObject({
    outcome: 'findings'
  })
})
