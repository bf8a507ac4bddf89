/** Slice 5: subscribe, read, die at chosen moments, come back; afterwards nothing of the dead remains. */
import type { Slice, SliceContext } from '../../contracts.ts'
import { SSE_RESUME_CASES, SSE_STAGES, SSE_WAYS, SSE_WIRE_CASES } from '../../catalogue/sse.ts'
import { Bench, wait } from '../proof/bench.ts'
import { Conductor } from '../proof/conduct.ts'
import { Holding, type Levels } from '../proof/holding.ts'
import { crowdTrials, killBatch, killTrials } from './kill-cases.ts'
import { learnResume, resumeTrials } from './resume-cases.ts'
import { Stream } from './stream.ts'
import { wireTrials } from './wire-cases.ts'

const LANES = 24
const LEAK_CASE = 'nothing-remains'
/** Longest wait for the server to notice that its clients are gone, ms (or two heartbeats, where longer). */
const NOTICE_MS = 8000
/** The same for each batch of the search for the kind of death that leaks. */
const BATCH_NOTICE_MS = 2500
/** Surplus that pools, caches and other traffic may leave. */
const SURPLUS = 8
const BETWEEN_ROUNDS_MS = 250

/** The slice; see `Slice`. */
export const sseSlice: Slice = { name: 'sse', run }

function cases(): { id: string; group: string }[] {
  return [
    ...SSE_WIRE_CASES.map(({ id }) => ({ id, group: 'wire' })),
    ...SSE_STAGES.flatMap((stage) =>
      SSE_WAYS.map((way) => ({ id: `kill-${stage.id}-${way.id}`, group: 'kill' }))
    ),
    { id: 'crowd', group: 'crowd' },
    { id: 'slow-reader', group: 'crowd' },
    ...SSE_RESUME_CASES.map(({ id }) => ({ id, group: 'resume' })),
    { id: LEAK_CASE, group: 'leak' }
  ]
}

async function run(context: SliceContext): Promise<void> {
  const { ledger, capabilities, tally } = context
  for (const { id, group } of cases()) ledger.plan(id, group)
  const route = capabilities.routes.sse
  tally.add('sse_route_probed')
  if (route === undefined) {
    tally.set('sse_route_present', 0)
    for (const { id } of cases())
      ledger.inapplicable(id, `no SSE route: ${capabilities.missing.sse ?? 'not probed'}`)
    return
  }
  tally.set('sse_route_present', 1)
  const bench = new Bench(context, 'sse')
  const refused = await bench.learn()
  if (refused !== undefined) {
    for (const { id } of cases()) ledger.inconclusive(id, `the control request GET ${bench.path}: ${refused}`)
    return
  }
  const holding = new Holding(bench)
  const stream = new Stream(bench, holding, route.path)
  try {
    const [base] = await Promise.all([holding.baseline(), stream.learn()])
    // The witness stays for the whole slice.
    for (const gauge of base.keys()) base.set(gauge, base.get(gauge)! + 1)
    await rounds(bench, stream, base)
  } finally {
    stream.close()
    bench.close()
  }
}

async function rounds(bench: Bench, stream: Stream, base: Levels): Promise<void> {
  const { context } = bench
  const conductor = new Conductor(bench)
  const unable = learnResume(stream)
  for (let round = 0; round === 0 || !bench.over; round++) {
    const random = context.random.stream(`round-${round}`)
    const first = round === 0
    const kills = random.shuffle(killTrials(stream, random))
    const others = [
      ...(first ? wireTrials(stream) : []),
      ...resumeTrials(stream, await unable, random),
      ...crowdTrials(stream)
    ]
    await conductor.run(
      first ? [...kills, ...others] : random.shuffle([...kills.slice(0, 6), ...others]),
      LANES
    )
    if (conductor.lost || bench.aborted) break
    if (first) await nothingRemains(bench, stream, base)
    await wait(BETWEEN_ROUNDS_MS)
  }
  if (!conductor.lost && !bench.aborted) await nothingRemains(bench, stream, base)
  else context.ledger.inconclusive(LEAK_CASE, 'stopped, or the server had ended')
}

/** All gauges come back; where one does not, equal batches of each kind of death show whether it grows with them. */
async function nothingRemains(bench: Bench, stream: Stream, base: Levels): Promise<void> {
  const { context } = bench
  const { holding } = stream
  if ([...base.keys()].length === 0) {
    context.ledger.inapplicable(
      LEAK_CASE,
      'neither descriptors nor published counters can be read on this target'
    )
    return
  }
  const notice = Math.max(NOTICE_MS, 2 * (stream.facts.intervalMs ?? 0))
  const allowed = (gauge: string): number => (/subscriber|kept/i.test(gauge) ? 2 : SURPLUS)
  const { over } = await holding.settle(base, allowed, notice)
  if (over.length > 0 && !bench.aborted) {
    const random = context.random.stream('leak')
    for (const stage of SSE_STAGES) {
      for (const way of SSE_WAYS.filter(({ id }) => id !== 'stop')) {
        if (bench.aborted) return context.ledger.inconclusive(LEAK_CASE, 'stopped while batches ran')
        const growth = await holding.grows(
          killBatch(stream, stage.id, way.id, random),
          BATCH_NOTICE_MS + 2 * (stream.facts.intervalMs ?? 0)
        )
        if (growth === undefined) continue
        context.ledger.exercised(LEAK_CASE)
        context.report({
          predicate: 'I-SSE-LEAK',
          severity: 'HIGH',
          case: `kill-${stage.id}-${way.id}`,
          title: `${growth.gauge} grows with clients that go ${stage.title} with ${way.title}: +${growth.grown.join(', +')} for ${growth.clients} clients each`,
          standard: 'resources',
          symptom: `leak/${stage.id}/${way.id}`,
          evidence: {
            gauge: growth.gauge,
            grown: growth.grown.join(' '),
            clients_per_batch: growth.clients,
            batches: growth.grown.length
          },
          repeats: { k: growth.grown.length, n: growth.grown.length }
        })
        return
      }
    }
    context.note(
      `${over.join(', ')} stayed above the level from before, and does not grow with clients that go: kept, not leaked`
    )
  }
  context.ledger.exercised(LEAK_CASE)
}
