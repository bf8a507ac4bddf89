/** Plays a case by its name, through the slice that it belongs to: programs, frames, and whatever has no single message. */
import type { Replay } from '../../documents/replay.ts'
import { UserError } from '../../kit/errors.ts'
import { SLICES, type SliceName } from '../contracts.ts'
import { slicesFor } from '../traffic/index.ts'
import { contextFor, type Kept } from './context.ts'
import type { Server } from './server.ts'
import type { Player, Try } from './tries.ts'

export class SlicePlayer implements Player {
  readonly #server: Server
  readonly #replay: Replay
  readonly #signal: AbortSignal
  #count = 0

  constructor(server: Server, replay: Replay, signal: AbortSignal) {
    this.#server = server
    this.#replay = replay
    this.#signal = signal
  }

  async once(): Promise<Try> {
    const [slice] = slicesFor([this.#name()], this.#server.capabilities, undefined)
    const kept = contextFor(this.#server, this.#replay, this.#signal, `${(this.#count += 1)}`)
    const begun = performance.now()
    try {
      await slice!.run(kept.context)
    } finally {
      kept.close()
    }
    return { ...tryOf(kept, this.#replay), ms: performance.now() - begun }
  }

  #name(): SliceName {
    const name = SLICES.find((one) => one === this.#replay.slice)
    if (name !== undefined) return name
    throw new UserError({
      where: 'slice',
      what: `"${this.#replay.slice}" is no slice of this suite`,
      fix: `allowed: ${SLICES.join(', ')}`
    })
  }

  close(): void {
    // Each run of a slice closes what it opened.
  }
}

/** What the findings and the book of a try say of the case. @throws UserError where the suite has no such case */
export function tryOf({ findings, ledger }: Kept, replay: Replay): Omit<Try, 'ms'> {
  const { predicate, case: id } = replay
  const finding =
    findings.find((one) => one.case === id && one.predicate === predicate) ??
    findings.find((one) => one.case === id)
  if (finding !== undefined) {
    const same = finding.predicate === predicate
    return {
      outcome: same ? 'reproduced' : 'other',
      text: `${same ? '' : `${finding.predicate}: `}${finding.title}`,
      severity: finding.severity,
      // It was repeated before it was told.
      proof: true,
      ...(finding.wire === undefined ? {} : { wire: finding.wire }),
      ...(finding.twin === undefined ? {} : { twin: finding.twin })
    }
  }
  const { whole } = ledger.summary('stopped before it was reached')
  const own = (line: { case: string }): boolean => line.case === id
  const inapplicable = whole.inapplicable.find(own)
  if (inapplicable !== undefined) return { outcome: 'inapplicable', text: inapplicable.reason }
  const inconclusive = whole.inconclusive.find(own)
  if (inconclusive !== undefined) return { outcome: 'inconclusive', text: inconclusive.reason }
  if (whole.exercised > 0) return { outcome: 'right', text: 'the server did right' }
  throw new UserError({
    where: id,
    what: `the slice ${replay.slice} of this suite has no such case`,
    why: `the file is of version ${replay.suite_version}`,
    fix: 'use the suite that wrote it, or run validate again'
  })
}
