/** One try of one case: twin, message, twin, and a look at everybody else. */
import type { RandomStream } from '../../../kit/random.ts'
import { ConnectFailed } from '../../../wire/tcp.ts'
import type { Transcript } from '../../../wire/transcript.ts'
import { render, type ProtocolCase, type Values } from '../../catalogue/http1/index.ts'
import type { SliceContext } from '../../contracts.ts'
import { isSuccess } from '../../oracles/answers.ts'
import { stalled, type Limits } from '../../oracles/deadline.ts'
import type { Dialer } from '../../oracles/dialer.ts'
import { readEcho } from '../../oracles/echo.ts'
import { exchange, type Observation } from '../../oracles/exchange.ts'
import type { Elder } from '../../oracles/liveness.ts'
import { showExchange } from '../../oracles/passive/show.ts'
import { isBusy, judge, type Ground, type Verdict } from './judge.ts'
import { bytesOf, CUT, echoOf, followUpOf, noncesOf, valuesOf, type Scene } from './scene.ts'
import { outcomeOf, type Outcome } from './outcome.ts'
import { cut, PAUSE_MS, type Cut, type Segmentation } from './segments.ts'
import type { Turn } from './turn.ts'

/** What all trials of a slice share. */
export interface Stage {
  context: SliceContext
  dialer: Dialer
  limits: Limits
  scene: Scene
  turn: Turn
}

/** The plainest case of each framing: what is wrong with every message of its kind is told there. */
export const PLAINEST = { chunked: 'ctl-post-chunked', length: 'ctl-post-cl', plain: 'ctl-get' } as const
const PLAIN_IDS: ReadonlySet<string> = new Set(Object.values(PLAINEST))

export type TwinSeen =
  | { ok: true; status: number; ms: number; transcript?: Transcript; exchange?: Observation }
  /**
   * `refused`: what the case needs is declined. `wrong`: it is served, and not as it should be. `early`: answered before
   * all of it was sent, which tells nothing.
   */
  | {
      ok: false
      why: 'refused' | 'wrong' | 'early' | 'busy' | 'gone'
      seen: string
      exchange?: Observation
    }

export interface Trial {
  verdict: Verdict
  /** What must be the same in another segmentation; absent where the try tells nothing. */
  outcome?: Outcome
  seen?: Observation
  before?: TwinSeen
  after?: TwinSeen
  /** The connection that was opened earlier; `none` where the server keeps none. */
  elder: 'answered' | 'closed' | 'silent' | 'none'
  /** Nobody gets through any more: the process has ended or hangs. */
  outage: boolean
}

/** Sends the twin on a fresh connection. */
export async function playTwin(
  stage: Stage,
  entry: ProtocolCase,
  how: Segmentation,
  random: RandomStream
): Promise<TwinSeen> {
  const { scene, limits, dialer } = stage
  const nonces = noncesOf(random)
  const values = valuesOf(scene, nonces)
  const bytes = bytesOf(entry.twin, values)
  const answers = entry.twin.includes('{CAN}') ? 2 : 1
  let seen: Observation
  try {
    const answerableAt = firstOf(entry.twin, values)
    const message = {
      method: methodOf(entry.twin),
      ...cut(bytes, how, random),
      answerableAt,
      fin: false,
      answers
    }
    seen = await exchange(dialer, message, limits)
  } catch (error) {
    if (error instanceof ConnectFailed)
      return { ok: false, why: 'gone', seen: `connect failed: ${error.code}` }
    throw error
  }
  showExchange(stage.context.watch, seen, 'whole')
  const failed = (why: (TwinSeen & { ok: false })['why'], text: string): TwinSeen => ({
    ok: false,
    why,
    seen: text,
    exchange: seen
  })
  const first = seen.responses[0]
  if (first === undefined) {
    const silence =
      seen.end === 'open' ? 'no answer within the time limit' : `closed (${seen.end}) without an answer`
    return failed('gone', seen.error?.message ?? silence)
  }
  const { status } = first
  if (seen.early && isSuccess(first)) return failed('early', 'answered before it was sent')
  if (isBusy(status)) return failed('busy', `${status}`)
  if (!isSuccess(first) && entry.judge.anyStatus !== true) return failed('refused', `${status}`)
  if (seen.responses.length < answers)
    return failed(first.keepAlive ? 'wrong' : 'refused', 'the request behind it was not answered')
  const second = seen.responses[1]
  if (answers === 2 && second !== undefined) {
    if (isBusy(second.status)) return failed('busy', `${second.status}`)
    const told = scene.canary.echo === 'document' ? readEcho(second.body)?.target : nonces.canary
    if (!isSuccess(second) || told?.includes(nonces.canary) !== true)
      return failed('wrong', `the request behind it was answered ${second.status}, or another was`)
  }
  if (entry.delivers !== undefined && echoOf(scene, entry.twin) === 'document') {
    const told = readEcho(first.body)?.body.toString('latin1')
    if (told !== render(entry.delivers, values)) return failed('wrong', 'the echo shows another body')
  }
  stage.turn.served(seen.startedAt)
  return { ok: true, status, ms: seen.answerMs ?? 0, transcript: seen.transcript, exchange: seen }
}

/** The message in the segments of the round, or in those that the case itself demands. */
function segmentsOf(entry: ProtocolCase, values: Values, how: Segmentation, random: RandomStream): Cut {
  if (!entry.sends.includes(CUT)) return cut(bytesOf(entry.sends, values), how, random)
  return { segments: entry.sends.split(CUT).map((part) => bytesOf(part, values)), pauseMs: PAUSE_MS }
}

