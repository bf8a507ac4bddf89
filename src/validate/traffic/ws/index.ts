/** Slice 4: handshakes, frames, fragments, control frames, closes, UTF-8, big echoes, deaths in the middle. */
import type { Slice, SliceContext } from '../../contracts.ts'
import {
  WS_ECHO_CASES,
  WS_FRAME_CASES,
  WS_HANDSHAKE_CASES,
  WS_KILL_STAGES,
  WS_KILL_WAYS,
  type WsEchoCase
} from '../../catalogue/ws/index.ts'
import type { RandomStream } from '../../../kit/random.ts'
import { Bench, wait } from '../proof/bench.ts'
import { Conductor } from '../proof/conduct.ts'
import { Holding } from '../proof/holding.ts'
import { nothingRemains } from '../proof/remains.ts'
import { noRoute } from '../proof/route.ts'
import { echoTrials, floodTrials } from './echo-cases.ts'
import { frameTrials, handshakeTrials, NO_FRAMES, PLAIN, twin, type Route } from './frame-cases.ts'
import { killBatch, killTrials } from './kill-cases.ts'

const LANES = 12
/** Streams of megabytes beside each other would measure our own machine. */
const ECHO_LANES = 2
const LEAK_CASE = 'nothing-remains'
const FLOODS = ['ping-flood', 'fragment-flood', 'crowd'] as const
const BETWEEN_ROUNDS_MS = 250

/** The slice; see `Slice`. */
export const wsSlice: Slice = { name: 'ws', run }

function cases(): { id: string; group: string }[] {
  return [
    ...WS_HANDSHAKE_CASES.map(({ id }) => ({ id, group: 'handshake' })),
    ...WS_FRAME_CASES.map(({ id, group }) => ({ id, group })),
    ...WS_ECHO_CASES.map(({ id }) => ({ id, group: 'echo' })),
    ...FLOODS.map((id) => ({ id, group: 'flood' })),
    ...WS_KILL_STAGES.flatMap((stage) =>
      WS_KILL_WAYS.map((way) => ({ id: `kill-${stage.id}-${way.id}`, group: 'kill' }))
    ),
    { id: LEAK_CASE, group: 'leak' }
  ]
}

async function run(context: SliceContext): Promise<void> {
  const { ledger, capabilities, tally } = context
  for (const { id, group } of cases()) ledger.plan(id, group)
  const found = capabilities.routes.ws
  for (const prefix of ['ws', 'ws_echo']) {
    tally.add(`${prefix}_route_probed`)
    tally.set(`${prefix}_route_present`, found === undefined ? 0 : 1)
  }
  if (found === undefined) {
    return noRoute(context, 'ws', cases(), 'no WebSocket route')
  }
  const bench = new Bench(context, 'ws')
  const holding = new Holding(bench)
  try {
    const refused = await bench.learn()
    if (refused !== undefined) {
      for (const { id } of cases())
        ledger.inconclusive(id, `the control request GET ${bench.path}: ${refused}`)
      return
    }
    const [base, route] = await Promise.all([holding.baseline(), learn(bench, found.path)])
    if (route.noEcho !== undefined) context.note(`cases that need an echo are not judged: ${route.noEcho}`)
    const proven = route.unfit === undefined ? cases().map(({ group }) => group) : []
    const conductor = new Conductor(bench, proven)
    if (route.unfit !== undefined) return await judgePlain(conductor, route)
    for (let round = 0; round === 0 || !bench.over; round++) {
      const random = context.random.stream(`round-${round}`)
      const light = [
        ...handshakeTrials(route, random),
        ...frameTrials(route, random),
        ...killTrials(route, holding, random)
      ]
      const chosen = round === 0 ? random.shuffle(light) : random.shuffle(light).slice(0, 20)
      await conductor.run(chosen, LANES)
      if (conductor.lost || bench.aborted) break
      const heavy = round === 0 ? WS_ECHO_CASES : [varied(random)]
      await conductor.run(
        [...echoTrials(route, random, heavy), ...(round % 4 === 0 ? floodTrials(route, random) : [])],
        ECHO_LANES
      )
      if (conductor.lost || bench.aborted) break
      await wait(BETWEEN_ROUNDS_MS)
    }
    if (conductor.lost || bench.aborted)
      return ledger.inconclusive(LEAK_CASE, 'stopped, or the server had ended')
    const deaths = WS_KILL_STAGES.flatMap((stage) =>
      WS_KILL_WAYS.filter(({ id }) => id !== 'silence').map((way) => ({
        id: `kill-${stage.id}-${way.id}`,
        title: `${stage.title} with ${way.title}`,
        batch: (random: Parameters<typeof killBatch>[4]) =>
          killBatch(route, holding, stage.id, way.id, random)
      }))
    )
    await nothingRemains(bench, holding, { caseId: LEAK_CASE, predicate: 'I-WS-LEAK', base, deaths })
  } finally {
    bench.close()
  }
}

/** Does the route upgrade, and is it an echo? Asked three times before it is called none. */
async function learn(bench: Bench, path: string): Promise<Route> {
  const route: Route = { bench, path }
  const random = bench.context.random.stream('learn')
  let seen = 'not seen'
  for (let attempt = 0; attempt < 3; attempt++) {
    const refused = await twin(route, random)
    if (refused === undefined) return route
    seen = refused
  }
  if (seen.startsWith(NO_FRAMES)) return { ...route, unfit: seen }
  const mute = { ...route, noEcho: `the route is no echo: ${seen}` }
  const refused = (await twin(mute, random)) && (await twin(mute, random))
  return refused ? { ...mute, unfit: refused } : mute
}

/** Where the plainest exchange fails there is no ground for the others, and no pass. */
async function judgePlain(conductor: Conductor, route: Route): Promise<void> {
  const { context } = route.bench
  const random = context.random.stream('plain')
  const trials = [...handshakeTrials(route, random), ...frameTrials(route, random)]
  for (const { id } of cases()) context.ledger.inconclusive(id, `the plain twin fails: ${route.unfit ?? ''}`)
  await conductor.run(
    trials.filter(({ id }) => PLAIN.has(id)),
    1
  )
}

/** An echo of a later round: size, number and fragments from the seed, under the name of its nearest case. */
function varied(random: RandomStream): WsEchoCase {
  const base = random.pick(WS_ECHO_CASES)
  const bytes = base.bytes < 1000 ? random.int(16, 400) : random.int(Math.floor(base.bytes / 2), base.bytes)
  return { ...base, bytes, ...(base.fragment === undefined ? {} : { fragment: random.int(1000, 60_000) }) }
}
