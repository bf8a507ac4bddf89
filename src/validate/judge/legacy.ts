/**
 * The absolute gate of the Go predecessor, for cells that list no findings: counters that must be zero, and counts
 * without which a zero says nothing. One event counts once: causes such as `h2c_hang_eof` are detail, not gated.
 */
import { compareVersions, type Cell, type ResultDocument } from '../../documents/result.ts'
import type { Severity } from '../../documents/finding.ts'

type Sub = 'adversarial' | 'h2c_churn' | 'ws_torture' | 'sse_kill' | 'ws_echo'

const GATED: readonly (readonly [Sub | 'tier_1', string, Severity])[] = [
  ['tier_1', 'requests_5xx', 'HIGH'],
  ['tier_1', 'requests_error', 'MED'],
  ['tier_1', 'invariant_hits', 'HIGH'],
  ['tier_1', 'property_violations', 'HIGH'],
  ['adversarial', 'adv_wrong_accepted', 'HIGH'],
  ['adversarial', 'adv_hang_until_timeout', 'MED'],
  ['h2c_churn', 'h2c_crashed', 'HIGH'],
  ['h2c_churn', 'h2c_hang', 'MED'],
  ['ws_torture', 'ws_accepted_bad_frame', 'HIGH'],
  ['ws_torture', 'ws_hang_no_close', 'MED'],
  ['ws_torture', 'ws_handshake_fail', 'MED'],
  ['sse_kill', 'sse_handshake_fail', 'LOW'],
  ['sse_kill', 'sse_server_closed_early', 'MED'],
  ['sse_kill', 'sse_peer_reset_early', 'MED'],
  ['sse_kill', 'sse_read_err_early', 'MED'],
  ['ws_echo', 'ws_echo_corrupt', 'HIGH'],
  ['ws_echo', 'ws_echo_reorder', 'HIGH'],
  ['ws_echo', 'ws_echo_missing', 'HIGH'],
  ['ws_echo', 'ws_echo_timeout', 'MED']
]

/** Refapps whose server takes the h2c upgrade; the others decline it by design. */
const UPGRADES = ['kitchen_sink']
/** Sessions lost, per login, before the walkers' re-logins are a finding. */
const RELOGINS_PER_LOGIN = 10
/** The engine has stopped counting when it saw less than this share of the requests sent. */
const COUNTED_SHARE = 0.1

/** Oldest document that can support a check. */
const SINCE = { properties: '5.6', judged: '5.8', status: '5.12' } as const

/** Predicates that a build without the race detector or the engine cannot feed. */
const NEEDS_A_SPECIAL_BUILD = [
  'I-RACE',
  'I-CHECKPTR',
  'I-RFC-1',
  'I-RFC-2',
  'I-MEM-2',
  'I-ENG-IOURING',
  'I-ENG-ADAPTIVE'
]

export interface Gated {
  /** Above zero, or missing where the check needs it. */
  rule: 'counter' | 'vacuous'
  text: string
  severity?: Severity
}

function numberIn(group: unknown, name: string): number | undefined {
  const value = (group as Record<string, unknown> | null | undefined)?.[name]
  return typeof value === 'number' ? value : undefined
}

/** `h2c_hang is 5 (eof 3, timeout 2)` */
function counted(group: object, counter: string, value: number): string {
  const causes = Object.entries(group)
    .filter(([name, count]) => name.startsWith(`${counter}_`) && typeof count === 'number' && count > 0)
    .map(([name, count]) => `${name.slice(counter.length + 1)} ${count}`)
  return `${counter} is ${value}${causes.length === 0 ? '' : ` (${causes.join(', ')})`}`
}

/** Whether the document is old enough to be excused from a check. */
export function states(version: string, check: keyof typeof SINCE): boolean {
  return compareVersions(version, SINCE[check]) >= 0
}

