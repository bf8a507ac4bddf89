/** What the gate says of a document. */
import { z } from 'zod'
import { findingSchema } from './finding.ts'
import { anyWaiverSchema } from './waivers.ts'

/** Rules of the gate by id. */
export const RULES = {
  'no-cells': 'No cell ran.',
  aborted: 'The run was stopped before its end.',
  finding: 'A finding at or above the threshold.',
  counter: 'A counter that must be zero is not, in a cell that lists no findings.',
  silent: 'A property that no cell could judge.',
  vacuous: 'Too little was exercised to say anything.',
  status: 'The cell failed by its own word.',
  harness: "The cell broke by the suite's own fault or the machine's.",
  'expect-cells': 'Fewer cells ran than were expected.'
} as const
export type Rule = keyof typeof RULES
const ruleSchema = z.enum(Object.keys(RULES) as [Rule, ...Rule[]])

export const refusalSchema = z.object({
  rule: ruleSchema,
  /** `refapp/engine/arch`; absent for the document as a whole. */
  cell: z.string().optional(),
  text: z.string(),
  finding: findingSchema.optional()
})
export type Refusal = z.infer<typeof refusalSchema>

export const verdictSchema = z.object({
  outcome: z.enum(['pass', 'findings', 'usage', 'infrastructure', 'aborted']),
  refusals: z.array(refusalSchema),
  waived: z.array(z.object({ finding: findingSchema, cell: z.string(), waiver: anyWaiverSchema })),
  /** Waivers that no longer hold, and waivers that met nothing. */
  expired: z.array(anyWaiverSchema),
  unused: z.array(anyWaiverSchema),
  counts: z.object({ high: z.int(), med: z.int(), low: z.int() }),
  cells: z.object({
    total: z.int(),
    ran: z.int(),
    not_run: z.int(),
    vacuous: z.int(),
    failed: z.int(),
    /** Ran, and the document does not state a status. */
    unclear: z.int()
  })
})
export type Verdict = z.infer<typeof verdictSchema>
