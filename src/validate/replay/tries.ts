/** What one try of a replay showed, and what all of them say together. */
import type { Transcript } from '../../wire/transcript.ts'

export interface Try {
  /**
   * `reproduced`: the same predicate. `other`: the case broke another rule. `right`: the server did right.
   * `inapplicable`: it cannot be judged on this server. `inconclusive`: this try taught nothing.
   */
  outcome: 'reproduced' | 'other' | 'right' | 'inapplicable' | 'inconclusive'
  /** One line. */
  text: string
  severity?: string
  ms: number
  /** What was done, connection by connection, and the same of the twin. */
  wire?: readonly Transcript[]
  twin?: readonly Transcript[]
  /** The received bytes convict, however late they came. */
  proof?: boolean
}

export interface Player {
  once(): Promise<Try>
  close(): void
}

export interface Judged {
  verdict: 'reproduced' | 'other' | 'not reproduced' | 'not judged' | 'inapplicable'
  k: number
  /** Tries that taught something. */
  n: number
  text: string
}

/** One sighting is enough: a fault that shows itself now and then is not repaired. */
export function judgeTries(tries: readonly Try[]): Judged {
  const count = (outcome: Try['outcome']): number => tries.filter((one) => one.outcome === outcome).length
  const k = count('reproduced')
  const others = count('other')
  const n = k + others + count('right')
  const last = tries.at(-1)?.text ?? 'nothing was tried'
  if (k > 0) return { verdict: 'reproduced', k, n, text: `reproduced ${k} of ${n}` }
  if (others > 0) {
    const what = tries.find(({ outcome }) => outcome === 'other')!.text
    return { verdict: 'other', k: 0, n, text: `not this finding, but another one of the same case: ${what}` }
  }
  if (n > 0) return { verdict: 'not reproduced', k: 0, n, text: `not reproduced in ${n} of ${n} tries` }
  if (tries.length > 0 && tries.every(({ outcome }) => outcome === 'inapplicable'))
    return { verdict: 'inapplicable', k: 0, n, text: `it cannot be judged on this server: ${last}` }
  return { verdict: 'not judged', k: 0, n, text: `not judged: ${last}` }
}
