/** The table of a slice: each switch of the fixture flips exactly its own cases; with all off there is nothing to report. */
import { expect, test } from '@jest/globals'
import type { FindingDraft, Slice } from '../../src/validate/contracts.ts'
import type { Switch } from '../fixture/types.ts'
import { playFixture, type Played, type PlayOptions } from './play.ts'

export interface Mutants {
  slice: Slice
  switches: readonly Switch[]
  /** Cases that are about servers of another kind, and inapplicable here. */
  elsewhere?: readonly string[]
  /** They take longest, so they begin first. */
  slow?: readonly string[]
  /** How all findings of a switch are told, for a few of each kind: `HIGH I-WS-ECHO`. */
  told: Record<string, string>
  /** The part of a case's id that does not depend on the clock; else all of it. */
  steady?: (id: string) => string
  /** After them nobody is served any more, so nothing can be repeated. */
  unrepeated?: readonly string[]
  /** More about each finding. */
  each?: (finding: FindingDraft) => void
  /** More about a server that keeps the rules: that the slice has done its work. */
  sound: (played: Played) => void
  /** For its later rounds, with another order and other bytes. */
  later: PlayOptions
  soundLater?: (played: Played) => void
}

const LONG_MS = 150_000
const whole = (id: string): string => id

export function playMutants(mutants: Mutants): void {
  const { slice, switches, elsewhere = [], slow = [], unrepeated = [], told, steady = whole, each } = mutants
  const own = switches
    .filter(({ breaks }) => !breaks.includes('*'))
    .sort((a, b) => Number(slow.includes(b.name)) - Number(slow.includes(a.name)))
  const names = own.map(({ name }) => name)
  // A name that is nobody's would check nothing.
  expect(names).toEqual(expect.arrayContaining([...slow, ...unrepeated, ...Object.keys(told)]))

  test.each([
    ['every case is exercised', {}, mutants.sound],
    ['the same in later rounds', mutants.later, mutants.soundLater]
  ] as const)(
    'a server that keeps the rules has no finding of any severity: %s',
    async (_, options, more) => {
      const played = await playFixture(slice, [], options)
      expect(played.findings).toEqual([])
      expect(played.book.inapplicable.map((entry) => entry.case).sort()).toEqual([...elsewhere].sort())
      expect(played.book.exercised).toBe(played.book.planned - elsewhere.length)
      more?.(played)
    },
    LONG_MS
  )

  test.concurrent.each(own.map(({ name, breaks }) => [name, breaks] as const))(
    '%s flips exactly its cases',
    async (name, breaks) => {
      const { flipped, findings, book } = await playFixture(slice, [name])
      expect(flipped.map(steady)).toEqual([...breaks].map(steady).sort())
      for (const finding of findings) {
        const { repeats, severity, predicate } = finding
        expect(repeats?.k).toBeGreaterThan(unrepeated.includes(name) ? 0 : 2)
        if (told[name] !== undefined) expect(`${severity} ${predicate}`).toBe(told[name])
        each?.(finding)
      }
      for (const id of flipped) expect(book.inconclusive.map((entry) => entry.case)).not.toContain(id)
    },
    LONG_MS
  )
}
