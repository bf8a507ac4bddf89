/** The shape of a protocol case. Cases are data; what they mean is written here once. */
import { z } from 'zod'
import { severitySchema } from '../../../documents/finding.ts'
import { aboutFields } from '../about.ts'

/** What convicts, how hard, and in which words. */
const convictionSchema = z.strictObject({
  severity: severitySchema,
  /** Title of the finding: one sentence that a maintainer understands without the suite. */
  says: z.string().min(1),
  /** Default I-ADV-ACCEPTED. */
  predicate: z.string().optional()
})
export type Conviction = z.infer<typeof convictionSchema>

const judgeFields = {
  /**
   * The message was served. `must`: anything else is a refusal of a valid message. `allowed`: no fault.
   * `sanitised`: legal only when the echo shows it repaired. `advisory`: said, not judged, by status alone.
   */
  accepted: z.union([convictionSchema, z.enum(['must', 'allowed', 'sanitised', 'advisory'])]),
  /** Bodies which, when the echo shows them, convict. Templates. */
  reads: z.array(convictionSchema.extend({ body: z.string() })),
  /** The message was served, and the echo shows another body than the one that the case delivers. */
  misread: convictionSchema,
  /** Characters which, when the echo shows them within the named field, convict. */
  fields: z.array(convictionSchema.extend({ name: z.string(), has: z.string() })),
  /** The same within any field name. */
  names: z.array(convictionSchema.extend({ has: z.string() })),
  /** The same within the request target. */
  target: z.array(convictionSchema.extend({ has: z.string() })),
  /** The repaired value that makes `sanitised` legal; without one, the field must be gone. */
  sanitised: z.strictObject({ name: z.string(), value: z.string().optional() }),
  /** Bytes of the message were answered as a request of their own. */
  foreign: convictionSchema,
  /** The request behind the message was answered. `must`: it has to be, unless the first answer announces the close. */
  canary: z.union([convictionSchema, z.enum(['allowed', 'must'])]),
  /** When must the connection be closed: after any answer, after a refusal, or need not. */
  close: z.enum(['always', 'rejected', 'no']),
  /** No answer and no close until the time limit. `allowed` where the message may be taken for incomplete. */
  silence: z.enum(['allowed', 'hang']),
  /** Sent after silence: an answer to these bytes shows how the message was framed. A template. */
  unblock: convictionSchema.extend({ bytes: z.string() }),
  /** A status of 5xx other than 501, 503 and 505. */
  error5xx: z.union([convictionSchema, z.literal('allowed')]),
  /** Title of the finding when a valid message is refused. */
  refused: z.string(),
  /** The status of the first answer says nothing here. */
  anyStatus: z.boolean()
}
export const judgeSchema = z.strictObject(judgeFields).partial()
export type Judge = z.infer<typeof judgeSchema>

/**
 * Verdict class of a case: which answers are right.
 * `ACC`: served; `+C`: and the connection closed after it. `REJ+C`: refused, and closed where the rule says so.
 * `REJ|SAN`: refused, or served with the defect repaired. `REJ|+C`: refused, or served and closed. `DEC`: refused (a
 * SHOULD), and never decoded as if it were valid. `FRAME`: the body is consumed, or the connection closed. `SHD`:
 * refused (a SHOULD): served is said and not judged. `LIM`: served, or refused with 4xx. `MAY`: any one answer.
 */
export const CLASSES = [
  'ACC',
  'ACC+C',
  'REJ+C',
  'REJ|SAN',
  'REJ|+C',
  'DEC',
  'FRAME',
  'SHD',
  'LIM',
  'MAY'
] as const
export type CaseClass = (typeof CLASSES)[number]

export const NEEDS = ['post', 'chunked', 'keepAlive', 'pipelining', 'readsBody', 'head'] as const
export type Need = (typeof NEEDS)[number]

export const caseSchema = z.strictObject({
  ...aboutFields,
  class: z.enum(CLASSES),
  /** What the server must be able to do, or the case cannot be judged there. */
  needs: z.array(z.enum(NEEDS)).default([]),
  /** The message. Text is latin1; placeholders are those of `render.ts`. */
  sends: z.string(),
  /** FIN follows the bytes. */
  fin: z.boolean().default(false),
  /** The same message, made valid by the smallest change. */
  twin: z.string(),
  /** Body that the handler must see of the twin, and of the message itself in class ACC. */
  delivers: z.string().optional(),
  /** How it is answered may hang on what has come by then: what stands behind the close means nothing. */
  segments: z.literal('free').optional(),
  /** Runs when nothing else does, after all others. */
  alone: z.boolean().default(false),
  judge: judgeSchema
})
type Filled = 'accepted' | 'close' | 'silence' | 'foreign'
/** A case with the defaults of its class filled in. */
export type ProtocolCase = Omit<z.infer<typeof caseSchema>, 'judge'> & {
  judge: Omit<Judge, Filled> & { [K in Filled]: NonNullable<Judge[K]> }
}

/** The same answer is demanded however the message is cut; where any answer is right, nothing is demanded of it. */
export const comparesSegments = (entry: Pick<ProtocolCase, 'class' | 'segments'>): boolean =>
  entry.class !== 'MAY' && entry.class !== 'LIM' && entry.segments === undefined

export const classesSchema = z.record(z.enum(CLASSES), judgeSchema)
