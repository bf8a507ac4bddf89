/** The table of a slice: each switch of the fixture flips exactly its own cases; with all off there is nothing to report. */
import { expect, test } from '@jest/globals'
import later from '../../src/validate/catalogue/later.json' with { type: 'json' }
import { catalogueInfos, SLICE_OF } from '../../src/validate/catalogue/list.ts'
import type { Protocol } from '../../src/validate/catalogue/about.ts'
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
  /** A try takes so long that not all of their cases are tried again. */
  unfinished?: readonly string[]
  /** All of them beside each other would load this process too much. */
  oneByOne?: boolean
  /** More about each finding. */
  each?: (finding: FindingDraft) => void
  /** More about a server that keeps the rules: that the slice has done its work. */
  sound: (played: Played) => void
  /** For its later rounds, with another order and other bytes. */
  later: PlayOptions
  soundLater?: (played: Played) => void
}

/** The table without one of its switches. */
export function without(mutants: Mutants, gone: string): Mutants {
  const { switches } = mutants
  const { [gone]: _, ...told } = mutants.told
  const others = (names: readonly string[] = []): string[] => names.filter((name) => name !== gone)
  return {
    ...mutants,
    switches: switches.filter(({ name }) => name !== gone),
    slow: others(mutants.slow),
    unfinished: others(mutants.unfinished),
    told
  }
}

const LONG_MS = 150_000
/** The same where each meets all cases. */
const WHOLE_MS = 300_000
const all = (id: string): string => id
/** Groups that take longest, beside those that a short cell leaves out. */
const LONG_GROUPS = ['kill', 'leak', 'churn', 'echo']

/** The cases of the switch's own groups, and of all groups that are quick. */
function near({ name: slice }: Slice, breaks: readonly string[], steady: (id: string) => string): string[] {
  const [protocol] = Object.entries(SLICE_OF).find(([, name]) => name === slice)! as [Protocol, string]
  const infos = catalogueInfos().filter((info) => info.protocol === protocol)
  const own = new Set(breaks.map(steady))
  const groups = new Set(infos.filter(({ id }) => own.has(steady(id))).map(({ group }) => group))
  // Who stays after a death is told by the case that counts the dead.
  if (groups.has('kill') || groups.has('stages')) groups.add('leak')
  const long = new Set([...later[protocol], ...LONG_GROUPS])
  return infos.filter(({ group }) => groups.has(group) || !long.has(group)).map(({ id }) => id)
}

/** @param whole each switch meets all cases of the slice, which takes long; else those near its own */
export function playMutants(mutants: Mutants, whole = false): void {
  const {
    slice,
    switches,
    elsewhere = [],
    slow = [],
    unrepeated = [],
    unfinished = [],
    told,
    steady = all,
    each,
    oneByOne
  } = mutants
  const own = switches
    .filter(({ breaks }) => !breaks.includes('*'))
    .sort((a, b) => Number(slow.includes(b.name)) - Number(slow.includes(a.name)))
  const names = own.map(({ name }) => name)
  // A name that is nobody's would check nothing.
  expect(names).toEqual(expect.arrayContaining([...slow, ...unrepeated, ...unfinished, ...Object.keys(told)]))

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

  const eachSwitch = whole && oneByOne === true ? test.each : test.concurrent.each
  eachSwitch(own.map(({ name, breaks }) => [name, breaks] as const))(
    '%s flips exactly its cases',
    async (name, breaks) => {
      const options = whole ? {} : { only: near(slice, breaks, steady) }
      const { flipped, findings, book } = await playFixture(slice, [name], options)
      const inconclusive = book.inconclusive.map((entry) => entry.case)
      const wanted = breaks.map(steady).sort()
      const untried = unfinished.includes(name)
        ? inconclusive.filter((id) => wanted.includes(steady(id)))
        : []
      if (wanted.length > 0) expect(flipped).not.toEqual([])
      expect([...flipped, ...untried].map(steady).sort()).toEqual(wanted)
      for (const finding of findings) {
        const { repeats, severity, predicate } = finding
        expect(repeats?.k).toBeGreaterThan(unrepeated.includes(name) ? 0 : 2)
        if (told[name] !== undefined) expect(`${severity} ${predicate}`).toBe(told[name])
        each?.(finding)
      }
      for (const id of flipped) expect(inconclusive).not.toContain(id)
    },
    whole ? WHOLE_MS : LONG_MS
  )
}
