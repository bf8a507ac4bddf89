/**
 * The error classes and exit codes of the suite.
 *
 * Every failure that a person sees is one of three kinds: the user's (`UserError`), the verdict
 * (`GateError`), or ours and the machine's (`InfraError`). Anything else is a defect and shows its stack.
 */

/** Exit codes of the command line; the action output `outcome` uses the names. */
export const EXIT = { pass: 0, findings: 1, usage: 2, infrastructure: 3, aborted: 130 } as const

/** Name of an exit code, as in the action output `outcome`. */
export type Outcome = keyof typeof EXIT

/** Parts of a message that teaches: what is wrong, where it stands, why it is wrong, how to fix it. */
export interface Explanation {
  /** What was found, in one sentence, naming the value. */
  what: string
  /** File, line, input or option. */
  where?: string
  why?: string
  /** What the reader can do now, best as a command or a value. */
  fix?: string
}

function compose({ what, where, why, fix }: Explanation): string {
  const lines = [where === undefined ? what : `${where}: ${what}`]
  if (why !== undefined) lines.push(`  why: ${why}`)
  if (fix !== undefined) lines.push(`  fix: ${fix}`)
  return lines.join('\n')
}

/** Bad input: exit code 2, no stack. */
export class UserError extends Error {
  override readonly name = 'UserError'
  readonly explanation: Explanation
  constructor(explanation: Explanation | string, options?: ErrorOptions) {
    const parts = typeof explanation === 'string' ? { what: explanation } : explanation
    super(compose(parts), options)
    this.explanation = parts
  }
}

/** The verdict is bad: exit code 1, no stack. */
export class GateError extends Error {
  override readonly name = 'GateError'
}

/** Ours or the machine's fault, never a finding and never a pass: exit code 3. */
export class InfraError extends Error {
  override readonly name = 'InfraError'
  readonly explanation: Explanation
  /** True where the same call may succeed when it is made again. */
  readonly retryable: boolean
  constructor(explanation: Explanation | string, options: ErrorOptions & { retryable?: boolean } = {}) {
    const parts = typeof explanation === 'string' ? { what: explanation } : explanation
    super(compose(parts), options)
    this.explanation = parts
    this.retryable = options.retryable ?? false
  }
}

/** Stopped by SIGINT or SIGTERM: exit code 130; what was measured so far is kept. */
export class AbortedError extends Error {
  override readonly name = 'AbortedError'
}

/** Outcome that stands for an error, by its class; an unknown error is ours. */
export function outcomeOf(error: unknown): Outcome {
  if (error instanceof UserError) return 'usage'
  if (error instanceof GateError) return 'findings'
  if (error instanceof AbortedError) return 'aborted'
  return 'infrastructure'
}
