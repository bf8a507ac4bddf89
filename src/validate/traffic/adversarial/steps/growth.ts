/** Does the time to answer grow faster than the message (O14)? Compared with itself, never with a constant alone. */
import type { RandomStream } from '../../../../kit/random.ts'
import { ConnectFailed } from '../../../../wire/tcp.ts'
import type { Growth } from '../../../catalogue/http1/steps/index.ts'
import type { Stage } from '../trial.ts'
import { playScript, type Seen } from './script.ts'
import { convict, type StepVerdict } from './verdict.ts'

/** Of so many tries the fastest counts: a busy machine only adds. */
const TRIES = 3

interface Timed {
  ms: number
  seen: Seen
}

async function time(
  stage: Stage,
  field: string,
  value: string,
  random: RandomStream
): Promise<Timed | undefined> {
  const steps = [{ send: `{G}${field}: x${value}x\r\n\r\n` }, { wait: 'answers' as const, count: 1 }]
  const begun = performance.now()
  try {
    const seen = await playScript(stage, { steps, due: 1, heads: [] }, {}, random)
    return { ms: performance.now() - begun, seen }
  } catch (error) {
    if (error instanceof ConnectFailed) return undefined
    throw error
  }
}

export async function playGrowth(
  stage: Stage,
  entry: Growth,
  random: RandomStream
): Promise<{ verdict: StepVerdict; seen?: Seen }> {
  const { fields, units, lengths, leastMs, ratio } = entry
  const [short = 0, middle = 0, long = 0] = lengths
  let refused = 0
  for (const field of fields) {
    for (const unit of units) {
      if (stage.context.signal.aborted) return { verdict: { kind: 'inconclusive', reason: 'cut short' } }
      const at = async (length: number): Promise<Timed | undefined> => {
        let best: Timed | undefined
        for (let i = 0; i < TRIES; i++) {
          const timed = await time(stage, field, unit.repeat(Math.ceil(length / unit.length)), random)
          if (timed !== undefined && timed.ms < (best?.ms ?? Infinity)) best = timed
          if (best !== undefined && best.ms < leastMs) break
        }
        return best
      }
      const whole = await at(long)
      if (whole?.seen.answers[0] !== undefined && whole.seen.answers[0].status >= 400) refused += 1
      if (whole === undefined || whole.ms < leastMs) continue
      const half = await at(middle)
      const quarter = await at(short)
      if (half === undefined || quarter === undefined) continue
      if (whole.ms > ratio * half.ms && half.ms > ratio * quarter.ms) {
        const times = [quarter, half, whole].map(({ ms }) => `${ms.toFixed(0)} ms`).join(', ')
        const note = `${field} of ${JSON.stringify(unit)}: ${times} for ${lengths.join(', ')} bytes`
        const wrong = convict(entry, 'growth', note)
        if (wrong !== undefined) return { verdict: wrong, seen: whole.seen }
      }
    }
  }
  return { verdict: { kind: 'right', how: refused > 0 ? 'refused' : 'served' } }
}
