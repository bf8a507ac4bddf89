/** Slice 1: Markov walkers. */
import { setTimeout as delay } from 'node:timers/promises'
import type { FindingDraft, Slice, SliceContext } from '../../contracts.ts'
import { judgeMix } from './chi.ts'
import { HELD_MS, Judge } from './judge.ts'
import type { MarkovModel } from './model.ts'
import { Route } from './path.ts'
import { Outbox, Walker } from './walker.ts'

export { defaultModel, loadMarkov, type MarkovModel } from './model.ts'

const LOOK_EVERY_MS = 250
const DRAIN_MS = 1500
const LEAST_TIMEOUT_MS = 5000
/** One walker in so many sends ahead of the answers. */
const PIPELINING_SHARE = 4

/** Findings that an answer itself gave, not its absence. */
const ABOUT_ANSWERS = new Set([
  'I-RFC-1',
  'I-RFC-2',
  'I-STATUS',
  'I-5XX',
  'I-READ-WRITE',
  'I-LOST-WRITE',
  'I-CROSS-TALK'
])

/** Walkers over the model: each answer is judged, each write is read. */
export function markovSlice(model: MarkovModel): Slice {
  return { name: 'markov', run: (context) => run(model, context) }
}

async function run(model: MarkovModel, context: SliceContext): Promise<void> {
  const { capabilities, target, tally, ledger } = context
  if (model.steps.size === 0) {
    ledger.plan('get', 'states')
    ledger.inapplicable('get', `no route was found: ${capabilities.missing.get ?? 'nothing answers 2xx'}`)
    return
  }
  if (!capabilities.http1) {
    for (const name of model.steps.keys()) {
      ledger.plan(name, 'states')
      ledger.inapplicable(name, 'the port does not answer HTTP/1.1')
    }
    return
  }
  const route = new Route(model)
  // A step whose answers are findings was exercised, though it was never proven to be right.
  const told = new Set<string>()
  const report = (draft: FindingDraft): void => {
    if (ABOUT_ANSWERS.has(draft.predicate)) told.add(String(draft.evidence?.['step'] ?? draft.case))
    context.report(draft)
  }
  const judge = new Judge({ ...context, report }, route)
  const place = { host: target.host, port: target.port, authority: target.authority }
  const outbox = new Outbox()
  const walkers = Array.from({ length: context.concurrency }, (_, index) => {
    const pipelines = capabilities.pipelining && index % PIPELINING_SHARE === PIPELINING_SHARE - 1
    return new Walker({
      index,
      random: context.random.stream(`walker-${index}`),
      route,
      place,
      events: judge,
      pipelines,
      outbox,
      baselineMs: context.capabilities.baselineMs
    })
  })
  const limit = Math.max(LEAST_TIMEOUT_MS, 50 * capabilities.baselineMs)
  for (const walker of walkers) walker.start()
  while (performance.now() < context.deadline && !context.signal.aborted && target.exit() === undefined) {
    await delay(Math.min(LOOK_EVERY_MS, Math.max(1, context.deadline - performance.now())))
    judge.overdue(walkers, limit)
  }
  const drained = Promise.all(walkers.map((walker) => walker.stop()))
  await Promise.race([drained, delay(context.signal.aborted ? 50 : DRAIN_MS, undefined, { ref: false })])
  // What waits for suspiciously long by now is waited for until it can be judged.
  const last = performance.now() + limit
  while (!context.signal.aborted && performance.now() < last && judge.waiting(walkers)) {
    await Promise.race([drained, delay(LOOK_EVERY_MS, undefined, { ref: false })])
    judge.overdue(walkers, limit)
  }
  if (judge.holds) await delay(HELD_MS)
  judge.release()
  for (const walker of walkers) tally.add('requests_cut_at_deadline', walker.cut())

  tally.set('transitions', route.transitions)
  tally.set('latency_p50_us', judge.latency.quantile(0.5))
  tally.set('latency_p95_us', judge.latency.quantile(0.95))
  tally.set('latency_p99_us', judge.latency.quantile(0.99))
  tally.set('latency_max_us', judge.latency.max)
  const mix = judgeMix(route.rows())
  tally.set('mix_chi_square_centi', Math.round(mix.statistic * 100))
  tally.set('mix_degrees', mix.degrees)
  if (!mix.kept)
    context.note(
      `the mix of steps was not kept: chi-square ${mix.statistic.toFixed(1)} with ${mix.degrees} degrees of freedom`
    )
  const why = target.exit() === undefined ? 'no walker came here' : 'the server ended before'
  for (const name of model.steps.keys()) {
    if (judge.proven.has(name)) continue
    if (told.has(name) || judge.condemned.has(name)) {
      ledger.exercised(name)
      continue
    }
    const seen = judge.unproven(name)
    // A route that was only found owes nothing to what the suite sends; but nothing proven is nothing proven.
    if (model.found && seen !== undefined && judge.proven.size > 0) ledger.inapplicable(name, seen)
    else ledger.inconclusive(name, seen ?? why)
  }
}
