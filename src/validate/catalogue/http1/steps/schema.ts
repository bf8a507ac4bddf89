/** The shape of a case that takes several steps. Steps are data; what each of them means is written here once. */
import { z } from 'zod'
import { severitySchema } from '../../../../documents/finding.ts'
import { aboutFields } from '../../about.ts'
import { NEEDS } from '../schema.ts'

/** A number, or the value of the variant that is played. */
const countSchema = z.union([z.int().nonnegative(), z.literal('{each}')])
export type Count = z.infer<typeof countSchema>

const formSchema = z.strictObject({ form: z.string(), body: z.string() })
export type Form = z.infer<typeof formSchema>

/**
 * What the client does, one after the other, on one connection that is opened for it.
 * `send`: these bytes; `times`: so often; `cut: bytes`: byte by byte; `lockstep`: each after the answer to the one before.
 * `form`: a POST of this media type and body. `wait`: for so many answers, for an interim answer (`continue`), or for the close; until the time limit.
 * `watch`: so many ms, shorter when something is answered or closed. `pause`: so many ms.
 * `most`: more answers than these, up to here, are answers to bytes within a message.
 * `pour`: these bytes over and over until answered, closed, or the budget of the case is spent.
 */
export const stepSchema = z.union([
  z.strictObject({
    send: z.string(),
    times: countSchema.optional(),
    cut: z.literal('bytes').optional(),
    lockstep: z.literal(true).optional()
  }),
  formSchema,
  z.strictObject({ wait: z.literal('answers'), count: countSchema }),
  z.strictObject({ wait: z.enum(['continue', 'close']) }),
  z.strictObject({ watch: z.int().positive() }),
  z.strictObject({ pause: z.int().positive() }),
  z.strictObject({ most: z.int().nonnegative() }),
  z.strictObject({ fin: z.literal(true) }),
  z.strictObject({ rst: z.literal(true) }),
  z.strictObject({ pour: z.string() })
])
export type Step = z.infer<typeof stepSchema>

/** What can be wrong, in the order in which it is looked for; the first that holds is the verdict. */
export const FAULTS = [
  /** A request within a body was answered, or there are more answers than requests. */
  'foreign',
  /** The answers stop being HTTP/1. */
  'garbage',
  /** An answer at another request's place, or of another connection. */
  'order',
  /** Raw control characters, or a field of the client's making, in the head of an answer. */
  'raw',
  /** The handler saw another body. */
  'body',
  /** The handler saw a body that was cut short. */
  'truncated',
  /** A request was answered that stands behind the end of the connection. */
  'used',
  /** The rest of a refused message was read as a request. */
  'leftover',
  /** Served, and must not be. */
  'accepted',
  /** The protocol was changed. */
  'switched',
  /** An interim answer. */
  'interim',
  /** An interim answer behind the final one. */
  'late-interim',
  /** Neither an interim nor a final answer. */
  'no-interim',
  /** Everything was read on and on, without answer or close. */
  'unbounded',
  /** The answer is far longer than its twin's. */
  'amplified',
  /** The resident set grew by the announced length. */
  'memory',
  /** Not answered as when it comes in one piece. */
  'differs',
  /** Nobody else was served. */
  'others',
  /** Descriptors stay after the clients have left. */
  'descriptors',
  /** The time to answer grows faster than the message. */
  'growth',
  /** Neither answered nor closed. */
  'hang',
  /** Closed, without notice, before all was answered. */
  'unanswered',
  /** A valid message was not served. */
  'refused',
  /** Answered with 400, as if the message were no HTTP. */
  'malformed',
  /** Answered with a 5xx that blames the server. */
  '5xx',
  /** Not closed, and must be. */
  'open'
] as const
export type Fault = (typeof FAULTS)[number]

const faultSchema = z.strictObject({
  when: z.enum(FAULTS),
  severity: severitySchema,
  /** Title of the finding: one sentence that a maintainer understands without the suite. */
  says: z.string().min(1)
})
export type StepFault = z.infer<typeof faultSchema>

/** Places that are looked for on the server; a case that names one is played there. */
export const PLACES = ['static', 'redirect', 'method', 'auth', 'early'] as const
export type Place = (typeof PLACES)[number]

const common = {
  ...aboutFields,
  needs: z.array(z.enum(NEEDS)).default([]),
  wrong: z.array(faultSchema).default([]),
  oracles: z.array(z.string().regex(/^O\d+$/)).min(1),
  /** The well-formed message beside it, served before and after. */
  twin: z.string()
}

export const scriptSchema = z.strictObject({
  ...common,
  kind: z.literal('script'),
  twin: z.union([z.string(), formSchema]),
  place: z.enum(PLACES).optional(),
  /** The case is played once for each of these, which stand for `{each}`. */
  each: z.array(z.string()).optional(),
  /** `{UNITS}` is this text, `{each}` times; `{n}` counts. */
  unit: z.string().optional(),
  steps: z.array(stepSchema).min(1),
  /** So many of the requests are to be answered. */
  due: countSchema,
  /** Positions of HEAD requests. */
  heads: z.array(z.int().nonnegative()).default([]),
  /** Body that the handler must see of the twin, and of the first request itself where `body` is judged. */
  delivers: z.string().optional(),
  /** The same bytes in one piece: both must be answered alike. */
  whole: z.string().optional(),
  /** So many connections do this, a few at a time; then descriptors are counted. */
  connections: z.int().positive().optional(),
  /** Any answer to the twin shows that it was read. */
  twinAny: z.literal(true).optional(),
  /** Runs when nothing else does, after all others. */
  alone: z.literal(true).optional()
})
export type Script = z.infer<typeof scriptSchema>

export const siegeSchema = z.strictObject({
  ...common,
  kind: z.literal('siege'),
  /** How many connections are held at once, one number after the other. */
  connections: z.array(z.int().positive()),
  /** What each of them sends at once; nothing for idle ones. */
  sends: z.string(),
  /** What follows, each tenth of a second. */
  drip: z.string(),
  /** Answers are not read. */
  reads: z.boolean().default(true)
})
export type Siege = z.infer<typeof siegeSchema>

export const growthSchema = z.strictObject({
  ...common,
  kind: z.literal('growth'),
  /** Each field with each unit, repeated to each length. */
  fields: z.array(z.string()),
  units: z.array(z.string()),
  /** Three lengths, each twice the one before. */
  lengths: z.array(z.int().positive()).length(3),
  /** Time for the longest below which nothing is asked, ms. */
  leastMs: z.number(),
  /** A doubling that takes more than so many times as long, twice in a row, convicts. */
  ratio: z.number()
})
export type Growth = z.infer<typeof growthSchema>

export const injectionSchema = z.strictObject({
  ...common,
  kind: z.literal('injection'),
  /** Stands, percent-encoded as here, in the query of a route that reflects it into a field. `{nonce}` is filled in. */
  payload: z.string()
})
export type Injection = z.infer<typeof injectionSchema>

export const stepCaseSchema = z.discriminatedUnion('kind', [
  scriptSchema,
  siegeSchema,
  growthSchema,
  injectionSchema
])
export type StepCase = z.infer<typeof stepCaseSchema>
