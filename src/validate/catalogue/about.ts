/** What every case of every protocol says of itself to a person who knows the standard and not the code. */
import { z } from 'zod'
import type { Severity } from '../../documents/finding.ts'

export const STRENGTHS = ['MUST', 'SHOULD', 'MAY'] as const
export type Strength = (typeof STRENGTHS)[number]

/** The fields that each case of a file carries. */
export const aboutFields = {
  id: z.string().regex(/^[A-Za-z0-9_>.-]+$/),
  title: z.string().min(1),
  group: z.string().min(1),
  /** Document and section. */
  standard: z.string().regex(/^(RFC \d+ [\d.]+|WHATWG HTML [\d.]+)$/),
  strength: z.enum(STRENGTHS),
  /** What a right server does. */
  right: z.string().min(1)
}

export const PROTOCOLS = ['h1', 'h2c', 'ws', 'sse'] as const
export type Protocol = (typeof PROTOCOLS)[number]

/** A case as it is listed, explained and documented. */
export interface CaseInfo {
  /** `passive` rules watch every answer and send nothing. */
  protocol: Protocol | 'passive'
  id: string
  group: string
  title: string
  standard: string
  strength: Strength
  /** What goes over the wire, one step a line: bytes with escapes, or what the client does. */
  steps: string[]
  /** The well-formed message or conduct beside it. */
  twin: string
  right: string
  /** What is wrong, and how hard. */
  wrong: { severity: Severity; says: string }[]
  /** Oracles that decide: `O5`. */
  oracles: string[]
}
