/** The shape of a WebSocket case. Cases are data; what they mean is written here once. */
import { z } from 'zod'
import { severitySchema } from '../../../documents/finding.ts'
import { aboutFields } from '../about.ts'

const payload = {
  text: z.string().optional(),
  hex: z
    .string()
    .regex(/^([0-9a-f]{2})*$/)
    .optional(),
  /** So many bytes `*`. */
  fill: z.int().optional()
}

const frameSchema = z.strictObject({
  op: z.int().min(0).max(15),
  ...payload,
  /** Default true. */
  fin: z.boolean().optional(),
  /** Bits RSV1 (4), RSV2 (2), RSV3 (1). */
  rsv: z.int().optional(),
  /** Default true. */
  masked: z.boolean().optional(),
  /** Masking key, hexadecimal; default: drawn. */
  mask: z.string().length(8).optional(),
  /** Length field in place of the true one, hexadecimal, from its 7 bits on: `7e0002`. */
  length: z.string().optional()
})
/** A frame by its fields; the runner masks it. */
export type WsFrame = z.infer<typeof frameSchema>

/** Frames that are sent so many times behind each other. */
const repeatedSchema = z.strictObject({ times: z.int().positive(), frames: z.array(frameSchema).min(1) })
export type WsItem = WsFrame | z.infer<typeof repeatedSchema>

const messageSchema = z.strictObject({ op: z.union([z.literal(1), z.literal(2)]), ...payload })

/**
 * What the standard demands: `echo` the messages come back, `pong` the ping is answered, `close` the closing handshake
 * is completed, `fail` the connection is failed (7.1.7: a Close frame, or the end of the TCP connection), `ends` the TCP
 * connection ends, `any` only that nobody else suffers.
 */
const expectationSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('echo'),
    messages: z.array(messageSchema),
    /** Payload of a pong that must come too, hexadecimal. */
    pong: z.string().optional()
  }),
  z.strictObject({ kind: z.literal('pong'), ...payload }),
  z.strictObject({
    kind: z.literal('close'),
    code: z.int().optional(),
    /** Messages before the Close that may be answered. Default 0. */
    allowed: z.int().optional()
  }),
  z.strictObject({
    kind: z.literal('fail'),
    /** Codes that say what is wrong; others are no breach. */
    codes: z.array(z.int()),
    /** Silence is no breach: the rule binds the sender only. */
    silence: z.boolean().optional(),
    /** Messages before the broken frame that may still be answered. */
    allowed: z.int().optional()
  }),
  z.strictObject({ kind: z.literal('ends') }),
  z.strictObject({ kind: z.literal('any') })
])
export type WsExpectation = z.infer<typeof expectationSchema>

const shared = {
  ...aboutFields,
  /** The well-formed conduct beside it. */
  twin: z.string().optional(),
  /** Severities other than those of `outcomes.json`, by symptom. */
  wrong: z.record(z.string(), severitySchema).optional()
}
/** What programs do, a sentence a step. */
const steps = z.array(z.string()).min(1)

export const framesSchema = z.strictObject({
  ...shared,
  play: z.literal('frames'),
  /** Sec-WebSocket-Extensions of the handshake. A server that declines makes the case inapplicable. */
  offer: z.string().optional(),
  /** Sent in one segment where nothing else is said; a short case is played byte by byte as well. */
  frames: z.array(z.union([frameSchema, repeatedSchema])),
  /** Segments of so many bytes. */
  segment: z.int().positive().optional(),
  /** Between segments, ms. While they leave, others are asked. */
  pauseMs: z.int().optional(),
  /** What follows the frames. */
  then: z.enum(['fin', 'rst']).optional(),
  /** What a server may limit by closing, which makes the case inapplicable. */
  limit: z.string().optional(),
  /** Longest time to send, ms, and the number of frames that must have left by then. */
  forMs: z.int().optional(),
  atLeast: z.int().optional(),
  /** A growth of the resident set that is worth a note, MiB; looked at where the process is known. */
  budgetMiB: z.int().optional(),
  expect: expectationSchema
})
export type WsFrameCase = z.infer<typeof framesSchema>

const handshakeSchema = z.strictObject({
  ...shared,
  play: z.literal('handshake'),
  method: z.string().optional(),
  version: z.literal('1.0').optional(),
  /** Fields replaced or added; null leaves one out; a list sends a line each; `{N blanks}` stands for so many. */
  fields: z.record(z.string(), z.union([z.string(), z.null(), z.array(z.string())])),
  /** So many fields `X-N: N` more. */
  filler: z.int().optional(),
  body: z.string().optional(),
  /** Sent in so many pieces. */
  pieces: z.int().optional(),
  /** Between the pieces, ms. */
  pauseMs: z.int().optional(),
  /** A frame (text `early`) in the same segment, which a client must not send (4.1): a server may drop it. */
  early: z.boolean().optional(),
  /**
   * `101` must be accepted, `refused` must not switch, `version` must be refused with Sec-WebSocket-Version, `declined`
   * must not be accepted with the extension.
   */
  expect: z.enum(['101', 'refused', 'version', 'declined', 'any'])
})
export type WsHandshakeCase = z.infer<typeof handshakeSchema>

const sequencesSchema = z.strictObject({
  ...shared,
  play: z.literal('sequences'),
  /** Text that must come back; else text that fails the connection. */
  valid: z.boolean(),
  /** Hexadecimal. Each is sent whole and cut at every byte into fragments. */
  sequences: z.array(z.string().regex(/^([0-9a-f]{2})+$/)).min(1)
})
export type WsSequencesCase = z.infer<typeof sequencesSchema>

