/** One try of one script: twin, steps, twin, and a look at an earlier connection. */
import type { RandomStream } from '../../../../kit/random.ts'
import { ConnectFailed } from '../../../../wire/tcp.ts'
import type { Script } from '../../../catalogue/http1/steps/index.ts'
import { stalled } from '../../../oracles/deadline.ts'
import type { Elder } from '../../../oracles/liveness.ts'
import type { Stage } from '../trial.ts'
import type { Variant } from './fill.ts'
import { playScript, type Seen } from './script.ts'
import { observationOf } from './observation.ts'
import { playTwin, type TwinSeen } from './twin.ts'
import { judgeScript, type Beside, type StepVerdict } from './verdict.ts'

export interface StepTrial {
  verdict: StepVerdict
  seen?: Seen
  variant: Variant
  before?: TwinSeen
  after?: TwinSeen
  /** The connection that was opened earlier; `none` where there is none. */
  elder: 'answered' | 'closed' | 'silent' | 'none'
  /** Nobody gets through any more. */
  outage: boolean
}

/** The next message need not wait longer for one that is not answered yet, ms. */
const TURN_MS = 40
/** A server may close a connection that was idle for as long as this, ms. */
const IDLE_MS = 1000

/** The variants of a script at a place. */
export function variantsOf({ each, unit }: Script, place: string | undefined): Variant[] {
  const more = { ...(unit === undefined ? {} : { unit }), ...(place === undefined ? {} : { place }) }
  return each === undefined ? [more] : each.map((one) => ({ each: one, ...more }))
}

async function residentSet(stage: Stage, entry: Script): Promise<number | undefined> {
  if (!entry.wrong.some(({ when }) => when === 'memory')) return undefined
  return (await stage.context.target.census())?.rss
}

/** Steps and verdict of one variant, without its twins. */
export async function playVariant(
  stage: Stage,
  entry: Script,
  variant: Variant,
  twin: Seen | undefined,
  random: RandomStream
): Promise<{ verdict: StepVerdict; seen?: Seen }> {
  const { sent, over } = await stage.turn.take(entry.id)
  stage.context.began?.(entry.id)
  const timer = setTimeout(over, TURN_MS)
  try {
    const rss = await residentSet(stage, entry)
    const seen = await playScript(stage, entry, variant, random, {
      connected: () => void (sent.at = performance.now()),
      sent: over
    })
    if (twin !== undefined) seen.twin = twin.transcript
    sent.seen = observationOf(seen)
    sent.answered = seen.answers.length > 0
    const [first] = seen.answers
    if (first !== undefined) stage.context.watch.answer(first, seen.transcript.sentBytes(), 'malformed')
    if (sent.answered) stage.turn.served(seen.startedAt)
    stage.context.tally.add('adv_sent', seen.accepted > 0 ? 1 : 0)
    const beside: Beside = twin === undefined ? {} : { whole: twin }
    if (entry.whole !== undefined) {
      const steps = [{ send: entry.whole }, { wait: 'answers' as const, count: entry.due }]
      beside.whole = await playScript(stage, { ...entry, steps }, variant, random)
    }
    if (rss !== undefined) beside.grown = ((await residentSet(stage, entry)) ?? rss) - rss
    return { verdict: judgeScript(entry, seen, stage.scene, beside), seen }
  } catch (error) {
    if (!(error instanceof ConnectFailed)) throw error
    // It never left, so it broke nothing.
    sent.answered = true
    return { verdict: { kind: 'inconclusive', reason: `connect failed: ${error.code}` } }
  } finally {
    clearTimeout(timer)
    over()
  }
}

function unfit(twin: TwinSeen & { ok: false }): StepVerdict {
  if (twin.why === 'refused')
    return { kind: 'inapplicable', reason: `the valid twin was refused: ${twin.said}` }
  const what = twin.why === 'busy' ? 'turned away' : 'not served'
  return { kind: 'inconclusive', reason: `the valid twin was ${what}: ${twin.said}` }
}

/** The verdict that counts: what is wrong, then what is not known. */
function worst(
  results: readonly { verdict: StepVerdict; seen?: Seen; variant: Variant }[]
): (typeof results)[number] {
  const rank = { wrong: 0, inconclusive: 1, inapplicable: 2, right: 3 }
  return [...results].sort((a, b) => rank[a.verdict.kind] - rank[b.verdict.kind])[0]!
}

/** @param variants those to play; together where the case shares the machine with others, else one by one */
export async function playTrial(
  stage: Stage,
  entry: Script,
  variants: readonly Variant[],
  random: RandomStream,
  elder: Elder | undefined
): Promise<StepTrial> {
  const { context, limits } = stage
  const begun = performance.now()
  const [first = {}] = variants
  const twin = (): Promise<TwinSeen> => playTwin(stage, entry, first.place, random)
  let before = await twin()
  if (!before.ok && before.why === 'gone') before = await twin()
  if (!before.ok)
    return { verdict: unfit(before), variant: first, before, elder: 'none', outage: before.why === 'gone' }
  const control = before

  const one = async (variant: Variant): Promise<{ verdict: StepVerdict; seen?: Seen; variant: Variant }> => ({
    ...(await playVariant(stage, entry, variant, control.seen, random)),
    variant
  })
  const paced = variants.map((variant) => ({ ...variant, twinMs: control.ms }))
  const results: Awaited<ReturnType<typeof one>>[] = []
  if (entry.alone === true) {
    for (const variant of paced) {
      const result = await one(variant)
      results.push(result)
      if (result.verdict.kind !== 'right') break
    }
  } else results.push(...(await Promise.all(paced.map(one))))

  const idle = performance.now() - begun > IDLE_MS
  const asked = elder === undefined ? 'none' : await elder.ask()
  const after = await twin()
  const found = worst(results)
  let { verdict } = found
  const timed = verdict.kind === 'wrong' && !verdict.proof
  if (timed && stalled(context.vitals, begun, limits.answerMs)) {
    verdict = { kind: 'inconclusive', reason: 'this machine stood still meanwhile' }
  } else if (!after.ok) {
    if (!(verdict.kind === 'wrong' && verdict.proof))
      verdict = { kind: 'inconclusive', reason: `the twin failed afterwards: ${after.said}` }
  } else if (timed && after.ms > limits.answerMs / 4) {
    verdict = { kind: 'inconclusive', reason: `the server is slow: the twin took ${Math.round(after.ms)} ms` }
  }
  const slow = stalled(context.vitals, begun, limits.answerMs)
  return {
    verdict,
    variant: found.variant,
    ...(found.seen === undefined ? {} : { seen: found.seen }),
    before,
    after,
    elder: (asked === 'silent' && slow) || (asked === 'closed' && idle) ? 'none' : asked,
    outage: !after.ok && after.why === 'gone' && !slow
  }
}
