/**
 * Counters that must be zero in a document that lists no findings, as the Go predecessor wrote them.
 * One event counts once: causes such as `h2c_hang_eof` are detail, not gated.
 */
import type { Cell } from '../../documents/result.ts'
import type { Severity } from '../../documents/finding.ts'

type Sub = 'adversarial' | 'h2c_churn' | 'ws_torture' | 'sse_kill' | 'ws_echo'

const GATED: readonly (readonly [Sub | 'tier_1', string, Severity])[] = [
  ['tier_1', 'requests_5xx', 'HIGH'],
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

export interface GatedCounter {
  counter: string
  value: number
  severity: Severity
}

/** Gated counters above zero; an absent counter says nothing. */
export function gatedCounters(cell: Cell): GatedCounter[] {
  const tier1 = cell.tier_1
  if (tier1 === null || tier1 === undefined) return []
  const found: GatedCounter[] = []
  for (const [group, counter, severity] of GATED) {
    const value = group === 'tier_1' ? tier1[counter] : tier1[group]?.[counter]
    if (typeof value === 'number' && value > 0) found.push({ counter, value, severity })
  }
  return found
}
