/** Abuse in bounds: the server may serve it, refuse it or end the connection; others are served all the while. */
import type { RandomStream } from '../../../kit/random.ts'
import { H2C_FLOOD_CASES, H2C_PLAYED_FLOODS, type H2cFloodCase } from '../../catalogue/h2c/index.ts'
import {
  inapplicable,
  inconclusive,
  KEPT,
  type Breach,
  type Shot,
  type Trial,
  type Verdict
} from '../proof/trial.ts'
import { controlOf, flood, planOf, reactionOf, type Flooded } from './flood.ts'
import { PLAYED } from './flood-played.ts'
import { plain, toldStream, wrongContent, type Ground } from './ground.ts'
import { convicted, type Spec } from './told.ts'
import type { Served, Victims } from './victims.ts'

/** What a flood came to, for people who compare servers. */
export type Told = Map<string, string>

interface Floods {
  ground: Ground
  victims: Victims
  told: Told
}

export function floodTrials(floods: Floods, random: RandomStream): Trial[] {
  const { ground } = floods
  const trial = (spec: Spec & { group: string }, shoot: (beside: Beside) => Promise<Shot>): Trial => ({
    id: spec.id,
    group: spec.group,
    twin: () => plain(ground),
    shoot: async () => {
      const beside = new Beside(floods)
      return judged(floods, spec, beside, await shoot(beside))
    }
  })
  return [
    // Those that wait begin first.
    ...H2C_PLAYED_FLOODS.map((spec) =>
      trial(spec, async (beside) => {
        const { shot, what } = await PLAYED[spec.id]!(ground, spec, () => beside.look())
        if (what !== undefined) floods.told.set(spec.id, what)
        return shot
      })
    ),
    ...random.shuffle(H2C_FLOOD_CASES).map((spec) => trial(spec, (beside) => shoot(floods, spec, beside)))
  ]
}

/** Others are asked for all the time of the flood, and once more before its connection is closed. */
class Beside {
  readonly #victims: Victims
  readonly from = performance.now()
  served: Served | undefined

  constructor({ victims }: Floods) {
    this.#victims = victims
  }

  async look(): Promise<void> {
    this.served = await this.#victims.since(this.from)
  }
}

function judged({ ground, told }: Floods, spec: Spec, { served, from }: Beside, shot: Shot): Shot {
  if (served === undefined) return shot
  const { failed, slowestMs } = served
  const text = told.get(spec.id)
  if (text !== undefined) told.set(spec.id, `${text}, others within ${slowestMs} ms`)
  if (failed === undefined || ground.bench.stalled(from)) return shot
  const facts = { standard: 'availability', evidence: { slowest_ms: slowestMs, flood: text ?? '' } }
  return { ...shot, verdict: convicted(spec, 'others not served', failed, facts) }
}

async function shoot({ ground, told }: Floods, spec: H2cFloodCase, beside: Beside): Promise<Shot> {
  if (spec.needs === 'body' && ground.post === undefined) return { verdict: inapplicable(ground.noBody) }
  const refused = (await control(ground, spec)) && (await control(ground, spec))
  if (refused) return { verdict: inapplicable(`so few that they must be served are not: ${refused}`) }
  const flooded = await flood(ground, planOf(spec))
  if (typeof flooded === 'string') return { verdict: inconclusive(flooded) }
  const { session, units, reaction } = flooded
  const { tally } = ground.bench.context
  told.set(spec.id, `${units} (${reaction})`)
  tally.add('h2c_flood_units', units)
  tally.max(`h2c_${spec.id.replaceAll('-', '_')}_units`, units)
  try {
    const verdict = verdictOf(spec, flooded)
    await beside.look()
    return { verdict, transcript: session.connection.transcript }
  } finally {
    session.destroy()
  }
}

/** A few units in their right form, and the request behind them: what is wrong with the answer, or undefined. */
async function control(ground: Ground, spec: H2cFloodCase): Promise<string | undefined> {
  const few = await flood(ground, controlOf(spec))
  if (typeof few === 'string') return few
  const { session, last } = few
  try {
    if (session.fault !== undefined) return session.fault.title
    const farewell = session.inbound.goaway === undefined || session.inbound.goaway.code === 0
    if (last?.answered !== true)
      return spec.control.mayEnd && farewell && (session.over || session.inbound.goaway !== undefined)
        ? undefined
        : last === undefined
          ? reactionOf(session)
          : toldStream(session, last)
    const posts = spec.needs === 'body'
    const status = posts ? ground.post!.status : ground.get.status
    if (last.status !== status) return `status ${last.status!} in place of ${status}`
    return wrongContent(ground, last, posts ? Buffer.from('abc') : undefined)
  } finally {
    session.destroy()
  }
}

/** After the flood the connection serves on, refuses, or ends; it does not fall silent. */
function verdictOf(spec: H2cFloodCase, flooded: Flooded): Verdict {
  const { session, units, bytes, reaction, streams, last } = flooded
  const evidence: Breach['evidence'] = { units, bytes, reaction }
  if (session.fault !== undefined) {
    const { standard, symptom, title } = session.fault
    return convicted(spec, 'framing', title, { standard, symptom, evidence, proof: true })
  }
  const settled = last === undefined || session.settled(last) || session.inbound.goaway !== undefined
  if (!settled) return convicted(spec, 'silence', `(${toldStream(session, last)})`, { evidence })
  const bounded = spec.wrong.some(({ as }) => as === 'no visible bound')
  const taken = streams.some(({ answered, status }) => answered && status! < 400)
  if (bounded && taken && units === spec.units && reaction === 'none')
    return convicted(spec, 'no visible bound', `${units} units of ${bytes} bytes in all`, { evidence })
  return KEPT
}
