/** The parts of a case that is tried: its rule, its twin, and what one try showed. */
import type { Severity } from '../../../documents/finding.ts'
import { ConnectFailed, WriteFailed } from '../../../wire/tcp.ts'
import { recorded } from '../../../wire/recording.ts'
import type { Transcript } from '../../../wire/transcript.ts'
import type { FindingDraft } from '../../contracts.ts'

/** A rule that was seen broken. */
export interface Breach {
  predicate: string
  severity: Severity
  /** One sentence that a maintainer understands without the suite. */
  title: string
  standard: string
  /** What makes it the same breach on another day; no ports, times or ids. */
  symptom: string
  /**
   * The received bytes themselves are the proof (a wrong answer came); without it the breach is the absence of
   * something due, which a busy machine can feign, so that it must repeat.
   */
  proof?: boolean
  evidence?: Record<string, string | number | boolean>
}

export type Verdict =
  | { kind: 'kept' }
  | { kind: 'broken'; breach: Breach }
  | { kind: 'inapplicable'; reason: string }
  | { kind: 'inconclusive'; reason: string }

export interface Shot {
  verdict: Verdict
  transcript?: Transcript
  /** All connections of the try, and those of the twin before it. */
  wire?: readonly Transcript[]
  twin?: readonly Transcript[]
}

export const KEPT: Verdict = { kind: 'kept' }
export const broken = (breach: Breach): Verdict => ({ kind: 'broken', breach })
export const inapplicable = (reason: string): Verdict => ({ kind: 'inapplicable', reason })
export const inconclusive = (reason: string): Verdict => ({ kind: 'inconclusive', reason })

export interface Trial {
  id: string
  group: string
  /**
   * The well-formed twin on the same route, on a fresh connection: undefined when it succeeded, else what was seen.
   * Asked before and after the case.
   */
  twin(): Promise<string | undefined>
  /** One try. `ConnectFailed` and `WriteFailed` may pass through. */
  shoot(): Promise<Shot>
}

/** The received bytes convict, however late they came. */
export function isProof({ verdict }: Shot): boolean {
  return verdict.kind === 'broken' && verdict.breach.proof === true
}

/** The twin; a connection that cannot be had is something seen, too. */
export async function twinOf(trial: Trial): Promise<string | undefined> {
  try {
    return await trial.twin()
  } catch (error) {
    if (error instanceof ConnectFailed) return `no connection: ${error.code}`
    if (error instanceof WriteFailed) return 'the connection was closed before the request was written'
    throw error
  }
}

export function passing(error: unknown): undefined {
  if (error instanceof ConnectFailed || error instanceof WriteFailed) return undefined
  throw error
}

export function failed(error: unknown): Shot {
  if (error instanceof ConnectFailed) return { verdict: inconclusive(`no connection: ${error.code}`) }
  if (error instanceof WriteFailed) return { verdict: inconclusive(`could not be sent: ${error.message}`) }
  throw error
}

/** One try, with all connections that it opened. @param twin those of the twin before it */
export async function shotOf(trial: Trial, twin: readonly Transcript[]): Promise<Shot> {
  const { value, wire } = await recorded(() => trial.shoot().catch(failed))
  return { ...value, wire, twin }
}

/** What a try put on the wire and got, as a finding carries it. */
export function bytesOf(
  shot: Shot | undefined
): Pick<FindingDraft, 'sent' | 'received' | 'transcript' | 'wire' | 'twin'> {
  const { transcript, wire, twin } = shot ?? {}
  return {
    ...(transcript === undefined
      ? {}
      : {
          sent: transcript.sentBytes(),
          received: transcript.receivedBytes(),
          transcript: transcript.toText()
        }),
    ...(wire === undefined ? {} : { wire }),
    ...(twin === undefined ? {} : { twin })
  }
}
