/** Books the verdicts of cases; what was seen once is not believed. */
import type { StepCase } from '../../../catalogue/http1/steps/index.ts'
import { repeat, type Rate } from '../../../oracles/repeat.ts'
import type { Outages } from '../outage.ts'
import type { Stage } from '../trial.ts'
import type { Seen } from './script.ts'
import { draftOf } from './tell.ts'
import type { StepVerdict, Wrong } from './verdict.ts'

export class Book {
  readonly #stage: Stage
  readonly #outages: Outages

  constructor(stage: Stage, outages: Outages) {
    this.#stage = stage
    this.#outages = outages
  }

  /** Nothing more can be learned. */
  get over(): boolean {
    return this.#stage.context.signal.aborted || this.#outages.lost !== undefined
  }

  inapplicable({ id }: StepCase, reason: string): 'none' {
    this.#stage.context.ledger.inapplicable(id, reason)
    this.#stage.context.tally.add('adv_inapplicable')
    return 'none'
  }

  /** Believes what is seen again, and books the case. @param again the verdict of another try */
  async settle(
    entry: StepCase,
    verdict: StepVerdict,
    again: () => Promise<StepVerdict>,
    seen: Seen | undefined,
    evidence: Record<string, string | number | boolean>
  ): Promise<void> {
    const { ledger, tally, signal } = this.#stage.context
    if (signal.aborted) return
    switch (verdict.kind) {
      case 'right':
        if (verdict.how === 'refused' || verdict.how === 'closed') tally.add('adv_well_rejected')
        return ledger.exercised(entry.id)
      case 'inapplicable':
        return void this.inapplicable(entry, verdict.reason)
      case 'inconclusive':
        tally.add('adv_inconclusive')
        return ledger.inconclusive(entry.id, this.#outages.lost ?? verdict.reason)
      case 'wrong': {
        const rate = await repeat(verdict.severity === 'HIGH' && !verdict.proof, async () => {
          if (this.over) return undefined
          const next = await again()
          if (next.kind === 'inapplicable' || next.kind === 'inconclusive') return undefined
          return next.kind === 'wrong' && next.fault === verdict.fault
        })
        return this.#told(entry, verdict, rate, seen, evidence)
      }
    }
  }

  #told(
    entry: StepCase,
    wrong: Wrong,
    rate: Rate,
    seen: Seen | undefined,
    evidence: Record<string, string | number | boolean>
  ): void {
    const { ledger, tally, report } = this.#stage.context
    // What stays after the first batch alone is a pool that fills, and no leak.
    if (!rate.believed && wrong.fault === 'descriptors') return ledger.exercised(entry.id)
    if (!rate.believed) {
      tally.add('adv_inconclusive')
      return ledger.inconclusive(entry.id, `seen in ${rate.k} of ${rate.n} tries: ${wrong.title}`)
    }
    ledger.exercised(entry.id)
    if (wrong.predicate === 'I-ADV-ACCEPTED') tally.add('adv_wrong_accepted', rate.k)
    if (wrong.predicate === 'I-ADV-HANG') tally.add('adv_hang_until_timeout', rate.k)
    report(draftOf(entry, wrong, seen, evidence, rate))
  }
}
