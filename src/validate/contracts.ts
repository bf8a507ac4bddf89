/** What a slice of tier 1 is given, and what it leaves behind. */
import type { Severity } from '../documents/finding.ts'
import type { RandomStreams } from '../kit/random.ts'
import type { RouteKind, Target } from '../target/types.ts'
import type { HttpResponse, ParseError } from '../wire/http1.ts'
import type { Transcript } from '../wire/transcript.ts'

/** A route that was probed. */
export interface ProbedRoute {
  path: string
  /** Declared in the manifest or on the command line; otherwise discovered. */
  declared: boolean
  /** What the probe saw, in words: `GET /ws: 101, accept hash right, echo equal`. */
  seen: string
}

/** What the server can do, learned by the preflight before any case is judged. */
export interface Capabilities {
  routes: Partial<Record<RouteKind, ProbedRoute>>
  /** Why a route is missing, for the kinds not in `routes`. */
  missing: Partial<Record<RouteKind, string>>
  /** The port speaks HTTP/1.1. */
  http1: boolean
  keepAlive: boolean
  pipelining: boolean
  /** A chunked request body is understood. */
  chunked: boolean
  /** The post (or echo) route waits for the whole body before it answers. */
  readsBody: boolean
  /** An unknown path does not answer like a known one. */
  statusTransparent: boolean
  head: boolean
  continue100: boolean
  h2cPrior: boolean
  h2cUpgrade: boolean
  /** 95th percentile of the answer time of the control request, ms, on the idle server. */
  baselineMs: number
  /** `Connection: close` is followed by the end of the connection. */
  closes?: boolean
  /** A kept connection without a request was ended after so many ms; absent where it outlasted the preflight. */
  idleCloseMs?: number
  /** What was asked before any case, and what was seen. */
  probes?: PreflightProbe[]
  /** A server on which nothing can be judged, in one sentence that says what it is. */
  nature?: string
}

/** One question of the preflight. */
export interface PreflightProbe {
  /** `P1` to `P14`. */
  id: string
  title: string
  /** What the server can, or that it behaves as asked; absent where it could not be asked. */
  ok?: boolean
  seen: string
}

/** What a slice reports; the collector adds id, cell, slice, fingerprint and time. */
export interface FindingDraft {
  predicate: string
  severity: Severity
  case: string
  /** One sentence that a maintainer understands without the suite. */
  title: string
  standard?: string
  sent?: Buffer
  received?: Buffer
  /** Both directions with microseconds, as text. */
  transcript?: string
  /** What was done on the wire, connection by connection; with it the finding can be replayed. */
  wire?: readonly Transcript[]
  /** The same of the well-formed twin. */
  twin?: readonly Transcript[]
  evidence?: Record<string, string | number | boolean>
  repeats?: { k: number; n: number }
  /** What makes this finding the same finding on another day; default: predicate and case. No ports, times or ids. */
  symptom?: string
}

/** Coverage book of one slice: every case ends as exercised, inapplicable or inconclusive. */
export interface Ledger {
  /** Announces a case (idempotent). */
  plan(caseId: string, group?: string): void
  exercised(caseId: string): void
  /** The case cannot be judged on this server, and that is no fault: no such route, twin refused. */
  inapplicable(caseId: string, reason: string): void
  /** The cell's time was up before the case was begun; it is no longer planned. */
  leaveOut(caseId: string): void
  /** The case should have been judged and was not. A later `exercised` of the same case wins. */
  inconclusive(caseId: string, reason: string): void
}

/** Integer counters of a slice under their document names (`adv_sent`). */
export interface Tally {
  add(counter: string, by?: number): void
  set(counter: string, value: number): void
  max(counter: string, value: number): void
  get(counter: string): number
}

/** The harness's own state, so that a busy machine gives inconclusive and not red. */
export interface Vitals {
  /**
   * Longest stall (ms) since the given `performance.now()`: of our own event loop, or of a server that waited for a
   * processor most of that time.
   */
  stallSince(since: number): number
}

/** The passive rules: every answer that a slice receives is shown to them, and they send nothing. */
export interface Watch {
  /**
   * An answer and the request to it, as sent.
   * @param extent `whole`, or what is not known of it; `malformed` where the request breaks a rule behind its head
   * @param kind any number that is the same for answers of the same kind, so that each kind is looked at
   */
  answer(
    response: HttpResponse,
    sent: string | Buffer,
    extent?: 'whole' | 'head' | 'malformed' | 'h2',
    kind?: number
  ): void
  /**
   * Bytes that are no answer.
   * @param alone they can only come of the one request that was sent
   * @returns false where no rule tells of it
   */
  broken(error: ParseError, sent: Buffer, received: Buffer, alone: boolean): boolean
  /** What became of a connection after its last answer: how the server left it, where that was watched. */
  left(response: HttpResponse, sent: string | Buffer, how: 'closed' | 'open' | 'closed unannounced'): void
}

/** What of the catalogue is played however short the cell is, and until when the rest is begun. */
export interface CataloguePass {
  core(caseId: string): boolean
  /** `performance.now()` */
  readonly ends: number
}

export interface SliceContext {
  /** `refapp/engine/arch` */
  readonly cell: string
  readonly refapp: string
  readonly engine: string
  readonly target: Target
  readonly capabilities: Capabilities
  readonly random: RandomStreams
  /** `performance.now()` after which no new round is begun. The first full pass over the slice's cases is finished even past it. */
  readonly deadline: number
  /** Hard end: stop at once, leave what was tallied. */
  readonly signal: AbortSignal
  /** False for cases that are not to run: not chosen, or done before the server was started again. */
  wants(caseId: string): boolean
  /** The first pass, where the cell has not the time for the whole catalogue. */
  readonly pass?: CataloguePass
  /** Told at the begin of each try of a case, so that what befalls the process can be told to the cases of that moment. */
  began?(caseId: string): void
  /** Walkers of the Markov slice, or parallel lanes of another slice. */
  readonly concurrency: number
  readonly tally: Tally
  readonly ledger: Ledger
  readonly vitals: Vitals
  readonly watch: Watch
  /** Reports a finding at the moment it is believed. Repeats of the same (predicate, case) are counted, not listed. */
  report(finding: FindingDraft): void
  /** A sentence for the document and the log: something a reader must know. */
  note(text: string): void
}

export const SLICES = ['markov', 'adversarial', 'h2c', 'ws', 'sse'] as const
export type SliceName = (typeof SLICES)[number]

export interface Slice {
  readonly name: SliceName
  /** Throws InfraError for our own failures; everything about the server is a finding. */
  run(context: SliceContext): Promise<void>
}
