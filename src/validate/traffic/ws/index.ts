/** Slice 4: handshakes, frames, fragments, closes, text, compression, big echoes, floods, deaths in the middle. */
import type { RandomStream } from '../../../kit/random.ts'
import { WS_CASES, wsCases, type WsEchoCase } from '../../catalogue/ws/index.ts'
import type { Slice, SliceContext } from '../../contracts.ts'
import { Bench, wait } from '../proof/bench.ts'
import { Conductor } from '../proof/conduct.ts'
import { Holding } from '../proof/holding.ts'
import { nothingRemains } from '../proof/remains.ts'
import { noRoute } from '../proof/route.ts'
import type { Trial } from '../proof/trial.ts'
import { bombTrials, dependentTrials } from './deflate-cases.ts'
import { echoTrials } from './echo-cases.ts'
import { floodTrials, resourceTrials } from './flood-cases.ts'
import { frameTrials, PLAIN, sequenceTrials } from './frame-cases.ts'
import { handshakeTrials } from './handshake-cases.ts'
import { deathsOf, killTrials } from './kill-cases.ts'
import { GARBLED, NO_FRAMES, PLAIN_OFFER, twin, type Route } from './route.ts'
import { Session, told } from './session.ts'

const LANES = 12
/** Streams of megabytes beside each other would measure our own machine. */
const ECHO_LANES = 2
/** Of a later round. */
const LATER_LIGHT = 20
const FLOOD_ROUNDS = 4
const BETWEEN_ROUNDS_MS = 250

/** The slice; see `Slice`. */
export const wsSlice: Slice = { name: 'ws', run }

async function run(context: SliceContext): Promise<void> {
  const { ledger, capabilities, tally } = context
  const cases = WS_CASES.filter(({ id }) => context.wants(id))
  for (const { id, group } of cases) ledger.plan(id, group)
  const found = capabilities.routes.ws
  for (const prefix of ['ws', 'ws_echo']) {
    tally.add(`${prefix}_route_probed`)
    tally.set(`${prefix}_route_present`, found === undefined ? 0 : 1)
  }
  if (cases.length === 0) return
  if (found === undefined) return noRoute(context, 'ws', cases, 'no WebSocket route')
  const bench = new Bench(context, 'ws')
  const holding = new Holding(bench)
  try {
    const refused = await bench.learn()
    if (refused !== undefined) {
      for (const { id } of cases) ledger.inconclusive(id, `the control request GET ${bench.path}: ${refused}`)
      return
    }
    const [base, route] = await Promise.all([holding.baseline(), learn(bench, found.path)])
    if (route.noEcho !== undefined) context.note(`cases that need an echo are not judged: ${route.noEcho}`)
    const proven = route.unfit === undefined ? cases.map(({ group }) => group) : []
    const conductor = new Conductor(bench, proven)
    if (route.unfit !== undefined) return await judgePlain(conductor, route, cases)
    await rounds(conductor, route, holding)
    await remains(conductor, route, holding, base)
  } finally {
    bench.close()
  }
}

async function rounds(conductor: Conductor, route: Route, holding: Holding): Promise<void> {
  const { bench } = route
  const { context } = bench
  const play = async (trials: Trial[], lanes: number): Promise<boolean> => {
    await conductor.run(
      trials.filter(({ id }) => context.wants(id)),
      lanes
    )
    return !conductor.lost && !bench.aborted
  }
  for (let round = 0; round === 0 || !bench.over; round++) {
    const random = context.random.stream(`round-${round}`)
    const light = random.shuffle([
      ...handshakeTrials(route, random),
      ...frameTrials(route, random, false),
      ...sequenceTrials(route, random),
      ...dependentTrials(route, random),
      ...killTrials(route, holding, random)
    ])
    // Those that wait begin first, so that the others run beside them.
    const chosen = round === 0 ? slowFirst(light) : light.slice(0, LATER_LIGHT)
    if (!(await play(chosen, LANES))) return
    const streams = round === 0 ? wsCases('stream') : [varied(random)]
    const floods = round % FLOOD_ROUNDS === 0 ? floodTrials(route, random) : []
    if (!(await play([...echoTrials(route, random, streams), ...floods], ECHO_LANES))) return
    if (round === 0) {
      const alone = [
        ...resourceTrials(route, holding, random),
        ...bombTrials(route, random),
        ...frameTrials(route, random, true)
      ]
      if (!(await play(alone, 1))) return
    }
    await wait(BETWEEN_ROUNDS_MS)
  }
}

