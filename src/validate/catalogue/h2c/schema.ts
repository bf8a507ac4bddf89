/** The shapes of the HTTP/2 cases. A case says what is sent and what is right; `classes.json` says what is wrong. */
import { z } from 'zod'
import { severitySchema } from '../../../documents/finding.ts'
import { FLAG, FRAME, type FrameName } from '../../../wire/http2.ts'
import { aboutFields } from '../about.ts'

const field = z.tuple([z.string(), z.string()])

/**
 * Values may hold `{authority}`, `{path}` (of the request that it is made of), `{n}` (number of the unit) and
 * `{a:1000}` (so many letters).
 */
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
  /** How often `hex` stands there; default once. */
  times: z.int().positive().optional(),
  /** Part of the block's bytes: from, to. */
  slice: z.union([z.tuple([z.int()]), z.tuple([z.int(), z.int()])]).optional()
})
export type H2cBlock = z.infer<typeof blockSchema>

const names = Object.keys(FRAME) as [FrameName, ...FrameName[]]
const flagNames = Object.keys(FLAG) as [keyof typeof FLAG, ...(keyof typeof FLAG)[]]

const frameShape = {
  type: z.union([z.enum(names), z.int().min(0).max(255)]),
  /** Names, or the number where it holds flags without a name. */
  flags: z
    .union([z.int().min(0).max(255), z.array(z.enum(flagNames))])
    .default(0)
    .transform((flags) =>
      typeof flags === 'number' ? flags : flags.reduce((sum, name) => sum | FLAG[name], 0)
    ),
  /** The reserved bit of the stream identifier. */
  reserved: z.boolean().optional(),
  /** Sent once stream 1 has its answer, or once a PING behind the frames before has its own. */
  after: z.enum(['answer', 'pong']).optional(),
  /**
   * The payload: `before`, the block, `hex` so many `times`. `{stream}` in `hex` is the stream of the frame, `{i}` the
   * number of the repetition in four digits from 1000 on.
   */
  before: z.string().optional(),
  block: blockSchema.optional(),
  hex: z.string().optional(),
  times: z.int().positive().optional(),
  /** Filled up to one byte above the peer's SETTINGS_MAX_FRAME_SIZE. */
  overlong: z.boolean().optional()
}
const frameSchema = z.strictObject({ ...frameShape, stream: z.int() })
export type H2cFrame = z.infer<typeof frameSchema>
/** `new` is the next stream of the client, one for each unit. */
const unitFrameSchema = z.strictObject({ ...frameShape, stream: z.union([z.int(), z.literal('new')]) })
export type H2cUnitFrame = z.infer<typeof unitFrameSchema>

/** What is wrong, how hard, and the title of its finding; `{title}` is the case, `{told}` what was seen. */
const wrongSchema = z.strictObject({ as: z.string(), severity: severitySchema, says: z.string().min(1) })
export type H2cWrong = z.infer<typeof wrongSchema>

export const classesSchema = z.record(
  z.string(),
  z.strictObject({ wrong: z.array(wrongSchema), oracles: z.array(z.string().regex(/^O\d+$/)) })
)

/** Each takes the place of the class's own of the same name, or stands beside them. */
const wrong = z.array(wrongSchema).default([])

/**
 * What the standard demands.
 * `answered`: the request is served like its twin. `connection`: a connection error, which ends the TCP connection; the
 * GOAWAY before is a SHOULD. `preface`: the same, or an answer in HTTP/1.1 on a port that speaks both. `stream`: a stream
 * error, which may be made a connection error (5.4.2). `held`: the same, on a stream whose answer is held back by the
 * client's window, so that it is still half-closed. `malformed`: the request must not be served; RST_STREAM, a
 * connection error or an answer of 4xx (8.1.1) are right. `field`: the same, and where it is served the echo tells
 * whether the field was delivered or left out. `any`: only that nobody else suffers.
 */
export const EXPECTATIONS = [
  'answered',
  'connection',
  'preface',
  'stream',
  'held',
  'malformed',
  'field',
  'any'
] as const
export type H2cExpectation = (typeof EXPECTATIONS)[number]

