/** Looks at the process beside the cases, a few times a second: what grew, and while which cases were on their way. */
import { readdirSync, readFileSync } from 'node:fs'
import { machineUnits } from '../../target/processes.ts'
import type { Target } from '../../target/types.ts'
import { lingeringConnections } from '../../wire/tcp.ts'
import { keyOf, type Timeline } from './timeline.ts'

/** What a process holds beside the connections that are open on both sides. Absent is absent. */
export interface Look {
  /** `performance.now()` */
  t: number
  descriptors?: number
  /** Those connections, which are not among the descriptors. */
  open: number
  threads?: number
  /** Resident memory, bytes. */
  rss?: number
  /** CPU time that its threads wanted so far, whether they got it or waited for a core, seconds. */
  cpuSeconds?: number
}

/** What a slow death is seen in. `cpu` is in cores. */
export const GAUGES = ['descriptors', 'threads', 'rss', 'cpu'] as const
export type Gauge = (typeof GAUGES)[number]

const EVERY_MS = 150
/** Where a look takes long, the next is so many times as far away, up to a second. */
const REST_FACTOR = 20
/** How often it is asked which processes belong to the server, ms. */
const FAMILY_MS = 1000
const LONGEST_MS = 1000
const MOST = 4000
/** More threads are not asked one by one: CPU time is then what they got. */
const MOST_THREADS = 64
/** A case whose try ended before a rise may have caused it, the less likely the longer ago: its weight falls to a third in, ms. */
const LAG_MS = 250
const LONGEST_LAG_MS = 1500
/** Open connections that are no crowd: so many, or so many times the usual. */
const FEW_OPEN = 8
const CROWD = 1.5

interface Point {
  t: number
  value: number
}

/** Connections of ours that are open on both sides: the kernel's table of them is long, and slow to read beside the cases. */
const ours = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length - lingeringConnections()

