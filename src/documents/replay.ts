/**
 * A replay file: one finding as what was done on the wire, with all that is needed to do and to judge it again.
 * It holds bytes and not a seed; the seed is kept for those who want the run.
 */
import { z } from 'zod'
import { evidenceValueSchema, severitySchema } from './finding.ts'

/** Files of the same major number can be read. */
export const REPLAY_VERSION = '1.1'

const conn = z.int().min(0)
const base64 = z.base64()

/**
 * One step on one connection. `read-until` is a barrier: `answer` waits until something has come and nothing more
 * follows for a moment, `close` until the peer has ended the connection; `ms` bounds it. `pause` is for what has no
 * barrier.
 */
export const stepSchema = z.discriminatedUnion('op', [
  z.strictObject({ conn, op: z.literal('connect') }),
  z.strictObject({ conn, op: z.literal('send'), bytes_b64: base64 }),
  z.strictObject({ conn, op: z.literal('fin') }),
  z.strictObject({ conn, op: z.literal('rst') }),
  z.strictObject({
    conn,
    op: z.literal('read-until'),
    barrier: z.enum(['answer', 'close']),
    ms: z.number().min(0)
  }),
  z.strictObject({ conn, op: z.literal('pause'), ms: z.number().min(0) })
])
export type Step = z.infer<typeof stepSchema>

/** What was done and what came back, in order. */
export const exchangeSchema = z.strictObject({
  steps: z.array(stepSchema),
  /** All that came, of each connection. */
  received_b64: z.array(base64),
  /** How the server left each connection: `open`, `fin` or `rst`. */
  ended: z.array(z.enum(['open', 'fin', 'rst'])),
  /** Bytes that were sent and are not in the steps: the message was too long to be kept. */
  sent_not_kept: z.int().min(0).optional()
})
export type RecordedExchange = z.infer<typeof exchangeSchema>

/** A run of bytes in a send step that names the server: `part` says in which of the two exchanges. */
export const placeSchema = z.strictObject({
  part: z.enum(['case', 'twin']),
  step: z.int().min(0),
  at: z.int().min(0),
  length: z.int().min(1)
})

/** How it is judged again. */
export const judgingSchema = z.discriminatedUnion('kind', [
  /** One HTTP/1 message: the whole case, with template, twin and rules. */
  z.strictObject({ kind: z.literal('http1'), record: z.looseObject({}), sent_as: z.string() }),
  /** A list of frames behind the plain opening of a connection: the whole case. */
  z.strictObject({ kind: z.literal('frames'), protocol: z.enum(['ws', 'h2c']), record: z.looseObject({}) }),
  /** One request whose answer breaks a rule of all answers. */
  z.strictObject({ kind: z.literal('passive') }),
  /** A case that is a program of the suite: it is played by name. */
  z.strictObject({ kind: z.literal('slice') })
])
export type Judging = z.infer<typeof judgingSchema>

export const replaySchema = z.looseObject({
  replay_version: z.string().regex(/^\d+\.\d+$/),
  suite_version: z.string(),
  recorded_at: z.string(),
  cell: z.object({ refapp: z.string().min(1), engine: z.string().min(1), arch: z.string() }),
  slice: z.string().min(1),
  case: z.string().min(1),
  predicate: z.string().min(1),
  severity: severitySchema,
  title: z.string(),
  standard: z.string().optional(),
  /** What a right server does. */
  right: z.string().optional(),
  symptom: z.string().optional(),
  fingerprint: z.string().optional(),
  evidence: z.record(z.string(), evidenceValueSchema).optional(),
  repeats: z.object({ k: z.int().min(0), n: z.int().min(1) }).optional(),
  seed: z.string(),
  /** The server it was found on. */
  server: z.object({
    url: z.string(),
    authority: z.string(),
    /** Paths by kind, declared and found. */
    routes: z.record(z.string(), z.string()),
    /** celeris that the refapp was built against. */
    celeris: z.string().optional(),
    /** Of the suite's side: `linux 6.1 x64`. */
    host: z.string().optional()
  }),
  /** The breach itself; absent where no single exchange shows it. */
  exchange: exchangeSchema.optional(),
  /** The well-formed message or conduct beside it, which was served. */
  twin: exchangeSchema.optional(),
  authority_at: z.array(placeSchema).default([]),
  judge: judgingSchema,
  /** Set by `shrink`. */
  shrunk: z
    .object({
      bytes_before: z.int(),
      bytes_after: z.int(),
      tries: z.int(),
      /** What the strict reader says of the message, before and after. */
      claim: z.string()
    })
    .optional()
})
export type Replay = z.infer<typeof replaySchema>

/** Why a text is no replay file, in words for a person. */
export class ReplayProblem extends Error {
  override readonly name = 'ReplayProblem'
  readonly fix: string
  constructor(message: string, fix: string) {
    super(message)
    this.fix = fix
  }
}

const NAME_ONE = 'name a findings/NN-case.replay.json of an output folder'

/** Reads the text of a replay file. @throws ReplayProblem */
export function parseReplay(text: string): Replay {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ''))
  } catch (error) {
    const what = text.trim() === '' ? 'is empty' : `is not whole JSON (${(error as Error).message})`
    throw new ReplayProblem(`the file ${what}`, 'it may be truncated: take it from the run again')
  }
  const given = value as {
    replay_version?: unknown
    predicate?: unknown
    validation_results?: unknown
  } | null
  const version = given?.replay_version
  if (typeof version !== 'string') {
    const what =
      given?.validation_results !== undefined
        ? 'it is a result document'
        : typeof given?.predicate === 'string'
          ? 'it is the finding; the replay file stands beside it'
          : 'it has no replay_version'
    throw new ReplayProblem(`the file is no replay file: ${what}`, NAME_ONE)
  }
  const major = REPLAY_VERSION.split('.')[0]!
  if (/^\d+\.\d+$/.test(version) && version.split('.')[0] !== major) {
    throw new ReplayProblem(
      `replay_version is ${version}; this suite reads ${major}.x`,
      'use the suite that wrote it, or run validate again'
    )
  }
  const read = replaySchema.safeParse(value)
  if (read.success) return read.data
  const issues = read.error.issues
    .slice(0, 4)
    .map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message.replace(/^Invalid input: /, '')}`)
  throw new ReplayProblem(`the file is no replay file: ${issues.join('; ')}`, NAME_ONE)
}

/** The text of a replay file. */
export function formatReplay(replay: Replay): string {
  return `${JSON.stringify(replay, null, 2)}\n`
}
