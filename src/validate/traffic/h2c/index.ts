/** Slice 3: HTTP/2 in clear, with prior knowledge and by upgrade: frames, churn, abuse in bounds, deaths at chosen moments. */
import type { FindingDraft, Slice, SliceContext } from '../../contracts.ts'
import {
  H2C_CHURN_CASES,
  H2C_FLOOD_CASES,
  H2C_FRAME_CASES,
  H2C_KILL_STAGES,
  H2C_KILL_WAYS,
  H2C_UPGRADE_CASES
} from '../../catalogue/h2c/index.ts'
import { Bench, wait } from '../proof/bench.ts'
import { Conductor } from '../proof/conduct.ts'
import { Holding } from '../proof/holding.ts'
import { nothingRemains } from '../proof/remains.ts'
import { churnTrials } from './churn-cases.ts'
import { floodTrials } from './flood-cases.ts'
import { frameTrials } from './frame-cases.ts'
import { elder, learn, plain, type Ground } from './ground.ts'
import { deathsOf, killTrials, type KillGround } from './kill-cases.ts'
import { upgradeTrials, type UpgradeGround } from './upgrade-cases.ts'

const LANES = 12
/** Hundreds of streams beside each other would measure our own machine. */
const CHURN_LANES = 2
const LEAK_CASE = 'nothing-remains'
const BETWEEN_ROUNDS_MS = 250
/** Cases of a later round. */
const LATER = 24

/** The slice; see `Slice`. */
export const h2cSlice: Slice = { name: 'h2c', run }

const PRIOR = [
  ...H2C_FRAME_CASES.map(({ id, group }) => ({ id, group: group })),
  ...H2C_CHURN_CASES.map(({ id }) => ({ id: id, group: 'churn' })),
  ...H2C_FLOOD_CASES.map(({ id }) => ({ id: id, group: 'flood' }))
]
const UPGRADE = H2C_UPGRADE_CASES.map(({ id }) => ({ id, group: 'upgrade' }))
const KILLS = H2C_KILL_STAGES.flatMap((stage) =>
  H2C_KILL_WAYS.map((way) => ({ id: `kill-${stage.id}-${way.id}`, group: 'kill', over: stage.over }))
)
const CASES = [...PRIOR, ...UPGRADE, ...KILLS, { id: LEAK_CASE, group: 'leak' }]

async function run(outer: SliceContext): Promise<void> {
  const { ledger, capabilities, tally } = outer
  for (const { id, group } of CASES) ledger.plan(id, group)
  tally.add('h2c_route_probed')
  tally.set('h2c_route_present', capabilities.routes.h2c === undefined ? 0 : 1)
  if (capabilities.routes.h2c === undefined && !capabilities.http1) {
    for (const { id } of CASES)
      ledger.inapplicable(id, `no HTTP/2 in clear: ${capabilities.missing.h2c ?? 'not probed'}`)
    return
  }
  const context: SliceContext = { ...outer, report: (draft) => outer.report(named(draft, tally)) }
  const bench = new Bench(context, 'h2c')
  try {
    await play(bench)
  } finally {
    bench.close()
  }
}

async function play(bench: Bench): Promise<void> {
  const { context } = bench
  const { ledger, capabilities } = context
  const giveUp = (cases: readonly { id: string }[], reason: string): void => {
    for (const { id } of cases) ledger.inconclusive(id, reason)
  }
  let prior: Ground | undefined
  if (capabilities.routes.h2c === undefined && context.target.routes.h2c !== undefined)
    return giveUp(
      CASES,
      `HTTP/2 in clear is declared, and was not found: ${capabilities.missing.h2c ?? 'not probed'}`
    )
  if (capabilities.http1) {
    const refused = await bench.learn()
    if (refused !== undefined) return giveUp(CASES, `the control request GET ${bench.path}: ${refused}`)
  }
  if (capabilities.h2cPrior) {
    const learned = await learn(bench)
    if (typeof learned === 'string') {
      const reason = `the preface is answered, and the plain request over HTTP/2 is not: ${learned}`
      context.note(reason)
      return giveUp(CASES, reason)
    }
    prior = learned
    if (prior.noBody !== '') context.note(`cases that need a body are not judged: ${prior.noBody}`)
    if (!capabilities.http1) bench.control = () => plain(learned)
    bench.elder = () => elder(learned)
  } else {
    const reason = `no HTTP/2 with prior knowledge: ${capabilities.missing.h2c ?? capabilities.routes.h2c?.seen ?? 'not probed'}`
    for (const { id } of PRIOR) ledger.inapplicable(id, reason)
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
    for (const { id } of UPGRADE) ledger.inapplicable(id, 'no HTTP/1.1 to upgrade from')
  const holding = new Holding(bench)
  const base = await holding.baseline()
  await rounds({ bench, prior, upgrade, holding }, base)
}

async function rounds(ground: KillGround, base: Awaited<ReturnType<Holding['baseline']>>): Promise<void> {
  const { bench, prior, upgrade, holding } = ground
  const { context } = bench
  const conductor = new Conductor(bench, prior === undefined ? [] : PRIOR.map(({ group }) => group))
  for (let round = 0; round === 0 || !bench.over; round++) {
    const random = context.random.stream(`round-${round}`)
    const light = random.shuffle([
      ...(prior === undefined ? [] : frameTrials(prior, random)),
      ...(upgrade === undefined ? [] : upgradeTrials(upgrade)),
      ...killTrials(ground, random)
    ])
    await conductor.run(round === 0 ? light : light.slice(0, LATER), LANES)
    if (conductor.lost || bench.aborted) break
    if (prior !== undefined) {
      const heavy = random.shuffle([...churnTrials(prior, random), ...floodTrials(prior, random)])
      await conductor.run(round === 0 ? heavy : heavy.slice(0, 4), CHURN_LANES)
    }
    if (conductor.lost || bench.aborted) break
    await wait(BETWEEN_ROUNDS_MS)
  }
  if (conductor.lost || bench.aborted)
    return context.ledger.inconclusive(LEAK_CASE, 'stopped, or the server had ended')
  const deaths = deathsOf(ground)
  if (deaths.length === 0) return context.ledger.inapplicable(LEAK_CASE, 'no HTTP/2 in clear')
  await nothingRemains(bench, holding, { caseId: LEAK_CASE, predicate: 'I-H2C-LEAK', base, deaths })
}

/** The slice's own names for what ends a server; its gated counters follow from the findings. */
function named(draft: FindingDraft, tally: SliceContext['tally']): FindingDraft {
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
