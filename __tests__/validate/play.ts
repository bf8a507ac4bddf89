/** Plays a whole slice against a fixture server with the named switches, or against any server. */
import { RandomStreams } from '../../src/kit/random.ts'
import type { RouteMap, Target } from '../../src/target/types.ts'
import type { FindingDraft, Slice } from '../../src/validate/contracts.ts'
import { preflight } from '../../src/validate/preflight/index.ts'
import { startFixture } from '../fixture/server.ts'
import { attachedTo, standFor, type Stand } from '../fixture/stand.ts'

export interface Played {
  findings: FindingDraft[]
  /** Cases with a finding, sorted, each once. */
  flipped: string[]
  book: ReturnType<Stand['ledger']['summary']>['whole']
  count: (name: string) => number
  notes: string[]
}

export interface PlayOptions {
  forMs?: number
  seed?: string
  /** Cases to play; default all. */
  only?: readonly string[]
  /** How long our own process pretends to have stood still. */
  stallMs?: number
  routes?: RouteMap
}

export async function playFixture(
  slice: Slice,
  bugs: readonly string[],
  options: PlayOptions = {}
): Promise<Played> {
  const { host, port, close } = await startFixture(bugs)
  try {
    return await playTarget(slice, attachedTo(host, port, options.routes, { host, port }), options)
  } finally {
    await close()
  }
}

export function playServer(
  slice: Slice,
  host: string,
  port: number,
  options: PlayOptions = {}
): Promise<Played> {
  return playTarget(slice, attachedTo(host, port, options.routes), options)
}

export async function playTarget(slice: Slice, target: Target, options: PlayOptions = {}): Promise<Played> {
  const signal = new AbortController().signal
  const capabilities = await preflight(target, {
    random: new RandomStreams(options.seed ?? '0x5eed'),
    signal
  })
  const stand = standFor(target, capabilities, options)
  await slice.run(stand.context)
  const { findings, ledger, tally, notes } = stand
  return {
    findings,
    flipped: [...new Set(findings.map((finding) => finding.case))].sort(),
    book: ledger.summary('unfinished').whole,
    count: (name) => tally.get(name),
    notes
  }
}
