/** How long a server is given (O17), and when our own slowness forbids to judge. */
import type { Vitals } from '../contracts.ts'

export interface Limits {
  /** A complete message must be answered, ms. */
  answerMs: number
  /** A connection that must be closed must be closed, ms. */
  closeMs: number
}

const LEAST_MS = 2000
const BASELINES = 20
const CLOSE_MS = 1500
/** A stall of ours of this share of a time limit makes what was missed within it worthless. */
const STALL_SHARE = 0.25

/** Limits that follow the server's own speed. @param baselineMs 95th percentile of the control request on the idle server */
export function limitsFor(baselineMs: number): Limits {
  const answerMs = Math.max(LEAST_MS, BASELINES * baselineMs)
  return { answerMs, closeMs: Math.max(CLOSE_MS, answerMs / 2) }
}

/** True where our own event loop stood still too long since then for a silence to mean anything. */
export function stalled(vitals: Vitals, since: number, limitMs: number): boolean {
  return vitals.stallSince(since) > limitMs * STALL_SHARE
}