const SLOW = new Set(
  WS_CASES.filter((spec) => 'pauseMs' in spec && spec.pauseMs !== undefined).map(({ id }) => id)
)
const slowFirst = (trials: readonly Trial[]): Trial[] =>
  [...trials].sort((a, b) => Number(SLOW.has(b.id)) - Number(SLOW.has(a.id)))

/** What is left of the clients that went. */
async function remains(
  conductor: Conductor,
  route: Route,
  holding: Holding,
  base: Awaited<ReturnType<Holding['baseline']>>
): Promise<void> {
  const { bench } = route
  const { context } = bench
  const leak = wsCases('leak')[0]!.id
  const all = deathsOf(route, holding)
  const wanted = context.wants(leak) ? all : all.filter(({ id }) => context.wants(id))
  if (wanted.length === 0) return
  const caseId = context.wants(leak) ? leak : wanted[0]!.id
  if (conductor.lost || bench.aborted)
    return context.ledger.inconclusive(caseId, 'stopped, or the server had ended')
  // Chosen alone, it needs clients that went.
  if (!all.some(({ id }) => context.wants(id)))
    for (const death of all) await death.batch(context.random.stream('deaths'))()
  await nothingRemains(bench, holding, { caseId, predicate: 'I-WS-LEAK', base, deaths: wanted })
}

/** Does the route upgrade, is it an echo, and does it compress? Asked three times before it is called none. */
export async function learn(bench: Bench, path: string): Promise<Route> {
  const route: Route = { bench, path }
  const random = bench.context.random.stream('learn')
  let seen = 'not seen'
  for (let attempt = 0; attempt < 3; attempt++) {
    const refused = await twin(route, random)
    if (refused === undefined) return { ...route, ...(await compression(route, random)) }
    seen = refused
  }
  if (seen.startsWith(NO_FRAMES) || seen === GARBLED) return { ...route, unfit: seen }
  const mute: Route = { ...route, noEcho: `the route is no echo: ${seen}` }
  const refused = (await twin(mute, random)) && (await twin(mute, random))
  if (refused) return { ...mute, unfit: refused }
  return { ...mute, ...(await compression(mute, random)) }
}

/** Does it take the plainest offer? */
async function compression({ bench, path }: Route, random: RandomStream): Promise<Pick<Route, 'noDeflate'>> {
  let noDeflate = `the server does not take up the offer "${PLAIN_OFFER}"`
  for (let attempt = 0; attempt < 2; attempt++) {
    const session = await Session.open(bench, path, random, { offer: PLAIN_OFFER })
    if (session instanceof Session) {
      session.destroy()
      return session.deflate === undefined ? { noDeflate } : {}
    }
    noDeflate = `the offer "${PLAIN_OFFER}": ${told(session)}`
  }
  return { noDeflate }
}

/** Where the plainest exchange fails there is no ground for the others, and no pass. */
async function judgePlain(
  conductor: Conductor,
  route: Route,
  cases: readonly { id: string }[]
): Promise<void> {
  const { context } = route.bench
  const random = context.random.stream('plain')
  const trials = [...handshakeTrials(route, random), ...frameTrials(route, random, false)]
  for (const { id } of cases) context.ledger.inconclusive(id, `the plain twin fails: ${route.unfit ?? ''}`)
  await conductor.run(
    trials.filter(({ id }) => PLAIN.has(id) && context.wants(id)),
    1
  )
}

/** An echo of a later round: size, number and fragments from the seed, under the name of its nearest case. */
function varied(random: RandomStream): WsEchoCase {
  const base = random.pick(wsCases('stream').filter(({ offer }) => offer === undefined))
  const bytes = base.bytes < 1000 ? random.int(16, 400) : random.int(Math.floor(base.bytes / 2), base.bytes)
  return { ...base, bytes, ...(base.fragment === undefined ? {} : { fragment: random.int(1000, 60_000) }) }
}
