/**
 * `npm run bench:self`: how fast and how heavy the suite itself is, as ratios and sizes within one run. Nothing here
 * is asserted unless asked: with --check the exit code is 1 where a target is missed.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureMemory } from './bench/memory.ts'
import { measureStartup } from './bench/startup.ts'
import { measureThroughput } from './bench/throughput.ts'
import { median } from './bench/usage.ts'

const PARTS = ['walkers', 'startup', 'size', 'memory'] as const
const HELP = `npm run bench:self -- [options]
  --only LIST          some of ${PARTS.join(', ')}
  --rounds N           rounds of autocannon and walkers in turn (default 4)
  --requests N         requests of each (default 400000)
  --connections N      connections of each (default 32)
  --memory DURATION    length of the run whose memory is looked at (default 60s; the target speaks of 10m)
  --check              exit code 1 where a target is missed`

interface Row {
  what: string
  found: string
  target: string
  met: boolean
  how: string
}

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: PARTS.join(',') },
    rounds: { type: 'string', default: '4' },
    requests: { type: 'string', default: '400000' },
    connections: { type: 'string', default: '32' },
    memory: { type: 'string', default: '60s' },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})

async function walkers(): Promise<Row[]> {
  const rounds = Number(values.rounds)
  const { autocannon, walkers, single, peakMiB, doubts } = await measureThroughput(
    rounds,
    Number(values.requests),
    Number(values.connections)
  )
  for (const doubt of doubts) console.log(`  counts differ: ${doubt}`)
  const row = (what: string, figures: readonly number[]): Row => {
    const ratio = median(figures) / median(autocannon)
    return {
      what,
      found: `${ratio.toFixed(2)} x autocannon`,
      target: '>= 1.5 x',
      met: ratio >= 1.5 && doubts.length === 0,
      how: `requests per CPU second, median of ${rounds}: ${spread(figures)} to ${spread(autocannon)}; ${values.connections} connections, peak ${peakMiB.toFixed(0)} MiB`
    }
  }
  return [
    row('walkers as in a cell, one in four sends ahead', walkers),
    row('walkers, one request in flight each', single)
  ]
}

async function startup(): Promise<Row[]> {
  const figures = await measureStartup(join(dist, 'validate-matrix', 'main', 'index.js'), 7)
  const ms = median(figures)
  return [
    {
      what: 'action start to first line',
      found: `${(ms / 1000).toFixed(2)} s`,
      target: '<= 0.40 s',
      met: ms <= 400,
      how: `median of 7, ${(Math.min(...figures) / 1000).toFixed(2)}-${(Math.max(...figures) / 1000).toFixed(2)} s`
    }
  ]
}

function size(): Row[] {
  let bytes = 0
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size
  const mib = bytes / (1 << 20)
  return [
    { what: 'dist/', found: `${mib.toFixed(2)} MiB`, target: '<= 6 MiB', met: mib <= 6, how: 'all files' }
  ]
}

async function memory(): Promise<Row[]> {
  const { peakMiB, verdict, seconds } = await measureMemory(join(dist, 'cli', 'index.js'), values.memory)
  const length = `validate --refapps shop --duration ${values.memory}, ${seconds.toFixed(0)} s observed`
  const slope = verdict.slope === undefined ? '' : `, ${(verdict.slope / 1024).toFixed(1)} KiB/s`
  return [
    {
      what: 'memory, peak',
      found: `${peakMiB.toFixed(0)} MiB`,
      target: '<= 300 MiB',
      met: peakMiB <= 300,
      how: length
    },
    {
      what: 'memory, slope after warm-up',
      found: `${verdict.verdict}${slope}`,
      target: 'flat',
      met: verdict.verdict === 'flat',
      how: verdict.detail
    }
  ]
}

/** `95k (90-99k)` */
function spread(figures: readonly number[]): string {
  const k = (figure: number): string => (figure / 1000).toFixed(1)
  return `${k(median(figures))}k (${k(Math.min(...figures))}-${k(Math.max(...figures))}k)`
}

function table(rows: readonly Row[]): string {
  const cells = rows.map(({ what, found, target, met, how }) => [
    what,
    found,
    target,
    met ? 'yes' : 'NO',
    how
  ])
  const lines = [['what', 'found', 'target', 'met', 'how'], ...cells]
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)))
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd()
    )
    .join('\n')
}

if (values.help) console.log(HELP)
else {
  const measures = { walkers, startup, size, memory }
  const chosen = values.only.split(',')
  const unknown = chosen.filter((name) => !(PARTS as readonly string[]).includes(name))
  if (unknown.length > 0) {
    console.error(`--only: there is no part "${unknown[0]}"; allowed: ${PARTS.join(', ')}`)
    process.exit(2)
  }
  const rows: Row[] = []
  for (const name of PARTS) if (chosen.includes(name)) rows.push(...(await measures[name]()))
  console.log(table(rows))
  if (values.check && rows.some(({ met }) => !met)) process.exitCode = 1
}
