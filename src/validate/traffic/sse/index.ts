/** Slice 5: subscribe, read, die at chosen moments, come back; afterwards nothing of the dead remains. */
import type { Slice, SliceContext } from '../../contracts.ts'
import { SSE_RESUME_CASES, SSE_STAGES, SSE_WAYS, SSE_WIRE_CASES } from '../../catalogue/sse.ts'
import { Bench, wait } from '../proof/bench.ts'
import { Conductor } from '../proof/conduct.ts'
import { Holding, type Levels } from '../proof/holding.ts'
import { nothingRemains } from '../proof/remains.ts'
import { crowdTrials, killBatch, killTrials } from './kill-cases.ts'
import { learnResume, resumeTrials } from './resume-cases.ts'
import { Stream } from './stream.ts'
import { wireTrials } from './wire-cases.ts'

const LANES = 24
const LEAK_CASE = 'nothing-remains'
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
    if (first) await remains(bench, stream, base)
    await wait(BETWEEN_ROUNDS_MS)
  }
  if (!conductor.lost && !bench.aborted) await remains(bench, stream, base)
  else context.ledger.inconclusive(LEAK_CASE, 'stopped, or the server had ended')
}

function remains(bench: Bench, stream: Stream, base: Levels): Promise<void> {
  const deaths = SSE_STAGES.flatMap((stage) =>
    SSE_WAYS.filter(({ id }) => id !== 'stop').map((way) => ({
      id: `kill-${stage.id}-${way.id}`,
      title: `${stage.title} with ${way.title}`,
      batch: (random: Parameters<typeof killBatch>[3]) => killBatch(stream, stage.id, way.id, random)
    }))
  )
  const extraMs = 2 * (stream.facts.intervalMs ?? 0)
  return nothingRemains(bench, stream.holding, {
    caseId: LEAK_CASE,
    predicate: 'I-SSE-LEAK',
    base,
    deaths,
    extraMs
  })
}
