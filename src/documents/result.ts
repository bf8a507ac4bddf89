/**
 * `validate-results.json`: the field names of schema 5.1 of the Go predecessor, and additions of ours.
 *
 * Additive only: a reader takes documents of every 5.x, ignores what it does not know, and treats what is absent
 * as not stated, never as 0.
 */
import { z } from 'zod'
import { findingSchema } from './finding.ts'
import { kindOf, normaliseResults } from './normalise.ts'

/** Written by this suite. 5.16 is the last of the predecessor; the names we share with it mean the same. */
export const SCHEMA_VERSION = '5.16'

/** A whole number that may be larger than 2^53: Go counts in 64 bits. */
const count = z
  .number()
  .min(0, 'must not be negative')
  .refine(Number.isInteger, 'must be a whole number')
  .meta({ type: 'integer' })
/** A sub-tally: a map of integers, such as `adv_sent`. */
export const tallySchema = z.record(z.string(), count)

export const latencySplitSchema = z.record(z.string(), z.number())

export const tier1Schema = z.looseObject({
  requests_sent: count.optional(),
  requests_2xx: count.optional(),
  requests_3xx: count.optional(),
  requests_4xx: count.optional(),
  requests_5xx: count.optional(),
  requests_error: count.optional(),
  requests_401: count.optional(),
  requests_404: count.optional(),
  requests_429: count.optional(),
  requests_5xx_expected: count.optional(),
  requests_panic_expected: count.optional(),
  requests_cut_at_deadline: count.optional(),
  walker_logins: count.optional(),
  walker_relogins: count.optional(),
  walker_logouts: count.optional(),
  invariant_hits: count.optional(),
  property_evaluations: count.optional(),
  property_skips: count.optional(),
  property_violations: count.optional(),
  property_violation_ids: z.array(z.string()).optional(),
  property_poll_errors: count.optional(),
  property_loop_skipped: z.string().optional(),
  adversarial: tallySchema.optional(),
  h2c_churn: tallySchema.optional(),
  ws_torture: tallySchema.optional(),
  sse_kill: tallySchema.optional(),
  ws_echo: tallySchema.optional(),
  /** Numbers of the walkers beside the counters: latencies in microseconds, transitions. */
  walkers: z.record(z.string(), z.number()).optional(),
  ready_at: z.string().optional(),
  refapp_stderr_tail: z.array(z.string()).optional()
})
export type Tier1 = z.infer<typeof tier1Schema>

export const tier3Schema = z.looseObject({
  seeds_attempted: count.optional(),
  seeds_passed: count.optional(),
  seeds_failed: count.optional(),
  seeds_errored: count.optional()
})

const reasonSchema = z.object({ case: z.string(), reason: z.string() })

/** planned = exercised + inapplicable + inconclusive, always. */
export const coverageEntrySchema = z.looseObject({
  planned: count,
  exercised: count,
  inapplicable: z.array(reasonSchema),
  inconclusive: z.array(reasonSchema),
  /** Cases of the catalogue that are not planned: the cell's time was up before they were begun. */
  left_out: z.int().min(0).optional()
})
export type CoverageEntry = z.infer<typeof coverageEntrySchema>

export const coverageSchema = z.looseObject({
  /** By slice. */
  slices: z.record(z.string(), coverageEntrySchema),
  /** By `slice/group`. */
  groups: z.record(z.string(), coverageEntrySchema).optional(),
  properties: coverageEntrySchema.optional()
})
export type Coverage = z.infer<typeof coverageSchema>

/**
 * pass: judged, nothing at or above MED. fail: findings. vacuous: too little was exercised to say anything.
 * not_run: could not run here. aborted: cut short. error: our own failure, or the machine's.
 * The predecessor wrote `ok` and `failed`.
 */
export const CELL_STATUSES = ['pass', 'fail', 'vacuous', 'not_run', 'aborted', 'error'] as const
export type CellStatus = (typeof CELL_STATUSES)[number]

export const propertyNoteSchema = z.looseObject({ id: z.string(), reason: z.string() })

export const cellSchema = z.looseObject({
  refapp: z.string().min(1),
  engine: z.string().min(1),
  arch: z.string().min(1),
  status: z.string().optional(),
  failure_reason: z.string().optional(),
  /** What makes a `not_run` cell run. */
  fix: z.string().optional(),
  started_at: z.string().optional(),
  finished_at: z.string().optional(),
  /** Wall time of the traffic window, seconds. */
  traffic_seconds: z.number().optional(),
  /** How often the server was started again, or came back by itself, after it had ended or answered nobody. */
  restarts: count.optional(),
  tier_1: tier1Schema.nullish(),
  tier_3: tier3Schema.nullish(),
  findings: z.array(findingSchema).optional(),
  /** Times each believed finding came again, by fingerprint. */
  finding_repeats: z.record(z.string(), count).optional(),
  coverage: coverageSchema.optional(),
  capabilities: z.record(z.string(), z.unknown()).optional(),
  properties_passed: count.optional(),
  properties_failed: count.optional(),
  properties_not_instrumented: z.array(z.string()).optional(),
  properties_not_judged: z.array(z.string()).optional(),
  properties_not_judged_by_design: z.array(z.string()).optional(),
  property_details: z.array(propertyNoteSchema).optional(),
  failure_summaries: z.record(z.string(), z.string()).optional(),
  incidents: z.array(z.string()).optional(),
  notes: z.array(z.string()).optional(),
  resumed_from: z.string().optional()
})
export type Cell = z.infer<typeof cellSchema>

