/** What a server may lose with each play of a case, and from which growth on it is told. */
import type { Gauge } from './looks.ts'

const MIB = 1 << 20

export interface Quantity {
  predicate: 'I-CASE-FD' | 'I-CASE-THREADS' | 'I-CASE-RSS' | 'I-CASE-CPU'
  gauge: Gauge
  /** What the property says where all is well. */
  title: string
  /** What is left with each play, in words. */
  what: string
  /** Above the level from before the cases, at rest: a reason to look for a case. */
  surplus(before: number): number
  /** The same from which on as many cases are asked as the time allows, and not only the likeliest; default at once. */
  large?(before: number): number
  /** Growth with one batch of plays that counts, and of all batches together. */
  batch: number
  total: number
  /** Plays in a row that must add where several cases are tried together. */
  plays: number
  text(value: number): string
  /** Findings of the property loop that tell of the same. */
  also: readonly string[]
}

const count = (value: number): string => String(Math.round(value))

export const QUANTITIES: readonly Quantity[] = [
  {
    predicate: 'I-CASE-CPU',
    gauge: 'cpu',
    title: 'with no client left, no case keeps the processor busy',
    what: 'a core is kept busy though no client is left',
    surplus: () => 0.5,
    batch: 0.5,
    total: 0.5,
    plays: 1,
    text: (value) => value.toFixed(2),
    also: []
  },
  {
    predicate: 'I-CASE-THREADS',
    gauge: 'threads',
    title: 'no case leaves threads or processes behind',
    what: 'threads are left behind',
    // Runtimes begin a few threads under load, and keep them.
    surplus: () => 6,
    batch: 1,
    total: 3,
    plays: 1,
    text: count,
    also: []
  },
  {
    predicate: 'I-CASE-FD',
    gauge: 'descriptors',
    title: 'no case leaves descriptors open',
    what: 'descriptors stay open',
    surplus: () => 0,
    batch: 1,
    total: 3,
    plays: 1,
    text: count,
    also: ['I-FD-1', 'I-FD-2']
  },
  {
    predicate: 'I-CASE-RSS',
    gauge: 'rss',
    title: 'no case makes resident memory grow with each play',
    what: 'resident memory grows',
    // Every runtime keeps some of it, and to ask all cases of all servers would take as long as the cases.
    surplus: (before) => Math.max(32 * MIB, 0.3 * before),
    large: (before) => Math.max(160 * MIB, 1.5 * before),
    // Buffers that are kept for the next fill within the first plays.
    batch: 6 * MIB,
    total: 24 * MIB,
    plays: 2,
    text: (value) => `${(value / MIB).toFixed(1)} MiB`,
    also: ['I-MEM-4', 'I-MEM-1']
  }
]
