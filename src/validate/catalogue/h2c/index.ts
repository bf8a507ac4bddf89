/** HTTP/2 cases in clear (RFC 9113, RFC 7541, RFC 7540 3.2), read and checked once; the cases are `*.json`. */
import { z } from 'zod'
import { FRAME, type FrameName } from '../../../wire/http2.ts'
import frames from './frames.json' with { type: 'json' }
import upgrades from './upgrades.json' with { type: 'json' }

const field = z.tuple([z.string(), z.string()])

const blockSchema = z.strictObject({
  /** The request that it is made of: GET of the plain route, POST of a route that takes a body, or nothing. */
  of: z.enum(['get', 'post', 'none']),
  /** Pseudo-fields left out. */
  drop: z.array(z.string()).optional(),
  /** Fields before all others. */
  first: z.array(field).optional(),
  /** Fields behind all others. */
  add: z.array(field).optional(),
  /** Fields that stand twice. */
  twice: z.array(z.string()).optional(),
  /** Pseudo-fields of the request that stand behind all others. */
  late: z.array(z.string()).optional(),
  /** Bytes before and behind the encoded fields, hexadecimal. */
  head: z.string().optional(),
  hex: z.string().optional(),
  /** Part of the block's bytes: from, to. */
  slice: z.union([z.tuple([z.int()]), z.tuple([z.int(), z.int()])]).optional()
})
export type H2cBlock = z.infer<typeof blockSchema>

const names = Object.keys(FRAME) as [FrameName, ...FrameName[]]

const frameSchema = z.strictObject({
  type: z.union([z.enum(names), z.int().min(0).max(255)]),
  flags: z.int().default(0),
  stream: z.int(),
  /** The reserved bit of the stream identifier. */
  reserved: z.boolean().optional(),
  /** The payload: `before`, the block, `hex`. */
  before: z.string().optional(),
  block: blockSchema.optional(),
  hex: z.string().optional(),
  /** Filled up to one byte above the peer's SETTINGS_MAX_FRAME_SIZE. */
  overlong: z.boolean().optional()
})
export type H2cFrame = z.infer<typeof frameSchema>

/**
 * What the standard demands.
 * `answered`: the request is served like its twin. `connection`: a connection error, which ends the TCP connection; the
 * GOAWAY before is a SHOULD. `preface`: the same, or an answer in HTTP/1.1 on a port that speaks both. `stream`: a stream
 * error, which may be made a connection error (5.4.2). `malformed`: the request must not be served; RST_STREAM,
 * a connection error or an answer of 4xx (8.1.1) are right. `any`: only that nobody else suffers.
 */
const EXPECTATIONS = ['answered', 'connection', 'preface', 'stream', 'malformed', 'any'] as const

const frameCaseSchema = z.strictObject({
  id: z.string(),
  group: z.enum(['accept', 'connection', 'streams', 'control', 'windows', 'hpack', 'messages']),
  title: z.string(),
  standard: z.string().regex(/^RFC \d+ [\d.]+$/),
  /** Sent behind preface, SETTINGS and the acknowledgement of the server's SETTINGS. */
  frames: z.array(frameSchema),
  expect: z.enum(EXPECTATIONS),
  /** Streams that must be answered. */
  answers: z.array(z.int()).default([1]),
  /** A route that takes a POST, and reads its body before it answers. */
  needs: z.literal('body').optional(),
  /** Preface, SETTINGS and frames in segments of one byte. */
  bytewise: z.boolean().default(false),
  /** The frames follow the preface at once, without SETTINGS. */
  bare: z.boolean().default(false),
  /** Served is no breach by itself where the offending field was left out; only an echo can tell. */
  lenient: z.boolean().default(false),
  /** Default MED. */
  severity: z.enum(['LOW', 'MED']).default('MED')
})
export type H2cFrameCase = z.infer<typeof frameCaseSchema>
export const H2C_FRAME_CASES: readonly H2cFrameCase[] = z.array(frameCaseSchema).parse(frames)

const upgradeCaseSchema = z.strictObject({
  id: z.string(),
  title: z.string(),
  standard: z.string().regex(/^RFC \d+ [\d.]+$/),
  /**
   * `well-formed`: upgraded and served, or served without. `refuse`: must not be upgraded, and is served or refused in
   * HTTP/1. `settings`: not upgraded, or upgraded and then ended by a connection error. `any`: answered somehow.
   */
  expect: z.enum(['well-formed', 'refuse', 'settings', 'any']),
  /** Fields beside Host; null leaves one out; a list sends a line each. */
  fields: z.record(z.string(), z.union([z.string(), z.null(), z.array(z.string())])),
  method: z.literal('POST').optional(),
  body: z.string().optional(),
  version: z.literal('1.0').optional(),
  /** A GET follows in the same segment. */
  pipelined: z.boolean().default(false),
  /** Sent on a connection on which a request was served. */
  second: z.boolean().default(false),
  /** Default MED. */
  severity: z.enum(['LOW', 'MED']).default('MED')
})
export type H2cUpgradeCase = z.infer<typeof upgradeCaseSchema>
export const H2C_UPGRADE_CASES: readonly H2cUpgradeCase[] = z.array(upgradeCaseSchema).parse(upgrades)

