/** Slice 3: HTTP/2 in clear, with prior knowledge and by upgrade: frames, churn, abuse in bounds, deaths at chosen moments. */
import type { RandomStream } from '../../../kit/random.ts'
import type { Capabilities, FindingDraft, Slice, SliceContext } from '../../contracts.ts'
import {
  H2C_CHURN_CASES,
  H2C_FLOOD_CASES,
  H2C_FRAME_CASES,
  H2C_PLAYED_FLOODS,
  H2C_PRIOR_CASES,
  H2C_STAGES,
  H2C_UPGRADE_CASES,
  stageCaseId
} from '../../catalogue/h2c/index.ts'
import { Bench, wait } from '../proof/bench.ts'
import { Conductor } from '../proof/conduct.ts'
import { Holding } from '../proof/holding.ts'
import { nothingRemains } from '../proof/remains.ts'
import type { Trial } from '../proof/trial.ts'
import { churnTrials } from './churn-cases.ts'
import { floodTrials, type Told } from './flood-cases.ts'
import { frameTrials } from './frame-cases.ts'
import { elder, learn, plain, type Ground } from './ground.ts'
import { deathsOf, killTrials, type KillGround } from './kill-cases.ts'
import { priorTrials } from './prior-cases.ts'
import { upgradeTrials, type UpgradeGround } from './upgrade-cases.ts'
import { Victims } from './victims.ts'

const LANES = 12
/** Hundreds of streams beside each other would measure our own machine. */
const HEAVY_LANES = 2
const BETWEEN_ROUNDS_MS = 250
/** Cases of a later round. */
const LATER = 24
const LATER_HEAVY = 4

/** The slice; see `Slice`. */
export const h2cSlice: Slice = { name: 'h2c', run }

const NEED_PRIOR = [...H2C_FRAME_CASES, ...H2C_CHURN_CASES, ...H2C_FLOOD_CASES, ...H2C_PLAYED_FLOODS]
const STAGES = H2C_STAGES.stages.flatMap(({ id, group }) =>
  H2C_STAGES.ways.map((way) => ({ id: stageCaseId(id, way.id), group, way: way.id }))
)
const LEAK = H2C_STAGES.remains
const CASES = [...NEED_PRIOR, ...H2C_PRIOR_CASES, ...H2C_UPGRADE_CASES, ...STAGES, LEAK]
/** Their clients wait, and all at once. */
const PAUSES = new Set(STAGES.filter(({ way }) => way === 'pause').map(({ id }) => id))

async function run(outer: SliceContext): Promise<void> {
  const { ledger, capabilities, tally } = outer
  const wanted = CASES.filter(({ id }) => outer.wants(id))
  for (const { id, group } of wanted) ledger.plan(id, group)
  tally.add('h2c_route_probed')
  tally.set('h2c_route_present', capabilities.routes.h2c === undefined ? 0 : 1)
  if (capabilities.routes.h2c === undefined && !capabilities.http1) {
    for (const { id } of wanted)
      ledger.inapplicable(id, `no HTTP/2 in clear: ${capabilities.missing.h2c ?? 'not probed'}`)
    return
  }
  const bench = new Bench(named(outer), 'h2c')
  try {
    await play(bench)
  } finally {
    bench.close()
  }
}

async function play(bench: Bench): Promise<void> {
  const { context } = bench
  const { ledger, capabilities } = context
  const wanted = <T extends { id: string }>(cases: readonly T[]): T[] =>
    cases.filter(({ id }) => context.wants(id))
  const giveUp = (reason: string): void => {
    for (const { id } of wanted(CASES)) ledger.inconclusive(id, reason)
  }
  let prior: Ground | undefined
  if (capabilities.routes.h2c === undefined && context.target.routes.h2c !== undefined)
    return giveUp(
      `HTTP/2 in clear is declared, and was not found: ${capabilities.missing.h2c ?? 'not probed'}`
    )
  if (capabilities.http1) {
    const refused = await bench.learn()
    if (refused !== undefined) return giveUp(`the control request GET ${bench.path}: ${refused}`)
  }
  if (capabilities.h2cPrior) {
    const learned = await learnPrior(bench)
    if (typeof learned === 'string') {
      context.note(learned)
      return giveUp(learned)
    }
    prior = learned
    if (prior.noBody !== '') context.note(`cases that need a body are not judged: ${prior.noBody}`)
  } else {
    for (const { id } of wanted(NEED_PRIOR)) ledger.inapplicable(id, noPrior(capabilities))
  }
  const upgrade: UpgradeGround | undefined = capabilities.http1
    ? {
        bench,
        path: bench.path,
        status: bench.status,
        upgrades: capabilities.h2cUpgrade,
        echo: capabilities.routes.echo?.path
      }
    : undefined
  if (upgrade === undefined)
    for (const { id } of wanted(H2C_UPGRADE_CASES)) ledger.inapplicable(id, 'no HTTP/1.1 to upgrade from')
  const holding = new Holding(bench)
  const base = await holding.baseline()
  await rounds({ bench, prior, upgrade, holding }, base)
}

