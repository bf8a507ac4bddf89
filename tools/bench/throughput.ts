/**
 * Requests per CPU second: the walkers against autocannon, in turns on one server. As in a cell, where one walker in
 * four sends ahead of the answers, and with a single request in flight on each connection, as autocannon does.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Usage } from './usage.ts'

export interface Throughput {
  /** Requests per CPU second, one figure a round. */
  autocannon: number[]
  walkers: number[]
  single: number[]
  peakMiB: number
  /** Where the counts of server and generator differ, in words. */
  doubts: string[]
}

const GENERATORS = ['autocannon', 'walkers', 'single'] as const
type Generator = (typeof GENERATORS)[number]

const here = import.meta.dirname

export async function measureThroughput(
  rounds: number,
  requests: number,
  connections: number
): Promise<Throughput> {
  const server = fork(join(here, 'server.ts'))
  try {
    const [{ port }] = (await once(server, 'message')) as [{ port: number }]
    const url = `http://127.0.0.1:${port}`
    // Nothing is counted of the first starts: they fill the cache of compiled code, which both then have.
    for (const name of GENERATORS) await generate(name, argumentsOf(name, url, 1, 1000))
    const result: Throughput = { autocannon: [], walkers: [], single: [], peakMiB: 0, doubts: [] }
    for (let round = 0; round < rounds; round++) {
      // The first of a round may find a cooler machine: each goes first in turn.
      for (let turn = 0; turn < GENERATORS.length; turn++) {
        const name = GENERATORS[(round + turn) % GENERATORS.length]!
        await counted(server)
        const usage = await generate(name, argumentsOf(name, url, connections, requests))
        const answered = await counted(server)
        result[name].push(answered / usage.cpuSeconds)
        if (name !== 'autocannon') result.peakMiB = Math.max(result.peakMiB, usage.peakMiB)
        const share = Math.abs(answered - usage.answers) / Math.max(1, answered)
        // autocannon leaves what is in flight at the end; the walkers wait for it.
        if (share > 0.01 || usage.wrong > 0)
          result.doubts.push(
            `${name}, round ${round + 1}: the server answered ${answered}, the generator counted ${usage.answers} and ${usage.wrong} wrong`
          )
      }
    }
    return result
  } finally {
    server.disconnect()
  }
}

/** Requests that the server answered since it was last asked. */
async function counted(server: ChildProcess): Promise<number> {
  server.send('count')
  const [{ answered }] = (await once(server, 'message')) as [{ answered: number }]
  return answered
}

function argumentsOf(name: Generator, url: string, connections: number, requests: number): string[] {
  const model = name === 'autocannon' ? [] : [join(here, 'model.yaml'), name]
  return [url, String(connections), String(requests), ...model]
}

async function generate(name: Generator, args: string[]): Promise<Usage> {
  const file = name === 'autocannon' ? 'autocannon.ts' : 'walkers.ts'
  const child = spawn(process.execPath, ['--no-warnings', join(here, file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'probatorium-bench-cache') }
  })
  const [output, [code]] = await Promise.all([
    text(child.stdout),
    once(child, 'exit') as Promise<[number | null]>
  ])
  if (code !== 0) throw new Error(`${name} ended with ${code}`)
  return JSON.parse(output) as Usage
}
