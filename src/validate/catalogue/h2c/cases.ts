/** HTTP/2 cases in clear (RFC 9113, RFC 7541, RFC 7540 3.2), read and checked once; a file holds a group. */
import { z } from 'zod'
import accept from './accept.json' with { type: 'json' }
import churn from './churn.json' with { type: 'json' }
import classes from './classes.json' with { type: 'json' }
import connection from './connection.json' with { type: 'json' }
import control from './control.json' with { type: 'json' }
import extensions from './extensions.json' with { type: 'json' }
import fields from './fields.json' with { type: 'json' }
import floods from './floods.json' with { type: 'json' }
import hpack from './hpack.json' with { type: 'json' }
import messages from './messages.json' with { type: 'json' }
import prior from './prior.json' with { type: 'json' }
import stages from './stages.json' with { type: 'json' }
import streams from './streams.json' with { type: 'json' }
import upgrades from './upgrades.json' with { type: 'json' }
import windows from './windows.json' with { type: 'json' }
import {
  churnCaseSchema,
  classesSchema,
  floodsSchema,
  frameCaseSchema,
  priorCaseSchema,
  stagesSchema,
  upgradeCaseSchema,
  type H2cChurnCase,
  type H2cFrameCase,
  type H2cPriorCase,
  type H2cUpgradeCase,
  type H2cWrong
} from './schema.ts'

const rules = classesSchema.parse(classes)

/** What a case may be convicted of: its own words before those of its class. */
export function wrongsOf(spec: { wrong: H2cWrong[] }, name: string): H2cWrong[] {
  const own = new Set(spec.wrong.map(({ as }) => as))
  return [...spec.wrong, ...rules[name]!.wrong.filter(({ as }) => !own.has(as))]
}

export const oraclesOf = (name: string): string[] => rules[name]!.oracles

const GROUPS = [accept, connection, streams, control, windows, hpack, messages, fields, extensions]
export const H2C_FRAME_CASES: readonly H2cFrameCase[] = GROUPS.flatMap((file) =>
  z.array(frameCaseSchema).parse(file)
).map((spec) => ({ ...spec, wrong: wrongsOf(spec, spec.expect) }))

/** The class of an upgrade case; `any` is weaker there than of frames. */
export const upgradeClass = ({ expect }: Pick<H2cUpgradeCase, 'expect'>): string =>
  expect === 'any' ? 'upgrade-any' : expect

export const H2C_UPGRADE_CASES: readonly H2cUpgradeCase[] = z
  .array(upgradeCaseSchema)
  .parse(upgrades)
  .map((spec) => ({ ...spec, wrong: wrongsOf(spec, upgradeClass(spec)) }))

export const H2C_PRIOR_CASES: readonly H2cPriorCase[] = z
  .array(priorCaseSchema)
  .parse(prior)
  .map((spec) => ({ ...spec, wrong: wrongsOf(spec, spec.expect) }))

export const H2C_CHURN_CASES: readonly H2cChurnCase[] = z
  .array(churnCaseSchema)
  .parse(churn)
  .map((spec) => ({ ...spec, wrong: wrongsOf(spec, 'churn') }))

const { ms, frames, played } = floodsSchema.parse(floods)
/** Longest time of a flood, ms. */
export const H2C_FLOOD_MS = ms
export const H2C_FLOOD_CASES = frames.map((spec) => ({ ...spec, wrong: wrongsOf(spec, 'flood') }))
export const H2C_PLAYED_FLOODS = played.map((spec) => ({ ...spec, wrong: wrongsOf(spec, 'flood') }))

/** Moments of a connection at which a client goes, and the ways to go. */
export const H2C_STAGES = stagesSchema.parse(stages)

/** The case of a stage and a way. */
export const stageCaseId = (stage: string, way: string): string => `stage-${stage}-${way}`

/** The title of a finding. @param told what was seen */
export function wordsOf({ says }: H2cWrong, title: string, told = ''): string {
  return says.replaceAll('{title}', title).replaceAll('{told}', told).trim()
}