/** Connections of the port that are open on both sides and were accepted (they have an inode). */
function established(port: number): number {
  const local = port.toString(16).toUpperCase().padStart(4, '0')
  const row = new RegExp(`^ *\\d+: [0-9A-F]+:${local} \\S+ 01 \\S+ \\S+ \\S+ +\\d+ +\\d+ [1-9]`, 'gm')
  return ['/proc/net/tcp', '/proc/net/tcp6'].reduce(
    (sum, path) => sum + (read(path)?.match(row)?.length ?? 0),
    0
  )
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

function names(path: string): string[] | undefined {
  try {
    return readdirSync(path)
  } catch {
    return undefined
  }
}

/** Seconds in which threads of the process ran or waited for a core: on a busy machine one that spins runs seldom, and wants to always. */
function wanted(pid: number): number | undefined {
  const tasks = names(`/proc/${pid}/task`)
  if (tasks === undefined || tasks.length > MOST_THREADS) return undefined
  let nanoseconds = 0
  for (const task of tasks) {
    const [ran, waited] = (read(`/proc/${pid}/task/${task}/schedstat`) ?? '0 0').split(' ')
    nanoseconds += Number(ran) + Number(waited)
  }
  return nanoseconds > 0 ? nanoseconds / 1e9 : undefined
}

/**
 * One look at processes, at once: on a busy machine each step that waits would put the look off. Absent is what
 * cannot be read of one of them.
 * @param open connections to the server that are open on both sides
 */
function glance(pids: readonly number[], open: number): Look {
  const { pageSize, ticksPerSecond } = machineUnits()
  let descriptors: number | undefined = 0
  let threads = 0
  let rss = 0
  let cpuSeconds = 0
  for (const pid of pids) {
    const stat = read(`/proc/${pid}/stat`)
    // A process that has ended holds nothing.
    if (stat === undefined) continue
    // Behind the name, which may hold anything: state is the third field of all.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    threads += Number(fields[17])
    rss += Number(fields[21]) * pageSize
    cpuSeconds += wanted(pid) ?? (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
    const held = names(`/proc/${pid}/fd`)
    descriptors = descriptors === undefined || held === undefined ? undefined : descriptors + held.length
  }
  return {
    t: performance.now(),
    ...(descriptors === undefined ? {} : { descriptors: descriptors - open }),
    open,
    threads,
    rss,
    cpuSeconds
  }
}

/** One look; undefined where the process cannot be looked at. */
export async function look(target: Target): Promise<Look | undefined> {
  const census = await target.census().catch(() => undefined)
  return census === undefined ? undefined : glance(census.pids, established(target.port))
}

/** The gauge at each look; the cores in use are those since the look before. */
function series(looks: readonly Look[], gauge: Gauge): Point[] {
  if (gauge === 'descriptors') {
    // In a crowd the server has not taken some yet, or has given some up.
    const opens = looks.map(({ open }) => open).sort((a, b) => a - b)
    const most = Math.max(FEW_OPEN, CROWD * (opens[Math.floor(opens.length / 2)] ?? 0))
    looks = looks.filter(({ open }) => open <= most)
  }
  if (gauge !== 'cpu')
    return looks.flatMap(({ t, [gauge]: value }) => (value === undefined ? [] : [{ t, value }]))
  return looks.slice(1).flatMap((now, i) => {
    const cores = coresBetween(looks[i]!, now)
    return cores === undefined ? [] : [{ t: now.t, value: cores }]
  })
}

/** The middle one of three looks: a connection that is just being taken or given up shows for a moment only. */
function steady(points: readonly Point[]): Point[] {
  return points.map((point, i) => {
    const near = points.slice(Math.max(0, i - 1), i + 2).map(({ value }) => value)
    return { ...point, value: near.sort((a, b) => a - b)[Math.floor(near.length / 2)]! }
  })
}

export function coresBetween(from: Look, to: Look): number | undefined {
  if (from.cpuSeconds === undefined || to.cpuSeconds === undefined || to.t <= from.t) return undefined
  return ((to.cpuSeconds - from.cpuSeconds) * 1000) / (to.t - from.t)
}

export class Looks {
  readonly #target: Target
  #looks: Look[] = []
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #pids: readonly number[] = []
  #asked = -Infinity

  constructor(target: Target) {
    this.#target = target
  }

  start(): void {
    if (this.#target.pid !== undefined) this.#next(0)
  }

  #next(ms: number): void {
    this.#timer = setTimeout(() => {
      const begun = performance.now()
      if (this.#pids.length > 0) this.#looks.push(glance(this.#pids, ours()))
      if (this.#looks.length > MOST) this.#looks = this.#looks.slice(MOST / 2)
      const cost = performance.now() - begun
      if (begun - this.#asked > FAMILY_MS) {
        this.#asked = begun
        void this.#target
          .census()
          .then((census) => (this.#pids = census?.pids ?? []))
          .catch(() => undefined)
      }
      if (!this.#stopped) this.#next(Math.min(LONGEST_MS, Math.max(EVERY_MS, cost * REST_FACTOR)))
    }, ms)
    this.#timer.unref()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /**
   * Who was on the way when the gauge rose for good? Each rise of the lowest level that follows is shared out among
   * the cases of that moment.
   * @param rested the gauge after everything, when nothing was connected
   * @returns score by `keyOf`
   */
  blame(gauge: Gauge, rested: number, timeline: Timeline): Map<string, number> {
    const points = [...steady(series(this.#looks, gauge)), { t: performance.now(), value: rested }]
    const scores = new Map<string, number>()
    let floor = points.at(-1)!.value
    for (let i = points.length - 2; i >= 0; i--) {
      const lower = Math.min(floor, points[i]!.value)
      if (lower < floor) {
        const { t } = points[i]!
        const weights = new Map<string, number>()
        for (const one of timeline.during(t - LONGEST_LAG_MS, points[i + 1]!.t)) {
          const weight = Math.exp(-Math.max(0, t - one.to) / LAG_MS)
          weights.set(keyOf(one), Math.max(weight, weights.get(keyOf(one)) ?? 0))
        }
        const sum = [...weights.values()].reduce((total, weight) => total + weight, 0)
        for (const [key, weight] of weights)
          scores.set(key, (scores.get(key) ?? 0) + ((floor - lower) * weight) / sum)
      }
      floor = lower
    }
    return scores
  }
}
