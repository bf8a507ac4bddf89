/** Slice 5: subscribe, read, publish, die at chosen moments, come back; afterwards nothing of the dead remains. */
import type { Slice, SliceContext } from '../../contracts.ts'
import {
  killId,
  SSE_INJECTIONS,
  SSE_REMAINS,
  SSE_STAGES,
  SSE_WAYS,
  SSE_WIRE,
  sseInfos
} from '../../catalogue/sse/index.ts'
import { Bench, wait } from '../proof/bench.ts'
import { Conductor } from '../proof/conduct.ts'
import { Holding, type Levels } from '../proof/holding.ts'
import { nothingRemains } from '../proof/remains.ts'
import { noRoute } from '../proof/route.ts'
import type { Trial } from '../proof/trial.ts'
import { injectionTrials } from './injection-cases.ts'
import { killBatch, killTrials } from './kill-cases.ts'
import { pressureTrials } from './pressure-cases.ts'
import { findPublisher, type Publisher } from './publisher.ts'
import { learnResume, resumeTrials } from './resume-cases.ts'
import { Stream } from './stream.ts'
import { wireTrials } from './wire-cases.ts'

const LANES = 24
const BETWEEN_ROUNDS_MS = 250
/** Kill cases of each later round. */
const KILLS_LATER = 6
/** Streams of the witness that must have been cut off before it is called a habit. */
const CUTS_BELIEVED = 3
/**
 * They load the server or ourselves so that nothing else could be judged beside them, or put into the streams of others
 * what is none of a plain stream; each list runs by itself.
 */
const waysOf = (stage: string): string[] => SSE_WAYS.map(({ id }) => killId({ id: stage }, id))
const CROWDS = [
  SSE_INJECTIONS.map(({ id }) => id),
  ['slow-reader', 'reads-again'],
  waysOf('K5'),
  waysOf('K6'),
  ['subscribers'],
  ['unread-memory']
]
const CROWDED = new Set(CROWDS.flat())

/** The slice; see `Slice`. */
export const sseSlice: Slice = { name: 'sse', run }

async function run(context: SliceContext): Promise<void> {
  const { ledger, capabilities, tally } = context
  const cases = sseInfos().filter(({ id }) => context.wants(id))
  for (const { id, group } of cases) ledger.plan(id, group)
  if (cases.length === 0) return
  const route = capabilities.routes.sse
  tally.add('sse_route_probed')
  if (route === undefined) {
    tally.set('sse_route_present', 0)
    return noRoute(context, 'sse', cases, 'no SSE route')
  }
  tally.set('sse_route_present', 1)
  const bench = new Bench(context, 'sse')
  const refused = await bench.learn()
  if (refused !== undefined) {
    for (const { id } of cases) ledger.inconclusive(id, `the control request GET ${bench.path}: ${refused}`)
    return
  }
  const holding = new Holding(bench)
  const stream = new Stream(bench, holding, route.path)
  try {
    const [base] = await Promise.all([holding.baseline(), stream.learn()])
    if (stream.facts.empty) return noRoute(context, 'sse', cases, 'the stream ends without an event')
    // The witness stays for the whole slice.
    for (const gauge of base.keys()) base.set(gauge, base.get(gauge)! + 1)
    await rounds(bench, stream, base, cases)
  } finally {
    stream.close()
    bench.close()
  }
}

async function rounds(
  bench: Bench,
  stream: Stream,
  base: Levels,
  cases: readonly { id: string; group: string }[]
): Promise<void> {
  const { context } = bench
  const wanted = (trials: Trial[]): Trial[] => trials.filter(({ id }) => context.wants(id))
  const grouped = (...groups: string[]): boolean => cases.some(({ group }) => groups.includes(group))
  const proven = stream.facts.flows ? cases.map(({ group }) => group) : []
  const conductor = new Conductor(bench, proven)
  const learn = context.random.stream('learn')
  const resumption = grouped('resume') ? await learnResume(stream) : { unable: 'not asked for' }
  const [gapless] = resumeTrials(stream, resumption, learn)
  if (grouped('resume') && (await conductor.lostDuring(gapless!))) {
    for (const { id } of cases)
      context.ledger.inconclusive(id, `nobody was served since the first try of ${gapless!.id}`)
    return
  }
  const publisher: Publisher | string = grouped('injection', 'kill', 'backpressure')
    ? await findPublisher(stream, learn)
    : 'not looked for'
  if (typeof publisher !== 'string') stream.publisher = publisher
  let leaks = false
  for (let round = 0; round === 0 || !bench.over; round++) {
    const random = context.random.stream(`round-${round}`)
    const first = round === 0
    const kills = random.shuffle(wanted(killTrials(stream, random)))
    const others = wanted([
      ...(first ? wireTrials(stream) : []),
      ...injectionTrials(stream, publisher, random),
      ...resumeTrials(stream, resumption, random),
      ...pressureTrials(stream, random)
    ])
    const chosen = first ? [...kills, ...others] : random.shuffle([...kills.slice(0, KILLS_LATER), ...others])
    await conductor.run(
      chosen.filter(({ id }) => !CROWDED.has(id)),
      LANES
    )
    for (const crowd of first ? CROWDS : []) {
      const trials = chosen.filter(({ id }) => crowd.includes(id))
      await conductor.run(trials, trials.length)
    }
    if (conductor.lost || bench.aborted) break
    if (first && context.wants(SSE_REMAINS)) leaks = await remains(bench, stream, base)
    await wait(BETWEEN_ROUNDS_MS)
  }
  // The end of the server ends the witness, too.
  if (stream.cuts >= CUTS_BELIEVED && !conductor.lost && context.wants('stays-open')) reportCuts(stream)
  if (leaks || !context.wants(SSE_REMAINS)) return
  // Right after the first pass nothing new can have come.
  if (!conductor.lost && !bench.aborted) await remains(bench, stream, base)
  else context.ledger.inconclusive(SSE_REMAINS, 'stopped, or the server had ended')
}

/** A witness may be unlucky once; a server that cuts each stream after a while does it again and again. */
function reportCuts({ bench, cuts }: Stream): void {
  const entry = SSE_WIRE.find(({ id }) => id === 'stays-open')!
  const found = entry.wrong[0]!
  bench.context.report({
    predicate: found.predicate!,
    severity: found.severity,
    case: entry.id,
    title: `${found.says}: ${cuts} times`,
    standard: entry.standard,
    symptom: found.when,
    repeats: { k: cuts, n: cuts }
  })
}

function remains(bench: Bench, stream: Stream, base: Levels): Promise<boolean> {
  const deaths = SSE_STAGES.flatMap((stage) =>
    SSE_WAYS.filter(({ id }) => id !== 'stop').map((way) => ({
      id: killId(stage, way.id),
      title: `${stage.stage}, with ${way.title}`,
      batch: (random: Parameters<typeof killBatch>[3]) => killBatch(stream, stage, way.id, random)
    }))
  )
  const extraMs = 2 * (stream.facts.intervalMs ?? 0)
  return nothingRemains(bench, stream.holding, {
    caseId: SSE_REMAINS,
    predicate: 'I-SSE-LEAK',
    base,
    deaths,
    extraMs
  })
}
