/** Plays the slices of a cell once against one process: all of them for a cell's traffic, or a few cases to learn of each. */
import type { RandomStreams } from '../../kit/random.ts'
import type { Target } from '../../target/types.ts'
import type {
  Capabilities,
  FindingDraft,
  Ledger,
  Slice,
  SliceContext,
  SliceName,
  Tally,
  Vitals,
  Watch
} from '../contracts.ts'
import { isCore } from '../catalogue/core.ts'
import { TallyBook } from '../collector.ts'
import { Timeline } from './timeline.ts'

/** What all plays of a cell share. */
export interface Ground {
  /** `refapp/engine/arch` */
  cell: string
  refapp: string
  engine: string
  capabilities: Capabilities
  random: RandomStreams
  concurrency: number
  vitals: Vitals
  /** The slices of the cell, made anew. */
  slices(): Slice[]
  signal: AbortSignal
}

export interface Play {
  target: Target
  /** Slices to run; default all. */
  only?: (slice: SliceName) => boolean
  wants(slice: SliceName, caseId: string): boolean
  /** `performance.now()` after which no new round is begun. */
  deadline: number
  /** Past the deadline, how long the first pass may still take, ms. */
  graceMs: number
  tally(slice: SliceName): Tally
  ledger(slice: SliceName): Ledger
  watch: Watch
  report(slice: SliceName, draft: FindingDraft): void
  note(slice: SliceName, text: string): void
  /** `performance.now()` after which only core cases are begun; without it all are. */
  coreAfter?: number
  timeline: Timeline
  /** Ends the play before its time: the server serves nobody any more. */
  stop?: AbortSignal
}

/**
 * Runs the slices beside each other until all have ended.
 * @returns true where one was cut at the hard end
 * @throws what a slice throws: InfraError
 */
export async function play(ground: Ground, plan: Play): Promise<boolean> {
  const hard = new AbortController()
  const left = Math.max(0, plan.deadline - performance.now()) + plan.graceMs
  const timer = setTimeout(() => hard.abort(), left)
  const signal = AbortSignal.any([
    ground.signal,
    hard.signal,
    ...(plan.stop === undefined ? [] : [plan.stop])
  ])
  try {
    const slices = ground.slices().filter(({ name }) => plan.only?.(name) ?? true)
    const results = await Promise.allSettled(
      slices.map((slice) => slice.run(contextOf(slice, signal, ground, plan)))
    )
    const broken = results.find((result) => result.status === 'rejected')
    if (broken !== undefined && !signal.aborted) throw broken.reason
    return hard.signal.aborted
  } finally {
    clearTimeout(timer)
  }
}

function contextOf({ name }: Slice, signal: AbortSignal, ground: Ground, plan: Play): SliceContext {
  const { timeline } = plan
  const ledger = plan.ledger(name)
  const booked =
    (played: boolean, book: (caseId: string, reason: string) => void) =>
    (caseId: string, reason = ''): void => {
      timeline.booked(name, caseId, played)
      book(caseId, reason)
    }
  return {
    cell: ground.cell,
    refapp: ground.refapp,
    engine: ground.engine,
    target: plan.target,
    capabilities: ground.capabilities,
    random: ground.random.child(name),
    deadline: plan.deadline,
    signal,
    wants: (id) => plan.wants(name, id),
    began: (id) => timeline.began(name, id),
    ...(plan.coreAfter === undefined
      ? {}
      : { pass: { core: (id) => isCore(name, id), ends: plan.coreAfter } }),
    concurrency: ground.concurrency,
    tally: plan.tally(name),
    ledger: {
      plan: (id, group) => ledger.plan(id, group),
      exercised: booked(true, (id) => ledger.exercised(id)),
      inapplicable: booked(false, (id, reason) => ledger.inapplicable(id, reason)),
      leaveOut: booked(false, (id) => ledger.leaveOut(id)),
      inconclusive: booked(true, (id, reason) => ledger.inconclusive(id, reason))
    },
    vitals: ground.vitals,
    watch: plan.watch,
    report: (draft) => plan.report(name, draft),
    note: (text) => plan.note(name, text)
  }
}

/** Looks at nothing: for plays whose answers were judged before. */
export const NO_WATCH: Watch = { answer: () => undefined, broken: () => false, left: () => undefined }

/** Every slice says what it has, and nothing of it can be judged. */
export async function planOnly(
  ground: Ground,
  target: Target,
  slices: (capabilities: Capabilities) => Slice[],
  reason: string,
  ledgerOf: (slice: SliceName) => Ledger
): Promise<void> {
  const { capabilities } = ground
  const kinds = Object.keys({ ...capabilities.routes, ...capabilities.missing })
  const missing = Object.fromEntries(kinds.map((kind) => [kind, reason]))
  const blind = { ...capabilities, routes: {}, missing, http1: false, h2cPrior: false, h2cUpgrade: false }
  await play(
    { ...ground, capabilities: blind, slices: () => slices(blind) },
    {
      target,
      wants: () => true,
      deadline: performance.now(),
      graceMs: PLAN_MS,
      tally: () => new TallyBook(),
      ledger: (slice) => {
        const ledger = ledgerOf(slice)
        const unjudged = (id: string): void => ledger.inconclusive(id, reason)
        return {
          plan: (id, group) => {
            ledger.plan(id, group)
            unjudged(id)
          },
          exercised: unjudged,
          inapplicable: unjudged,
          leaveOut: unjudged,
          inconclusive: unjudged
        }
      },
      watch: NO_WATCH,
      report: () => undefined,
      note: () => undefined,
      timeline: new Timeline()
    }
  )
}

/** No case is played, so this is never reached. */
const PLAN_MS = 5000
