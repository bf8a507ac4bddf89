/** The well-formed message beside a case: served before and after, or the case cannot be judged (O2). */
import type { RandomStream } from '../../../../kit/random.ts'
import { ConnectFailed } from '../../../../wire/tcp.ts'
import type { Script } from '../../../catalogue/http1/steps/index.ts'
import { isSuccess } from '../../../oracles/answers.ts'
import { showExchange } from '../../../oracles/passive/show.ts'
import type { Stage } from '../trial.ts'
import { observationOf } from './observation.ts'
import { playScript, type Seen } from './script.ts'
import { changedBody } from './verdict.ts'

export type TwinSeen =
  | { ok: true; status: number; ms: number; seen: Seen }
  /** `refused`: what the case needs is declined. `wrong`: it is served, and not as it should be. */
  | { ok: false; why: 'refused' | 'wrong' | 'busy' | 'gone'; said: string }

/** Whole requests in a template: placeholders, and request lines that are written out. */
export function requestsIn(template: string): number {
  return template.match(/\{(?:REQ|G|P|POST:\d+|CHUNKED:\d+)\}| HTTP\/1\.[01]\r\n/g)?.length ?? 0
}

export async function playTwin(
  stage: Stage,
  { twin, twinAny: any, delivers }: Pick<Script, 'twin' | 'twinAny' | 'delivers'>,
  place: string | undefined,
  random: RandomStream
): Promise<TwinSeen> {
  const due = typeof twin === 'string' ? requestsIn(twin) : 1
  const begun = performance.now()
  let seen: Seen
  try {
    const first = typeof twin === 'string' ? { send: twin } : twin
    const heads = typeof twin === 'string' && twin.startsWith('HEAD ') ? [0] : []
    const variant = place === undefined ? {} : { place }
    const steps = [first, { wait: 'answers' as const, count: due }]
    seen = await playScript(
      stage,
      { steps, due, heads, ...(delivers === undefined ? {} : { delivers }) },
      variant,
      random
    )
  } catch (error) {
    if (error instanceof ConnectFailed)
      return { ok: false, why: 'gone', said: `connect failed: ${error.code}` }
    throw error
  }
  showExchange(stage.context.watch, observationOf(seen), 'whole')
  const { answers, end, error, complete } = seen
  const [first] = answers
  if (first === undefined) {
    const silence = end === 'open' ? 'no answer within the time limit' : `closed (${end}) without an answer`
    return { ok: false, why: 'gone', said: error?.message ?? silence }
  }
  const busy = answers.find(({ status }) => status === 429 || status === 503)
  if (busy !== undefined) return { ok: false, why: 'busy', said: `${busy.status}` }
  const bad = answers.find((answer) => !isSuccess(answer))
  if (bad !== undefined && any !== true) return { ok: false, why: 'refused', said: `${bad.status}` }
  if (answers.length < due) {
    const why = answers.at(-1)!.keepAlive ? 'wrong' : 'refused'
    return { ok: false, why, said: 'the request behind it was not answered' }
  }
  if (!complete) return { ok: false, why: 'refused', said: 'answered before it was sent' }
  const changed = changedBody(seen, stage.scene)
  if (changed !== undefined) return { ok: false, why: 'wrong', said: changed }
  stage.turn.served(seen.startedAt)
  return { ok: true, status: first.status, ms: performance.now() - begun, seen }
}
