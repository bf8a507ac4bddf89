/** Slice 5: subscribe, read, die at chosen moments, come back; afterwards nothing of the dead remains. */
import type { Slice, SliceContext } from '../../contracts.ts'
import { SSE_RESUME_CASES, SSE_STAGES, SSE_WAYS, SSE_WIRE_CASES } from '../../catalogue/sse/index.ts'
import { Bench, wait } from '../proof/bench.ts'
import { Conductor } from '../proof/conduct.ts'
import { Holding, type Levels } from '../proof/holding.ts'
import { nothingRemains } from '../proof/remains.ts'
import { noRoute } from '../proof/route.ts'
import { crowdTrials, killBatch, killTrials } from './kill-cases.ts'
import { learnResume, resumeTrials } from './resume-cases.ts'
import { Stream } from './stream.ts'
import { wireTrials } from './wire-cases.ts'

const LANES = 24
const LEAK_CASE = 'nothing-remains'
const BETWEEN_ROUNDS_MS = 250
/** Streams of the witness that must have been cut off before it is called a habit. */
const CUTS_BELIEVED = 3

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
    return noRoute(context, 'sse', cases(), 'no SSE route')
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
    if (stream.facts.empty) return noRoute(context, 'sse', cases(), 'the stream ends without an event')
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
  const proven = stream.facts.flows ? cases().map(({ group }) => group) : []
  const conductor = new Conductor(bench, proven)
  const resumption = await learnResume(stream)
  const [gapless] = resumeTrials(stream, resumption, context.random.stream('learn'))
  if (await conductor.lostDuring(gapless!)) {
    for (const { id } of cases())
      context.ledger.inconclusive(id, `nobody was served since the first try of ${gapless!.id}`)
    return
  }
  let leaks = false
  for (let round = 0; round === 0 || !bench.over; round++) {
    const random = context.random.stream(`round-${round}`)
    const first = round === 0
    const kills = random.shuffle(killTrials(stream, random))
    const others = [
      ...(first ? wireTrials(stream) : []),
      ...resumeTrials(stream, resumption, random),
      ...crowdTrials(stream)
    ]
    await conductor.run(
      first ? [...kills, ...others] : random.shuffle([...kills.slice(0, 6), ...others]),
      LANES
    )
    if (conductor.lost || bench.aborted) break
    if (first) leaks = await remains(bench, stream, base)
    await wait(BETWEEN_ROUNDS_MS)
  }
  // The end of the server ends the witness, too.
  if (stream.cuts >= CUTS_BELIEVED && !conductor.lost) reportCuts(stream)
  if (leaks) return
  // Right after the first pass nothing new can have come.
  if (!conductor.lost && !bench.aborted) await remains(bench, stream, base)
  else context.ledger.inconclusive(LEAK_CASE, 'stopped, or the server had ended')
}

/** A witness may be unlucky once; a server that cuts each stream after a while does it again and again. */
function reportCuts({ bench, cuts }: Stream): void {
  const { standard } = SSE_WIRE_CASES.find(({ id }) => id === 'stays-open')!
  bench.context.report({
    predicate: 'I-SSE-EARLY-CLOSE',
    severity: 'MED',
    case: 'stays-open',
    title: `the stream of a client that only reads was cut off ${cuts} times, without the end of its framing`,
    standard,
    symptom: 'closed',
    repeats: { k: cuts, n: cuts }
  })
}

function remains(bench: Bench, stream: Stream, base: Levels): Promise<boolean> {
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