/** Length of the first request, where another stands behind it. */
function firstOf(template: string, values: Values): number {
  const behind = template.indexOf('{CAN}')
  return bytesOf(behind < 0 ? template : template.slice(0, behind), values).length
}

/** What the method of a request means for its answer: no body to HEAD, a tunnel to CONNECT. */
const METHOD = /^(HEAD|CONNECT)\b/
const methodOf = (template: string): string => METHOD.exec(template)?.[0] ?? 'GET'

/**
 * Sends the message of the case and watches what becomes of it. A string says why it never left.
 * @param beside without waiting for other messages that are on their way
 */
export async function shoot(
  stage: Stage,
  entry: ProtocolCase,
  how: Segmentation,
  random: RandomStream,
  beside = false
): Promise<{ seen: Observation; ground: Ground } | string> {
  const { context, scene, limits } = stage
  const nonces = noncesOf(random)
  const values = valuesOf(scene, nonces)
  const canaryTells = scene.canary.echo === 'document'
  const ground: Ground = {
    values,
    nonces,
    echo: echoOf(scene, entry.sends),
    canaryTells,
    errorsShow: scene.errorsShow
  }
  const { unblock } = entry.judge
  const { sent, over } = beside
    ? { sent: stage.turn.beside(entry.id), over: () => undefined }
    : await stage.turn.take(entry.id)
  context.began?.(entry.id)
  let seen: Observation
  try {
    seen = await exchange(
      stage.dialer,
      {
        method: methodOf(entry.sends),
        ...segmentsOf(entry, values, how, random),
        answerableAt: firstOf(entry.sends, values),
        fin: entry.fin,
        answers: 1,
        followUp: followUpOf(scene, nonces),
        ...(canaryTells
          ? { isFollowUp: (response) => readEcho(response.body)?.target.includes(nonces.follow) === true }
          : {}),
        ...(unblock === undefined ? {} : { unblock: bytesOf(unblock.bytes, values) })
      },
      limits,
      { connected: () => void (sent.at = performance.now()), answered: over }
    )
  } catch (error) {
    over()
    if (!(error instanceof ConnectFailed)) throw error
    // It never left, so it broke nothing.
    sent.answered = true
    return `connect failed: ${error.code}`
  }
  showExchange(context.watch, seen, 'malformed')
  sent.seen = seen
  sent.answered = seen.responses.length > 0
  if (sent.answered) stage.turn.served(seen.startedAt)
  context.tally.add('adv_sent', seen.accepted > 0 ? 1 : 0)
  return { seen, ground }
}

/** Plays the case once. */
export async function play(
  stage: Stage,
  entry: ProtocolCase,
  how: Segmentation,
  random: RandomStream,
  elder: Elder | undefined
): Promise<Trial> {
  const { context, limits } = stage
  const begun = performance.now()
  context.began?.(entry.id)
  let before = await playTwin(stage, entry, how, random)
  if (!before.ok && before.why === 'gone') before = await playTwin(stage, entry, how, random)
  // The plainest messages have no better twin than themselves: what is wrong with them is told of them.
  const alone = PLAIN_IDS.has(entry.id) && !before.ok && ['refused', 'wrong'].includes(before.why)
  if (!before.ok && !alone)
    return { verdict: unfit(before), before, elder: 'none', outage: before.why === 'gone' }

  const shot = await shoot(stage, entry, how, random)
  if (typeof shot === 'string')
    return { verdict: { kind: 'inconclusive', reason: shot }, before, elder: 'none', outage: true }
  const { seen, ground } = shot
  if (before.ok && before.transcript !== undefined) seen.twin = before.transcript

  const asked = elder === undefined ? 'none' : await elder.ask()
  const after = await playTwin(stage, entry, how, random)
  let verdict = judge(entry, seen, ground)
  const late = verdict.kind === 'wrong' && !verdict.proof
  if (late && stalled(context.vitals, seen.startedAt, limits.answerMs)) {
    verdict = { kind: 'inconclusive', reason: 'this machine stood still meanwhile' }
  } else if (!after.ok) {
    if (verdict.kind !== 'wrong' || !verdict.proof)
      verdict = { kind: 'inconclusive', reason: `the twin failed afterwards: ${after.seen}` }
  } else if (late && after.ms > limits.answerMs / 4) {
    verdict = { kind: 'inconclusive', reason: `the server is slow: the twin took ${Math.round(after.ms)} ms` }
  }
  const slow = stalled(context.vitals, begun, limits.answerMs)
  const outcome = outcomeOf(entry, seen, verdict, ground)
  return {
    verdict,
    ...(outcome === undefined ? {} : { outcome }),
    seen,
    before,
    after,
    elder: asked === 'silent' && slow ? 'none' : asked,
    outage: !after.ok && after.why === 'gone' && !slow
  }
}

function unfit(twin: TwinSeen & { ok: false }): Verdict {
  if (twin.why === 'refused' || twin.why === 'early')
    return { kind: 'inapplicable', reason: `the valid twin was refused: ${twin.seen}` }
  const reason =
    twin.why === 'busy'
      ? `the valid twin was turned away: ${twin.seen}`
      : `the valid twin was not served: ${twin.seen}`
  return { kind: 'inconclusive', reason }
}