export const frameCaseSchema = z.strictObject({
  ...aboutFields,
  expect: z.enum(EXPECTATIONS),
  /** The well-formed case beside it, which must be served; default the plain request. */
  twin: z.string().optional(),
  /** A route that takes a POST, and reads its body before it answers. */
  needs: z.literal('body').optional(),
  /** Streams that must be answered. */
  answers: z.array(z.int()).default([1]),
  /** Octets of a PING that must be acknowledged, hexadecimal. */
  pong: z.string().optional(),
  /** SETTINGS_INITIAL_WINDOW_SIZE of ours. */
  window: z.int().optional(),
  /** Preface, SETTINGS and frames in segments of one byte. */
  bytewise: z.boolean().default(false),
  /** The frames follow the preface at once, without SETTINGS. */
  bare: z.boolean().default(false),
  /** Sent behind preface, SETTINGS and the acknowledgement of the server's SETTINGS. */
  frames: z.array(frameSchema),
  wrong
})
export type H2cFrameCase = z.infer<typeof frameCaseSchema>

export const upgradeCaseSchema = z.strictObject({
  ...aboutFields,
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
  wrong
})
export type H2cUpgradeCase = z.infer<typeof upgradeCaseSchema>

export const priorCaseSchema = z.strictObject({
  ...aboutFields,
  /** What the port must speak. */
  needs: z.enum(['http1', 'http2', 'http1-only', 'http2-only']),
  /**
   * In the order sent, each after an answer to the one before: `{preface}`, `{settings}` (an empty SETTINGS frame),
   * `{request}` (a GET on stream 1), `{http1}` (a GET in HTTP/1.1), other text as it is.
   */
  sends: z.array(z.string()),
  /** So many connections, on each the bytes in two segments, the first of 1 to so many bytes. */
  cuts: z.int().positive().optional(),
  /** Length of the frame for which the garbage may be taken: who takes such frames may wait for it. */
  announces: z.int().optional(),
  /** `turned-away`: an answer in HTTP/1 that is no 2xx, or the end of the connection. */
  expect: z.enum(['turned-away', 'answered', 'connection', 'any']),
  twin: z.string(),
  wrong
})
export type H2cPriorCase = z.infer<typeof priorCaseSchema>

/** Figures of a case, which its steps name. */
const numbers = z.record(z.string(), z.int()).default({})
/** Sentences; `{name}` is a figure of the case. */
const steps = z.array(z.string())

export const churnCaseSchema = z.strictObject({
  ...aboutFields,
  steps,
  numbers,
  twin: z.string(),
  wrong
})
export type H2cChurnCase = z.infer<typeof churnCaseSchema>

const floodFields = { ...aboutFields, reference: z.string().optional(), twin: z.string(), wrong }

/** A flood of frames: `opens`, so many units, `ends`. */
export const floodCaseSchema = z.strictObject({
  ...floodFields,
  needs: z.literal('body').optional(),
  /** Most units; the time of the file ends it, too. */
  units: z.int().positive(),
  /** Longest time of this flood in place of the file's, ms. */
  ms: z.int().positive().optional(),
  /** What comes back is read. */
  reads: z.boolean().default(true),
  /** The next units wait for the answers to those before: never more streams than the server allows. */
  paced: z.boolean().default(false),
  opens: z.array(frameSchema).default([]),
  unit: z.array(unitFrameSchema),
  /** The end of the message on stream 1, which must be answered then; else a plain request follows. */
  ends: z.array(frameSchema).default([]),
  /** So few units must be served: proof that the flood is decodable. */
  control: z.strictObject({
    units: z.int().positive(),
    /** In place of the units of the flood, where those are faults. */
    unit: z.array(unitFrameSchema).optional(),
    /** The connection may be ended without an error. */
    mayEnd: z.boolean().default(false)
  })
})
export type H2cFloodCase = z.infer<typeof floodCaseSchema>

/** A flood that is played by a program of its own. */
export const playedFloodSchema = z.strictObject({ ...floodFields, steps, numbers })
export type H2cPlayedFlood = z.infer<typeof playedFloodSchema>

export const floodsSchema = z.strictObject({
  /** Longest time of a flood, ms. */
  ms: z.int().positive(),
  frames: z.array(floodCaseSchema),
  played: z.array(playedFloodSchema)
})

export const stagesSchema = z.strictObject({
  numbers: z.record(z.string(), z.int()),
  ways: z.array(z.strictObject({ id: z.enum(['rst', 'fin', 'pause']), title: z.string(), step: z.string() })),
  stages: z.array(
    z.strictObject({
      ...aboutFields,
      /** Which way HTTP/2 is begun; `either`: with prior knowledge where the server speaks it, else by upgrade. */
      over: z.enum(['prior', 'upgrade', 'either']),
      steps,
      twin: z.string()
    })
  ),
  /** What is left when all are gone. */
  remains: z.strictObject({ ...aboutFields, steps, twin: z.string() })
})
export type H2cStage = z.infer<typeof stagesSchema>['stages'][number]
export type H2cWay = z.infer<typeof stagesSchema>['ways'][number]
