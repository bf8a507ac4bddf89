/** What the steps saw, as an exchange is told. */
import type { Observation } from '../../../oracles/exchange.ts'
import type { Seen } from './script.ts'

/** Answers beyond these are not told. */
const SHOWN = 16

export function observationOf(seen: Seen): Observation {
  const { startedAt, accepted, complete, answers, error, midway, end, received, transcript } = seen
  return {
    startedAt,
    accepted,
    complete,
    early: false,
    responses: answers.slice(0, SHOWN),
    beforeFollowUp: answers.length,
    followUp: 'none',
    ...(error === undefined ? {} : { error }),
    incomplete: midway,
    end,
    unblocked: false,
    received,
    transcript,
    ...(seen.twin === undefined ? {} : { twin: seen.twin })
  }
}
