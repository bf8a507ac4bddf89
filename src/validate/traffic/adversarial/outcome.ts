/** What an exchange came to, without what may differ from one try to the next: the side of O9 that is compared. */
import { createHash } from 'node:crypto'
import type { ProtocolCase } from '../../catalogue/http1/index.ts'
import { isSuccess } from '../../oracles/answers.ts'
import { fieldValues, readEcho } from '../../oracles/echo.ts'
import type { Observation } from '../../oracles/exchange.ts'
import type { Ground, Verdict } from './judge.ts'
import { HOW, type Segmentation } from './segments.ts'
import type { Nonces } from './scene.ts'

export interface Outcome {
  /** Equal for equal treatment. */
  key: string
  /** In words. */
  told: string
}

/** Says nothing of the message: the server is busy, or waited too long. */
const NOISE: ReadonlySet<number> = new Set([408, 429, 503])

/**
 * Undefined where the exchange tells nothing that another must repeat. Refused with a status and closed without one
 * are the same: a server may close as soon as it knows. A reset may have eaten the answer.
 */
export function outcomeOf(
  entry: ProtocolCase,
  seen: Observation,
  verdict: Verdict,
  ground: Ground
): Outcome | undefined {
  if (verdict.kind === 'inconclusive') return undefined
  // Bytes beyond the message were answered, or it was framed by what frames nothing.
  if (verdict.kind === 'wrong' && verdict.proof && verdict.severity === 'HIGH')
    return { key: `breach ${verdict.title}`, told: verdict.title }
  const first = seen.responses[0]
  if (first === undefined) {
    if (seen.error !== undefined || seen.incomplete || seen.end === 'reset') return undefined
    if (seen.end === 'eof') return { key: 'refused', told: 'it is closed without an answer' }
    // Waiting for more is a choice that may hang on how much has come.
    return entry.judge.silence === 'allowed' ? undefined : { key: 'silence', told: 'it is not answered' }
  }
  if (NOISE.has(first.status)) return undefined
  if (!isSuccess(first)) return { key: 'refused', told: `it is refused with ${first.status}` }
  // Served before all of it was sent: of the rest it tells nothing.
  if (seen.early) return undefined
  const view = ground.echo === 'document' ? viewOf(first.body, ground.nonces) : undefined
  if (view === undefined) return { key: 'served', told: `it is served with ${first.status}` }
  return { key: `served ${view.key}`, told: `it is served with ${first.status}, ${view.told}` }
}

/** What the handler saw of the message: method, body, and the field that cases write. */
function viewOf(answer: Buffer, nonces: Nonces): Outcome | undefined {
  const echo = readEcho(answer)
  if (echo === undefined) return undefined
  let body = echo.body.toString('latin1')
  for (const [name, nonce] of Object.entries(nonces) as [string, string][])
    body = body.replaceAll(nonce, name)
  const values = fieldValues(echo, 'x-a')
  const text = JSON.stringify([echo.method, body, values])
  return {
    key: createHash('sha256').update(text).digest('hex').slice(0, 16),
    told: `a body of ${echo.body.length} bytes${values.length === 0 ? '' : ` and X-A ${JSON.stringify(values.join(', ').slice(0, 60))}`}`
  }
}

/** The difference in one sentence. */
export const differenceOf = (what: string, whole: Outcome, cut: Outcome, how: Segmentation): string =>
  `${what}: ${HOW.whole} ${whole.told}; ${HOW[how]} ${cut.told}`
