/** The context that a slice sees in a replay: one case, its findings kept. */
import type { Replay } from '../../documents/replay.ts'
import { RandomStreams } from '../../kit/random.ts'
import { CoverageBook, TallyBook } from '../collector.ts'
import type { FindingDraft, SliceContext } from '../contracts.ts'
import { LoopVitals } from '../vitals.ts'
import type { Server } from './server.ts'

const LANES = 4

export interface Kept {
  context: SliceContext
  ledger: CoverageBook
  findings: FindingDraft[]
  close(): void
}

/** @param salt tells the tries apart: nonces of one are not those of another */
export function contextFor(server: Server, replay: Replay, signal: AbortSignal, salt: string): Kept {
  const ledger = new CoverageBook()
  const findings: FindingDraft[] = []
  const vitals = new LoopVitals(() => server.target.pid)
  const { refapp, engine, arch } = replay.cell
  const context: SliceContext = {
    cell: `${refapp}/${engine}/${arch}`,
    refapp,
    engine,
    target: server.target,
    capabilities: server.capabilities,
    random: new RandomStreams(replay.seed).child(`replay ${salt}`),
    // The first pass alone.
    deadline: performance.now(),
    signal,
    wants: (id) => id === replay.case,
    concurrency: LANES,
    tally: new TallyBook(),
    ledger,
    vitals,
    // The passive rules have findings of their own.
    watch: { answer: () => undefined, broken: () => false, left: () => undefined },
    report: (finding) => void findings.push(finding),
    note: () => undefined
  }
  return { context, ledger, findings, close: () => vitals.stop() }
}
