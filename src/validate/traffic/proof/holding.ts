/**
 * What the server still holds after its clients are gone: descriptors, sockets, subscribers, goroutines.
 *
 * A surplus is no leak (pools stay, other traffic runs beside us). A leak grows by the same work every time, so a
 * suspicion is settled by equal batches, each waited for, and by a batch of ordinary requests that must not grow.
 */
import { readFile } from 'node:fs/promises'
import type { Target } from '../../../target/types.ts'
import { readPublished } from '../../properties/probe.ts'
import { wait, type Bench } from './bench.ts'

/** Readings by gauge: `sockets`, `descriptors`, `connections kept`, `sse_subscribers`. Absent is absent. */
export type Levels = Map<string, number>

/** Gauges that a server publishes about what it holds at this moment. */
const HOLDS = /(subscriber|goroutine|websocket|ws_conn|sse_|streams?$|active|open_)/i
/** Sums that only ever grow, and sizes that say nothing of clients. */
const SUMS =
  /(total|accepted|closed|requests|count$|events|published|bytes|sent|dropped|errors?$|memstats|max|peak)/i

const POLL_MS = 150
const VARS_TIMEOUT_MS = 1000
const BATCHES = 3
/** Share of a batch's clients that must stay behind, in each batch, to be called a leak. */
const LEAKED_SHARE = 0.5
/** The side route where a server publishes its counters. */
const VARS_PATH = '/debug/vars'

const TIME_WAIT = '06'
const CLOSED = '07'

/** Server-side rows of the socket table whose peer is one of these ports of ours; undefined where there is no table. */
export async function rowsKept(target: Target, ports: ReadonlySet<number>): Promise<number | undefined> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'latin1').catch(() => undefined))
  )
  if (tables[0] === undefined) return undefined
  const port = (field: string | undefined): number => parseInt(field?.split(':')[1] ?? '', 16)
  let kept = 0
  for (const line of tables.join('\n').split('\n')) {
    const [, local, remote, state] = line.trim().split(/\s+/)
    if (port(local) === target.port && ports.has(port(remote)) && state !== TIME_WAIT && state !== CLOSED)
      kept += 1
  }
  return kept
}

export interface Growth {
  gauge: string
  /** Per batch. */
  grown: number[]
  /** Clients per batch. */
  clients: number
}

export class Holding {
  readonly #bench: Bench
  /** Local ports of the clients that are gone. */
  readonly gone = new Set<number>()

  constructor(bench: Bench) {
    this.#bench = bench
  }

  async read(): Promise<Levels> {
    const { target } = this.#bench.context
    const levels: Levels = new Map()
    const [census, kept, published] = await Promise.all([
      target.census().catch(() => undefined),
      rowsKept(target, this.gone),
      target.debug === undefined
        ? undefined
        : readPublished(target.debug.host, target.debug.port, VARS_PATH, VARS_TIMEOUT_MS)
    ])
    if (census?.sockets !== undefined) levels.set('sockets', census.sockets)
    if (census?.descriptors !== undefined) levels.set('descriptors', census.descriptors)
    if (kept !== undefined) levels.set('connections kept', kept)
    if (published !== undefined && 'numbers' in published) {
      for (const [name, value] of published.numbers) {
        if (HOLDS.test(name) && !SUMS.test(name)) levels.set(name, value)
      }
    }
    return levels
  }

  /** The highest of a few readings: what other traffic holds beside us. */
  async baseline(times = 3, apartMs = 200): Promise<Levels> {
    const highest = await this.read()
    for (let i = 1; i < times && !this.#bench.aborted; i++) {
      await wait(apartMs)
      for (const [gauge, value] of await this.read())
        highest.set(gauge, Math.max(value, highest.get(gauge) ?? 0))
    }
    return highest
  }

  /** Reads until no gauge stands above the level by more than allowed, or time is up: the lowest of the readings. */
  async settle(
    from: Levels,
    allowed: (gauge: string) => number,
    timeoutMs: number
  ): Promise<{ lowest: Levels; over: string[] }> {
    const end = performance.now() + timeoutMs
    const lowest: Levels = new Map()
    for (;;) {
      for (const [gauge, value] of await this.read())
        lowest.set(gauge, Math.min(value, lowest.get(gauge) ?? Infinity))
      const over = [...lowest].filter(
        ([gauge, value]) => from.has(gauge) && value - from.get(gauge)! > allowed(gauge)
      )
      if (over.length === 0 || performance.now() >= end || this.#bench.aborted)
        return { lowest, over: over.map(([gauge]) => gauge) }
      await wait(POLL_MS)
    }
  }

  /**
   * Does a gauge grow with every batch?
   * @param batch makes clients, takes them away, and says how many there were
   * @param settleMs how long the server is given after each batch
   */
  async grows(batch: () => Promise<number>, settleMs: number): Promise<Growth | undefined> {
    let level = (await this.settle(new Map(), () => Infinity, 0)).lowest
    let suspects = [...level.keys()]
    const grown = new Map<string, number[]>(suspects.map((gauge) => [gauge, []]))
    let clients = 0
    let longest = 0
    for (let i = 0; i < BATCHES; i++) {
      const begun = performance.now()
      clients = await batch()
      if (clients === 0 || this.#bench.aborted) return undefined
      const least = clients * LEAKED_SHARE
      const kept = new Set(suspects)
      const { lowest } = await this.settle(
        level,
        (gauge) => (kept.has(gauge) ? least - 1 : Infinity),
        settleMs
      )
      for (const gauge of suspects) grown.get(gauge)!.push((lowest.get(gauge) ?? 0) - (level.get(gauge) ?? 0))
      suspects = suspects.filter((gauge) => grown.get(gauge)!.at(-1)! >= least)
      if (suspects.length === 0) return undefined
      level = lowest
      longest = Math.max(longest, performance.now() - begun)
    }
    // The twin: as many ordinary requests, which must leave nothing behind; in the time of a batch, for others may leak.
    await Promise.all([wait(longest), ...Array.from({ length: clients }, () => this.#bench.control())])
    const { lowest } = await this.settle(level, () => clients * LEAKED_SHARE - 1, settleMs)
    const gauge = suspects.find(
      (name) => (lowest.get(name) ?? 0) - (level.get(name) ?? 0) < clients * LEAKED_SHARE
    )
    return gauge === undefined ? undefined : { gauge, grown: grown.get(gauge)!, clients }
  }
}
