/** WebSocket cases (RFC 6455), read and checked once; the cases themselves are `*.json`. */
import { z } from 'zod'
import echoes from './echoes.json' with { type: 'json' }
import frames from './frames.json' with { type: 'json' }
import handshakes from './handshakes.json' with { type: 'json' }

const payload = { text: z.string(), hex: z.string(), /** So many bytes `*`. */ fill: z.int() }

const frameSchema = z.strictObject({
  op: z.int().min(0).max(15),
  ...z.object(payload).partial().shape,
  /** Default true. */
  fin: z.boolean().optional(),
  /** Bits RSV1 (4), RSV2 (2), RSV3 (1). */
  rsv: z.int().optional(),
  /** Default true. */
  masked: z.boolean().optional(),
  /** Length field in place of the true one, hexadecimal, from its 7 bits on: `7e0002`. */
  length: z.string().optional()
})
/** A frame by its fields; the runner masks it. */
export type WsFrame = z.infer<typeof frameSchema>

const messageSchema = z.strictObject({
  op: z.union([z.literal(1), z.literal(2)]),
  ...z.object(payload).partial().shape
})

/**
 * What the standard demands: `echo` the messages come back, `pong` the ping is answered, `close` the closing handshake
 * is completed, `fail` the connection is failed (7.1.7: a Close frame, or the end of the TCP connection), `any` only
 * that nobody else suffers.
 */
const expectationSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('echo'), messages: z.array(messageSchema), pong: z.string().optional() }),
  z.strictObject({ kind: z.literal('pong'), ...z.object(payload).partial().shape }),
  z.strictObject({ kind: z.literal('close'), code: z.int().optional() }),
  z.strictObject({
    kind: z.literal('fail'),
    /** Codes that say what is wrong; others are no breach. */
    codes: z.array(z.int()),
    /** Silence is no breach: the rule binds the sender only. */
    silence: z.boolean().optional(),
    /** Messages before the broken frame that may still be answered. */
    allowed: z.int().optional()
  }),
  z.strictObject({ kind: z.literal('any') })
])
export type WsExpectation = z.infer<typeof expectationSchema>

const frameCaseSchema = z.strictObject({
  id: z.string(),
  group: z.enum(['frames', 'fragments', 'control', 'close', 'utf8']),
  title: z.string(),
  standard: z.string(),
  frames: z.array(frameSchema),
  expect: expectationSchema,
  /** One byte per segment. */
  bytewise: z.boolean().optional()
})
export type WsFrameCase = z.infer<typeof frameCaseSchema>
export const WS_FRAME_CASES: readonly WsFrameCase[] = z.array(frameCaseSchema).parse(frames)

const handshakeCaseSchema = z.strictObject({
  id: z.string(),
  title: z.string(),
  standard: z.string(),
  method: z.string().optional(),
  version: z.literal('1.0').optional(),
  /** Fields replaced or added; null leaves one out; a list sends a line each; `{N blanks}` stands for so many. */
  fields: z.record(z.string(), z.union([z.string(), z.null(), z.array(z.string())])),
  body: z.string().optional(),
  /** A frame (text `early`) in the same segment, which a client must not send (4.1): a server may drop it. */
  early: z.boolean().optional(),
  /** `101` must be accepted, `refused` must not switch, `version` must be refused with Sec-WebSocket-Version. */
  expect: z.enum(['101', 'refused', 'version', 'any']),
  /** Default MED. */
  severity: z.enum(['LOW', 'MED']).optional()
})
export type WsHandshakeCase = z.infer<typeof handshakeCaseSchema>
export const WS_HANDSHAKE_CASES: readonly WsHandshakeCase[] = z.array(handshakeCaseSchema).parse(handshakes)

const echoCaseSchema = z.strictObject({
  id: z.string(),
  title: z.string(),
  /** Size of a message. */
  bytes: z.int(),
  messages: z.int(),
  inFlight: z.int(),
  op: z.union([z.literal(1), z.literal(2)]),
  /** Does not read for a while. */
  slow: z.boolean(),
  /** Size of a fragment. */
  fragment: z.int().optional()
})
export type WsEchoCase = z.infer<typeof echoCaseSchema>
/** Streams of numbered messages that must come back equal and in order. */
export const WS_ECHO_CASES: readonly WsEchoCase[] = z.array(echoCaseSchema).parse(echoes)

/** Where a client goes, and how. */
export const WS_KILL_STAGES = [
  { id: 'after-101', title: 'right after the 101' },
  { id: 'in-header', title: 'in the middle of a frame header' },
  { id: 'in-payload', title: 'in the middle of a payload' },
  { id: 'in-message', title: 'between the fragments of a message' }
] as const
export type WsKillStage = (typeof WS_KILL_STAGES)[number]['id']

export const WS_KILL_WAYS = [
  { id: 'rst', title: 'RST' },
  { id: 'fin', title: 'FIN' },
  { id: 'silence', title: 'silence' }
] as const
export type WsKillWay = (typeof WS_KILL_WAYS)[number]['id']

/** Pings and fragments of the floods, connections of the crowd, clients per kill case and per leak batch. */
export const WS_NUMBERS = {
  pings: 1000,
  fragments: 1000,
  crowd: 50,
  crowdMessages: 4,
  clients: 4,
  batch: 10
} as const