const echoSchema = z.strictObject({
  ...shared,
  play: z.literal('stream'),
  /** Size of a message. */
  bytes: z.int(),
  messages: z.int(),
  inFlight: z.int(),
  op: z.union([z.literal(1), z.literal(2)]),
  /** Does not read for so long, ms, then reads on. */
  slowMs: z.int().optional(),
  /** Size of a fragment. */
  fragment: z.int().optional(),
  /** Compressed after this offer, each message for itself in a block as RFC 7692 7.2.3.3 has it. */
  offer: z.string().optional()
})
export type WsEchoCase = z.infer<typeof echoSchema>

const dependentSchema = z.strictObject({
  ...shared,
  play: z.literal('dependent'),
  steps,
  offer: z.string(),
  /** Our compressor refers to the messages before (unless the server forbade it). */
  context: z.boolean(),
  messages: z.int(),
  /** Size of the part that all messages share, and of the part that each repeats within itself. */
  sharedBytes: z.int(),
  repeatedBytes: z.int()
})
export type WsDependentCase = z.infer<typeof dependentSchema>

const bombSchema = z.strictObject({
  ...shared,
  play: z.literal('bomb'),
  steps,
  offer: z.string(),
  /** Size of the message that its frame announces, MiB. */
  announcedMiB: z.int(),
  /** What is sent of it. Never more than 64 MiB a try. */
  sentMiB: z.int().max(64),
  budgetMiB: z.int().optional()
})
export type WsBombCase = z.infer<typeof bombSchema>

const unreadSchema = z.strictObject({
  ...shared,
  play: z.literal('unread'),
  steps,
  op: z.union([z.literal(2), z.literal(9)]),
  bytes: z.int(),
  totalMiB: z.int().max(64),
  /** The server has stopped to take more when nothing left for so long, ms. */
  stalledMs: z.int(),
  /** So much that comes back once the client reads was held for it, MiB. */
  heldMiB: z.int().optional()
})
export type WsUnreadCase = z.infer<typeof unreadSchema>

const crowdFields = {
  ...shared,
  steps,
  clients: z.int(),
  /** The same where the server's limit of descriptors is not known. */
  unknown: z.int().optional()
}
const crowdSchema = z.strictObject({ ...crowdFields, play: z.literal('crowd'), messages: z.int() })
const idleSchema = z.strictObject({ ...crowdFields, play: z.literal('idle'), pinged: z.int() })
const closesSchema = z.strictObject({ ...crowdFields, play: z.literal('closes') })
export type WsCrowdCase = z.infer<typeof crowdSchema>
export type WsIdleCase = z.infer<typeof idleSchema>
export type WsClosesCase = z.infer<typeof closesSchema>

const abortsSchema = z.strictObject({
  ...shared,
  play: z.literal('aborts'),
  steps,
  batches: z.int(),
  /** Batches more before a growth is called a leak. */
  confirm: z.int(),
  clients: z.int(),
  announcedBytes: z.int(),
  sentBytes: z.int(),
  /** Share of what a batch sent that must remain of each batch. */
  share: z.number()
})
export type WsAbortsCase = z.infer<typeof abortsSchema>

const pingsSchema = z.strictObject({ ...shared, play: z.literal('pings'), steps, pings: z.int() })
export type WsPingsCase = z.infer<typeof pingsSchema>

const fragmentsSchema = z.strictObject({ ...shared, play: z.literal('fragments'), steps, fragments: z.int() })
export type WsFragmentsCase = z.infer<typeof fragmentsSchema>

export const WS_KILL_STAGES = ['after-101', 'in-header', 'in-payload', 'in-message'] as const
export type WsKillStage = (typeof WS_KILL_STAGES)[number]
export const WS_KILL_WAYS = ['rst', 'fin', 'silence'] as const
export type WsKillWay = (typeof WS_KILL_WAYS)[number]

const killSchema = z.strictObject({
  ...shared,
  play: z.literal('kill'),
  steps,
  stage: z.enum(WS_KILL_STAGES),
  way: z.enum(WS_KILL_WAYS),
  clients: z.int(),
  /** Clients of a batch in the search for what leaks; without it the case has no part in it. */
  batch: z.int().optional()
})
export type WsKillCase = z.infer<typeof killSchema>

const leakSchema = z.strictObject({ ...shared, play: z.literal('leak'), steps })

export const caseSchema = z.discriminatedUnion('play', [
  framesSchema,
  handshakeSchema,
  sequencesSchema,
  echoSchema,
  dependentSchema,
  bombSchema,
  unreadSchema,
  crowdSchema,
  idleSchema,
  closesSchema,
  abortsSchema,
  pingsSchema,
  fragmentsSchema,
  killSchema,
  leakSchema
])

const outcomeSchema = z.strictObject({
  predicate: z.string(),
  severity: severitySchema,
  says: z.string(),
  /** The oracle that decides. */
  oracle: z.string().regex(/^O\d+$/)
})
export type WsOutcome = z.infer<typeof outcomeSchema>
/** By expectation or play: by symptom, what is wrong. `all` is of every case, `framing` of those that read frames. */
export const outcomesSchema = z.record(z.string(), z.record(z.string(), outcomeSchema))