/** Load and changes on living connections: what each is, and the rule that it stands on. */
export const H2C_CHURN_CASES = [
  { id: 'churn-streams', title: 'many short streams beside each other', standard: 'RFC 9113 5.1.2' },
  { id: 'churn-bodies', title: 'bodies of many sizes, their frames interleaved', standard: 'RFC 9113 6.1' },
  { id: 'churn-cancel', title: 'half of the streams cancelled, half finished', standard: 'RFC 9113 6.4' },
  {
    id: 'stream-limit',
    title: 'streams up to the limit that the server sets, and one more',
    standard: 'RFC 9113 5.1.2'
  },
  { id: 'ping-same', title: 'pings between requests', standard: 'RFC 9113 6.7' },
  { id: 'settings-acks', title: 'ten changes of settings', standard: 'RFC 9113 6.5.3' },
  { id: 'settings-table', title: 'the header table off and on again', standard: 'RFC 9113 4.3.1' },
  {
    id: 'settings-window',
    title: 'the initial window down and up during a response',
    standard: 'RFC 9113 6.9.2'
  },
  { id: 'settings-frame-size', title: 'a larger maximum of the frame size', standard: 'RFC 9113 4.2' },
  { id: 'window-zero', title: 'a window of nothing, then open', standard: 'RFC 9113 6.9.1' },
  { id: 'window-tiny', title: 'a window that opens byte by byte', standard: 'RFC 9113 6.9.1' },
  { id: 'window-upload', title: 'a body longer than the window of the server', standard: 'RFC 9113 6.9' },
  { id: 'goaway-client', title: 'GOAWAY of the client with open streams', standard: 'RFC 9113 6.8' }
] as const
export type H2cChurnId = (typeof H2C_CHURN_CASES)[number]['id']

/** Abuse in bounds; a server may end the connection, and others must be served all the while. */
export const H2C_FLOOD_CASES = [
  { id: 'rapid-reset', title: 'streams opened and reset at once' },
  { id: 'reset-by-server', title: 'streams that the server must reset' },
  { id: 'ping-flood', title: 'pings without reading' },
  { id: 'settings-flood', title: 'SETTINGS without reading' },
  { id: 'empty-data', title: 'empty DATA frames' },
  { id: 'continuation-flood', title: 'a header block without end' },
  { id: 'window-stall', title: 'large responses on windows of nothing' }
] as const
export type H2cFloodId = (typeof H2C_FLOOD_CASES)[number]['id']

/** Where a client goes; `over` says which way HTTP/2 was begun. */
export const H2C_KILL_STAGES = [
  { id: 'before-preface', over: 'prior', title: 'before the preface' },
  { id: 'in-preface', over: 'prior', title: 'within the preface' },
  { id: 'after-settings', over: 'prior', title: 'after SETTINGS' },
  { id: 'in-headers', over: 'prior', title: 'in the middle of a header block' },
  { id: 'in-body', over: 'prior', title: 'in the middle of a body' },
  { id: 'unread', over: 'prior', title: 'with open streams and unread data' },
  { id: 'after-goaway', over: 'prior', title: 'after GOAWAY with open streams' },
  { id: 'up-in-request', over: 'upgrade', title: 'in the middle of the upgrade request' },
  { id: 'up-unread', over: 'upgrade', title: 'after the upgrade request, with the 101 unread' },
  { id: 'up-after-101', over: 'upgrade', title: 'after the 101' },
  { id: 'up-in-preface', over: 'upgrade', title: 'within the preface after the 101' }
] as const
export type H2cKillStage = (typeof H2C_KILL_STAGES)[number]['id']

export const H2C_KILL_WAYS = [
  { id: 'rst', title: 'RST' },
  { id: 'fin', title: 'FIN' },
  { id: 'silence', title: 'silence' }
] as const
export type H2cKillWay = (typeof H2C_KILL_WAYS)[number]['id']

/** Sizes of the load; a round of each is bounded. */
export const H2C_NUMBERS = {
  streams: 240,
  bodies: 24,
  /** Longest body of `churn-bodies`. */
  body: 50_000,
  /** Longest limit of streams that is filled. */
  limit: 300,
  cancels: 160,
  pings: 20,
  settings: 10,
  resets: 300,
  badStreams: 200,
  flood: 500,
  continuations: 300,
  stalled: 20,
  tiny: 40,
  upload: 300_000,
  clients: 4,
  batch: 10,
  /** Streams per client of the kill stage `unread`. */
  unread: 10
} as const