/** Learns the ground of all that needs prior knowledge, and asks beside it over HTTP/2; text where there is none. */
export async function learnPrior(bench: Bench): Promise<Ground | string> {
  const ground = await learn(bench)
  if (typeof ground === 'string')
    return `the preface is answered, and the plain request over HTTP/2 is not: ${ground}`
  if (!bench.context.capabilities.http1) bench.control = () => plain(ground)
  bench.elder = () => elder(ground)
  return ground
}

/** Why nothing that needs prior knowledge can be judged. */
export const noPrior = ({ missing, routes }: Capabilities): string =>
  `no HTTP/2 with prior knowledge: ${missing.h2c ?? routes.h2c?.seen ?? 'not probed'}`

async function rounds(ground: KillGround, base: Awaited<ReturnType<Holding['baseline']>>): Promise<void> {
  const { bench, prior } = ground
  const { context } = bench
  const conductor = new Conductor(bench, prior === undefined ? [] : NEED_PRIOR.map(({ group }) => group))
  for (let round = 0; round === 0 || !bench.over; round++) {
    const random = context.random.stream(`round-${round}`)
    const light = lightTrials(ground, random)
    const pauses = round === 0 ? light.filter(({ id }) => PAUSES.has(id)) : []
    const others = light.filter(({ id }) => !PAUSES.has(id))
    // Whoever pauses takes a lane of its own, and no time of the others.
    await conductor.run(
      [...pauses, ...(round === 0 ? others : others.slice(0, LATER))],
      LANES + pauses.length
    )
    if (conductor.lost || bench.aborted) break
    if (prior !== undefined) await heavy(conductor, prior, random, round)
    if (conductor.lost || bench.aborted) break
    await wait(BETWEEN_ROUNDS_MS)
  }
  await remains(ground, base, conductor.lost)
}

function lightTrials(ground: KillGround, random: RandomStream): Trial[] {
  const { bench, prior, upgrade } = ground
  return random
    .shuffle([
      ...(prior === undefined ? [] : frameTrials(prior, random)),
      ...priorTrials({ bench, prior, http1: bench.context.capabilities.http1 }),
      ...(upgrade === undefined ? [] : upgradeTrials(upgrade)),
      ...killTrials(ground, random)
    ])
    .filter(({ id }) => bench.context.wants(id))
}

/** Load and floods, few beside each other, and clients that must be served all the while. */
async function heavy(
  conductor: Conductor,
  ground: Ground,
  random: RandomStream,
  round: number
): Promise<void> {
  const { context } = ground.bench
  const told: Told = new Map()
  const victims = new Victims(ground)
  const trials = [
    ...floodTrials({ ground, victims, told }, random),
    ...random.shuffle(churnTrials(ground, random))
  ].filter(({ id }) => context.wants(id))
  if (trials.length === 0) return
  victims.start()
  try {
    await conductor.run(round === 0 ? trials : random.shuffle(trials).slice(0, LATER_HEAVY), HEAVY_LANES)
  } finally {
    await victims.stop()
  }
  if (round > 0 || told.size === 0) return
  const list = [...told].map(([id, text]) => `${id} ${text}`).join('; ')
  context.note(`units of each flood before the server reacted: ${list}`)
}

async function remains(
  ground: KillGround,
  base: Awaited<ReturnType<Holding['baseline']>>,
  lost: boolean
): Promise<void> {
  const { bench, holding } = ground
  const { context } = bench
  const all = deathsOf(ground)
  const wanted = all.filter(({ id }) => context.wants(id))
  if (!context.wants(LEAK.id) && wanted.length === 0) return
  // A leak is told as of a death; where only the leak is wanted, any of them may be it.
  const deaths = wanted.length === 0 ? all : wanted
  const caseId = context.wants(LEAK.id) ? LEAK.id : wanted[0]!.id
  if (lost || bench.aborted) return context.ledger.inconclusive(caseId, 'stopped, or the server had ended')
  if (deaths.length === 0) return context.ledger.inapplicable(caseId, 'no HTTP/2 in clear')
  await nothingRemains(bench, holding, { caseId, predicate: 'I-H2C-LEAK', base, deaths })
}

/** Tells findings by the slice's own names. */
export function named(context: SliceContext): SliceContext {
  return { ...context, report: (draft) => context.report(renamed(draft, context.tally)) }
}

/** The slice's own names for what ends a server; its gated counters follow from the findings. */
function renamed(draft: FindingDraft, tally: SliceContext['tally']): FindingDraft {
  const outage = draft.predicate === 'I-LIVENESS'
  const crashed = outage && / process (ended|has ended)/.test(draft.title)
  const predicate = outage ? (crashed ? 'I-H2C-CRASHED' : 'I-H2C-HANG') : draft.predicate
  if (predicate === 'I-H2C-CRASHED') tally.add('h2c_crashed')
  if (predicate === 'I-H2C-ACCEPTED') tally.add('h2c_wrong_accepted')
  if (predicate === 'I-H2C-HANG') {
    tally.add('h2c_hang')
    tally.add(`h2c_hang_${String(draft.evidence?.['cause'] ?? 'timeout')}`)
  }
  return { ...draft, predicate }
}