/** What the predecessor's gate holds against a cell. */
export function gated(cell: Cell, version: string): Gated[] {
  const tier1 = cell.tier_1
  const found: Gated[] = []
  const above = (text: string, severity: Severity): void =>
    void found.push({ rule: 'counter', text, severity })
  const empty = (text: string): void => void found.push({ rule: 'vacuous', text })
  if (tier1 === null || tier1 === undefined) {
    empty('tier_1 is missing')
  } else {
    for (const [group, counter, severity] of GATED) {
      const holder = group === 'tier_1' ? tier1 : tier1[group]
      const value = numberIn(holder, counter)
      if (value !== undefined && value > 0) above(`${severity} ${counted(holder!, counter, value)}`, severity)
    }
    const sent = tier1.requests_sent
    if (sent === undefined) empty('requests_sent is not stated')
    else if (sent === 0) empty('no request was sent')
    const relogins = tier1.walker_relogins ?? 0
    const budget = (tier1.walker_logouts ?? 0) + RELOGINS_PER_LOGIN * (tier1.walker_logins ?? 0)
    if (relogins > budget) above(`MED walker_relogins is ${relogins}, at most ${budget} are explained`, 'MED')
    const skipped = (tier1.property_loop_skipped ?? '') !== ''
    if (states(version, 'properties') && !skipped && (tier1.property_evaluations ?? 0) === 0)
      empty('no property was evaluated')
    const h2c = tier1.h2c_churn
    if (
      UPGRADES.includes(cell.refapp) &&
      (numberIn(h2c, 'h2c_sent') ?? 0) > 0 &&
      (numberIn(h2c, 'h2c_upgraded') ?? 0) === 0
    )
      empty('h2c: no upgrade was taken')
    for (const [name, value] of Object.entries(tier1['engine_zero_witness'] ?? {})) {
      if (typeof value === 'number' && value > 0)
        above(`HIGH engine_zero_witness.${name} is ${value}`, 'HIGH')
    }
    const engine = numberIn(tier1, 'engine_requests_total')
    if (engine !== undefined && sent !== undefined && engine < sent * COUNTED_SHARE)
      above(`MED engine_requests_total is ${engine}, and ${sent} requests were sent`, 'MED')
  }
  const tier3 = cell.tier_3
  if (tier3 !== null && tier3 !== undefined) {
    if ((tier3.seeds_attempted ?? 0) === 0) empty('tier 3 ran no seed')
    for (const counter of ['seeds_failed', 'seeds_errored'] as const) {
      const value = tier3[counter] ?? 0
      if (value > 0) above(`HIGH ${counter} is ${value}`, 'HIGH')
    }
  }
  const soak = cell['soak_summary'] as Record<string, unknown> | undefined
  if (soak?.['goroutine_leak_detected'] === true) above('HIGH a goroutine leak was detected', 'HIGH')
  const restarts = numberIn(soak, 'restarted_processes') ?? 0
  if (restarts > 0) above(`HIGH restarted_processes is ${restarts}`, 'HIGH')
  return found
}

/** Predicates that no cell could judge, each with the reason. */
export function silentPredicates(document: ResultDocument, ran: readonly Cell[]): Map<string, string> {
  const silent = new Map<string, string>()
  const version = document.schema_version
  if (ran.length === 0 || !states(version, 'properties')) return silent
  const ids = new Set(
    ran.flatMap((cell) => [
      ...(cell.properties_not_instrumented ?? []),
      ...(states(version, 'judged') ? (cell.properties_not_judged ?? []) : [])
    ])
  )
  for (const id of ids) {
    if (NEEDS_A_SPECIAL_BUILD.includes(id)) continue
    const blind = ran.filter((cell) => cell.properties_not_instrumented?.includes(id) === true)
    const mute = ran.filter((cell) => cell.properties_not_judged?.includes(id) === true)
    if (blind.length === ran.length) silent.set(id, `${id} is instrumented in no cell`)
    else if (ran.every((cell) => blind.includes(cell) || mute.includes(cell))) {
      const hadTime = mute.some((cell) => cell.properties_not_judged_by_design?.includes(id) !== true)
      if (hadTime) silent.set(id, `${id} was judged in no cell, and there was time`)
    }
  }
  return silent
}
