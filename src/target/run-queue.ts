/**
 * How long the threads of a server waited for a processor: on a busy machine a silence is the machine's, not the
 * server's. From /proc/PID/task/TID/schedstat (time on the processor, time in the run queue, in nanoseconds).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { processTree } from './processes.ts'

const EVERY_MS = 250
/** The processes are looked up again after so many samples. */
const LOOKED_UP = 8
const KEPT = 400
/** Threads of one server that are followed. */
const MOST_THREADS = 256

interface Sample {
  /** `performance.now()` */
  at: number
  /** Milliseconds in the run queue so far, by thread. */
  waited: Map<string, number>
}

export class RunQueue {
  readonly #root: () => number | undefined
  readonly #timer: NodeJS.Timeout
  #pids: readonly number[] = []
  #ticks = 0
  readonly #samples: Sample[] = []

  /** @param root the process of the server at this moment; undefined where none is known */
  constructor(root: () => number | undefined) {
    this.#root = root
    this.#timer = setInterval(() => this.#tick(), EVERY_MS)
    this.#timer.unref()
    this.#tick()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /**
   * The longest that one thread has waited for a processor since then, ms, and the time over which that was counted,
   * which begins with the last sample before; undefined where nothing is known.
   * @param since `performance.now()`
   */
  waitedSince(since: number): { waited: number; of: number } | undefined {
    const before = this.#samples.findLast(({ at }) => at <= since) ?? this.#samples[0]
    if (before === undefined) return undefined
    const now = this.#look()
    let longest = 0
    for (const [thread, waited] of now.waited) {
      const then = before.waited.get(thread)
      if (then !== undefined) longest = Math.max(longest, waited - then)
    }
    return { waited: longest, of: now.at - before.at }
  }

  #tick(): void {
    const root = this.#root()
    if (this.#ticks++ % LOOKED_UP === 0 && root !== undefined) {
      void processTree(root).then((tree) => {
        this.#pids = tree.map(({ pid }) => pid)
      })
    }
    if (this.#pids.length === 0) return
    this.#samples.push(this.#look())
    if (this.#samples.length > KEPT) this.#samples.splice(0, KEPT / 2)
  }

  #look(): Sample {
    const waited = new Map<string, number>()
    for (const pid of this.#pids) {
      for (const thread of threadsOf(pid)) {
        if (waited.size >= MOST_THREADS) break
        const ms = waitOf(`/proc/${pid}/task/${thread}/schedstat`)
        if (ms !== undefined) waited.set(`${pid}/${thread}`, ms)
      }
    }
    return { at: performance.now(), waited }
  }
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function waitOf(path: string): number | undefined {
  try {
    const ns = Number(readFileSync(path, 'latin1').split(' ')[1])
    return Number.isFinite(ns) ? ns / 1e6 : undefined
  } catch {
    return undefined
  }
}
