/** Plays the whole slice against a fixture server with the named switches. */
import { RandomStreams } from '../../../src/kit/random.ts'
import type { RouteMap } from '../../../src/target/types.ts'
import type { FindingDraft } from '../../../src/validate/contracts.ts'
import { preflight } from '../../../src/validate/preflight/index.ts'
import { adversarialSlice } from '../../../src/validate/traffic/adversarial/index.ts'
import { startFixture } from '../../fixture/server.ts'
import { attachedTo, standFor, type Stand } from '../../fixture/stand.ts'

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
  /** How long our own process pretends to have stood still. */
  stallMs?: number
  routes?: RouteMap
}

export async function playFixture(bugs: readonly string[], options: PlayOptions = {}): Promise<Played> {
  const fixture = await startFixture(bugs)
  try {
    return await playServer(fixture.host, fixture.port, options)
  } finally {
    await fixture.close()
  }
}

export async function playServer(host: string, port: number, options: PlayOptions = {}): Promise<Played> {
  return playTarget(attachedTo(host, port, options.routes), options)
}

export async function playTarget(
  target: ReturnType<typeof attachedTo>,
  options: PlayOptions = {}
): Promise<Played> {
  const signal = new AbortController().signal
  const capabilities = await preflight(target, {
    random: new RandomStreams(options.seed ?? '0x5eed'),
    signal
  })
  const stand = standFor(target, capabilities, options)
  await adversarialSlice.run(stand.context)
  const { findings, ledger, tally, notes } = stand
  return {
    findings,
    flipped: [...new Set(findings.map((finding) => finding.case))].sort(),
    book: ledger.summary('unfinished').whole,
    count: (name) => tally.get(name),
    notes
  }
}
