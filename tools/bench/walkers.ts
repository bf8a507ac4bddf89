/**
 * The product's own walkers as a process of their own: `walkers.ts URL WALKERS REQUESTS MODEL [single]`. The slice runs
 * as in a cell, with the books of a cell; nothing is switched off. `single`: one request in flight on each connection.
 */
import { attach } from '../../src/target/attach.ts'
import { RandomStreams } from '../../src/kit/random.ts'
import { Watcher } from '../../src/validate/oracles/passive/watch.ts'
import { boundMemory } from '../../src/kit/memory.ts'
import { CoverageBook, FindingBook, TallyBook } from '../../src/validate/collector.ts'
import type { Capabilities } from '../../src/validate/contracts.ts'
import { loadMarkov, markovSlice } from '../../src/validate/traffic/markov/index.ts'
import { LoopVitals } from '../../src/validate/vitals.ts'
import { usage } from './usage.ts'

const [url, walkers, requests, model, flight] = process.argv.slice(2)
boundMemory()
const LONGEST_MS = 120_000
const signal = new AbortController().signal
const target = await attach({ url: url!, routes: {}, signal })
/** What the preflight would learn. */
const capabilities: Capabilities = {
  routes: {},
  missing: {},
  http1: true,
  keepAlive: true,
  pipelining: flight !== 'single',
  chunked: false,
  readsBody: false,
  statusTransparent: true,
  head: false,
  continue100: false,
  h2cPrior: false,
  h2cUpgrade: false,
  baselineMs: 1
}
const tally = new TallyBook()
const ledger = new CoverageBook()
const findings = new FindingBook('bench/self', () => undefined)
const vitals = new LoopVitals()
const begun = performance.now()
await markovSlice(loadMarkov(model!)).run({
  cell: 'bench/self',
  refapp: 'bench',
  engine: 'self',
  target,
  capabilities,
  random: new RandomStreams('0x1'),
  // The time is up when the requests are done.
  get deadline() {
    return tally.get('requests_sent') < Number(requests) ? begun + LONGEST_MS : 0
  },
  signal,
  wants: () => true,
  concurrency: Number(walkers),
  tally,
  ledger,
  vitals,
  watch: new Watcher({ report: (draft) => findings.report('passive', draft), wants: () => true }),
  report: (draft) => findings.report('markov', draft),
  note: (text) => console.error(text)
})
vitals.stop()
const wrong = tally.get('requests_error') + findings.all().reduce((sum, { times }) => sum + times, 0)
console.log(JSON.stringify(usage(tally.get('requests_2xx'), wrong)))
