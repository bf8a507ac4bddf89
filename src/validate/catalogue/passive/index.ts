/** Rules that watch every answer and send nothing (RFC 9110, RFC 9112), as data, read and checked once. */
import { z } from 'zod'
import { severitySchema } from '../../../documents/finding.ts'
import { aboutFields, type CaseInfo } from '../about.ts'
import framing from './framing.json' with { type: 'json' }
import semantics from './semantics.json' with { type: 'json' }

const ruleSchema = z.strictObject({
  ...aboutFields,
  group: z.enum(['framing', 'semantics']),
  /** Which answers the rule is about. */
  applies: z.string().min(1),
  /** Default I-RFC-1 in framing, I-RFC-3 in semantics. */
  predicate: z.string().optional(),
  /** `when` names the way in which the rule is broken; the oracle tells which it was. */
  wrong: z
    .array(z.strictObject({ when: z.string(), severity: severitySchema, says: z.string().min(1) }))
    .nonempty()
})
export type PassiveRule = z.infer<typeof ruleSchema>

export const PASSIVE_RULES: readonly PassiveRule[] = [framing, semantics].flatMap((file) =>
  z.array(ruleSchema).parse(file)
)

const byId = new Map(PASSIVE_RULES.map((rule) => [rule.id, rule]))

/** @throws Error for an id that no rule has */
export function passiveRule(id: string): PassiveRule {
  const rule = byId.get(id)
  if (rule === undefined) throw new Error(`no rule is called "${id}"`)
  return rule
}

export function predicateOf({ group, predicate }: PassiveRule): string {
  return predicate ?? (group === 'framing' ? 'I-RFC-1' : 'I-RFC-3')
}

/** The rules as they are listed. */
export function passiveInfos(): CaseInfo[] {
  return PASSIVE_RULES.map(({ id, group, title, standard, strength, applies, right, wrong }) => ({
    protocol: 'passive',
    id,
    group,
    title,
    standard,
    strength,
    steps: [`nothing is sent: ${applies}, whichever case or walker asked for it`],
    twin: 'all other answers of the same server to which the rule applies',
    right,
    wrong: wrong.map(({ severity, says }) => ({ severity, says })),
    oracles: ['O19']
  }))
}