export const resumeSchema = z.looseObject({
  from: z.string(),
  prior_started_at: z.string().optional(),
  prior_finished_at: z.string().optional(),
  inherited_cells: count,
  ran_cells: count,
  not_inherited: z.array(z.string())
})

export const runSchema = z.looseObject({
  suite_version: z.string(),
  seed: z.string(),
  tiers: z.array(z.string()),
  slices: z.array(z.string()),
  duration_ms: z.number(),
  concurrency: count,
  /** Arguments that repeat this run. */
  command: z.string()
})

export const resultDocumentSchema = z.looseObject({
  schema_version: z.string().regex(/^\d+\.\d+$/, 'must be MAJOR.MINOR, such as 5.16'),
  host_arch_pair: z.string().optional(),
  validation_results: z.looseObject({
    started_at: z.string().optional(),
    finished_at: z.string().optional(),
    /** Set where the run was stopped before its end. */
    aborted: z.boolean().optional(),
    run: runSchema.optional(),
    resume: resumeSchema.optional(),
    cells: z.array(cellSchema)
  })
})
export type ResultDocument = z.infer<typeof resultDocumentSchema>

/** Compares MAJOR.MINOR as two integers: 5.10 is newer than 5.9. A malformed version is older than every other. */
export function compareVersions(a: string, b: string): number {
  const parts = (text: string): [number, number] => {
    const match = /^(\d+)\.(\d+)$/.exec(text)
    return match ? [Number(match[1]), Number(match[2])] : [-1, -1]
  }
  const [majorA, minorA] = parts(a)
  const [majorB, minorB] = parts(b)
  return majorA === majorB ? Math.sign(minorA - minorB) : Math.sign(majorA - majorB)
}

/** Why a text is no result document, in words for a person. */
export class DocumentProblem extends Error {
  override readonly name = 'DocumentProblem'
  readonly kind: 'syntax' | 'version' | 'shape'
  readonly fix: string
  constructor(kind: DocumentProblem['kind'], message: string, fix: string) {
    super(message)
    this.kind = kind
    this.fix = fix
  }
}

/** Reads the text of a `validate-results.json` of any 5.x. @throws DocumentProblem */
export function parseResultDocument(text: string): ResultDocument {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ''))
  } catch (error) {
    const cut = text.trim() === '' ? 'is empty' : `is not whole JSON (${(error as Error).message})`
    throw new DocumentProblem(
      'syntax',
      `the document ${cut}`,
      'it may be truncated: take it from the run again'
    )
  }
  const version = (value as { schema_version?: unknown } | null)?.schema_version
  if (typeof version === 'string' && /^\d+\.\d+$/.test(version) && !version.startsWith('5.')) {
    throw new DocumentProblem(
      'version',
      `schema_version is ${version}; this suite reads 5.x`,
      `use the suite that wrote it, or run validate again`
    )
  }
  const kind = kindOf(value)
  if (kind !== undefined) {
    throw new DocumentProblem(
      'shape',
      `the document is no result document: it looks like ${kind}`,
      'name a validate-results.json'
    )
  }
  const read = resultDocumentSchema.safeParse(normaliseResults(value))
  if (read.success) return read.data
  const issues = read.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message.replace(/^Invalid input: /, '')}`)
  const more = read.error.issues.length > 5 ? `; and ${read.error.issues.length - 5} more` : ''
  throw new DocumentProblem(
    'shape',
    `the document is no result document: ${issues.join('; ')}${more}`,
    'name a validate-results.json'
  )
}

/** The text of a document: stable key order as built, two spaces, a line end. */
export function formatResultDocument(document: ResultDocument): string {
  return `${JSON.stringify(document, null, 2)}\n`
}

/** A cell's status in our words; the predecessor's `ok` and `failed` are read too. Absent stays absent. */
export function statusOf(cell: Pick<Cell, 'status'>): CellStatus | undefined {
  if (cell.status === 'ok') return 'pass'
  if (cell.status === 'failed') return 'fail'
  return CELL_STATUSES.find((status) => status === cell.status)
}
