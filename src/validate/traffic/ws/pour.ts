/** Much that is sent, in bounds of time and number; and what the server's process makes of it. */
import { wait, type Bench } from '../proof/bench.ts'
import type { Session } from './session.ts'

const MIB = 1 << 20

export interface Poured {
  /** Blocks that the kernel took. */
  blocks: number
  /** `all` left; `time` was up; `stalled` the server takes no more; `closed` by the server. */
  how: 'all' | 'time' | 'stalled' | 'closed'
}

/** Sends a block so many times. A write that stays under way is dropped with the connection. */
export async function pour(
  { bench, connection }: Session,
  block: Buffer,
  times: number,
  limits: {
    forMs: number
    /** Longest time without progress. */
    stalledMs: number
    /** Done before a second wait of that time. */
    meanwhile?: () => Promise<unknown>
  }
): Promise<Poured> {
  const end = performance.now() + limits.forMs
  for (let blocks = 0; blocks < times; blocks++) {
    const left = end - performance.now()
    if (left <= 0) return { blocks, how: 'time' }
    const patience = Math.min(left, limits.stalledMs)
    const writing = bench.write(connection, block)
    let wrote = await within(writing, patience)
    if (wrote === undefined && limits.meanwhile !== undefined) {
      await limits.meanwhile()
      wrote = await within(writing, patience)
    }
    if (wrote === undefined) return { blocks, how: left <= limits.stalledMs ? 'time' : 'stalled' }
    if (!wrote || connection.state !== 'open') return { blocks, how: 'closed' }
  }
  return { blocks: times, how: 'all' }
}

/** The value, or undefined after the time limit. */
async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  const value = await Promise.race([work, late])
  clearTimeout(timer)
  return value
}

/** Resident set of the server's processes, bytes; undefined where they are not known. */
export async function residentOf(bench: Bench): Promise<number | undefined> {
  return (await bench.context.target.census().catch(() => undefined))?.rss
}

/** Highest growth above a level within a time, MiB. Stops when the test holds. */
export async function growth(
  bench: Bench,
  level: number,
  forMs: number,
  done: () => boolean = () => false
): Promise<number> {
  const end = performance.now() + forMs
  let highest = 0
  for (;;) {
    highest = Math.max(highest, ((await residentOf(bench)) ?? level) - level)
    if (performance.now() >= end || done()) return Math.round(highest / MIB)
    await wait(50)
  }
}
