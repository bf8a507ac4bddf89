/** The one shape for whatever an oracle proves. */
import { z } from 'zod'

export const severitySchema = z.enum(['HIGH', 'MED', 'LOW'])
/**
 * HIGH: crash, hang of other clients, desync, leak, lost write. MED: a MUST of a standard.
 * LOW: a SHOULD, or hygiene.
 */
export type Severity = z.infer<typeof severitySchema>

export const evidenceValueSchema = z.union([z.string(), z.number(), z.boolean()])

/** A reader asks only for predicate and severity; everything else may be absent and is shown as not stated. */
export const findingSchema = z.looseObject({
  id: z.string().optional(),
  predicate: z.string().min(1),
  severity: severitySchema,
  /** `refapp/engine/arch` */
  cell: z.string().optional(),
  slice: z.string().optional(),
  /** Name of the case, stable over releases: `te-xchunked`. */
  case: z.string().optional(),
  /** One sentence. */
  title: z.string().optional(),
  /** Document and section: `RFC 9112 6.1`. */
  standard: z.string().optional(),
  /** Exact bytes, base64. */
  sent: z.string().optional(),
  received: z.string().optional(),
  /** What each oracle saw, by oracle. */
  evidence: z.record(z.string(), evidenceValueSchema).optional(),
  /** Seen k times in n tries. */
  repeats: z.object({ k: z.int().min(0), n: z.int().min(1) }).optional(),
  /** Stable over runs, seeds and hosts. */
  fingerprint: z.string().optional(),
  observed_at: z.string().optional(),
  /** Folder of the incident's forensics, relative to the document. */
  incident: z.string().optional(),
  /** File that repeats it, relative to the document; where there is none, `evidence.not_replayable` says why. */
  replay: z.string().optional()
})
export type Finding = z.infer<typeof findingSchema>
