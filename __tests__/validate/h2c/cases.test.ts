/** The HTTP/2 cases as data: whole, named as the field names them, and told so that a person can follow. */
import { expect, test } from '@jest/globals'
import {
  H2C_CHURN_CASES,
  H2C_FLOOD_CASES,
  H2C_FRAME_CASES,
  H2C_PLAYED_FLOODS,
  H2C_PRIOR_CASES,
  H2C_STAGES,
  H2C_UPGRADE_CASES,
  h2cInfos
} from '../../../src/validate/catalogue/h2c/index.ts'
import { h2cSlice } from '../../../src/validate/traffic/h2c/index.ts'
import { playFixture } from '../play.ts'

const infos = h2cInfos()
const byId = new Map(infos.map((entry) => [entry.id, entry]))

test('ids are unique, and every group has its cases', () => {
  expect(byId.size).toBe(infos.length)
  expect(H2C_FRAME_CASES.length).toBeGreaterThanOrEqual(94)
  expect(H2C_UPGRADE_CASES.length).toBeGreaterThanOrEqual(14)
  expect(H2C_PRIOR_CASES).toHaveLength(6)
  expect(H2C_FLOOD_CASES.length + H2C_PLAYED_FLOODS.length).toBeGreaterThanOrEqual(22)
  expect(H2C_STAGES.stages.filter(({ id }) => /^s[0-7]-/.test(id))).toHaveLength(8)
  expect(H2C_STAGES.ways.map(({ id }) => id)).toEqual(['rst', 'fin', 'pause'])
})

test('each case tells a person what is sent, what is right and what is wrong', () => {
  for (const { id, steps, twin, right, wrong, oracles, title } of infos) {
    const told = [...steps, twin, right, title, ...wrong.map(({ says }) => says)]
    expect({ id, empty: told.filter((text) => text.trim() === '') }).toEqual({ id, empty: [] })
    // Whatever only the play knows stands as a placeholder of the step, and in no sentence.
    const open = wrong.map(({ says }) => says).filter((says) => /\{\w+\}/.test(says))
    expect({ id, open }).toEqual({ id, open: [] })
    expect(steps.length).toBeGreaterThan(0)
    expect(wrong.length).toBeGreaterThan(0)
    expect(oracles.length).toBeGreaterThan(1)
  }
})

test('the twin of a frame case is another case, which must be served', () => {
  for (const { id, twin } of H2C_FRAME_CASES) {
    if (twin === undefined) continue
    const beside = H2C_FRAME_CASES.find((entry) => entry.id === twin)
    const expected = beside?.expect
    expect({ id, twin, expected }).toEqual({ id, twin, expected: 'answered' })
  }
})

test('severities follow the standard: free choices convict nobody, raw CR, LF and NUL are HIGH', () => {
  for (const { expect: expected, strength, wrong } of H2C_FRAME_CASES) {
    if (expected !== 'any') continue
    expect(strength).toBe('MAY')
    expect(wrong.map(({ as }) => as).sort()).toEqual(['framing', 'silence'])
  }
  const severity = (id: string, as: string): string | undefined =>
    H2C_FRAME_CASES.find((entry) => entry.id === id)!.wrong.find((entry) => entry.as === as)?.severity
  for (const id of ['val-cr', 'val-lf', 'val-nul', 'name-lf', 'path-lf']) {
    expect([id, severity(id, 'delivered'), severity(id, 'dropped')]).toEqual([id, 'HIGH', 'LOW'])
  }
  for (const id of [
    'closed-data',
    'rst-then-data',
    'prio-sid0',
    'prio-self',
    'prio-len',
    'path-sp',
    'host-diff-auth'
  ])
    expect([id, byId.get(id)?.strength]).toEqual([id, 'MAY'])
  for (const id of ['0a', '0b', '0c', '0d', '0e', '0f', '10-empty'])
    expect([id, byId.get(`ctl-unknown-${id}`)?.strength]).toEqual([id, 'MAY'])
  expect(severity('sid-decreasing', 'accepted')).toBe('MED')
  for (const { wrong } of H2C_FLOOD_CASES)
    for (const { as, severity } of wrong) if (as === 'no visible bound') expect(severity).toBe('LOW')
  expect(H2C_CHURN_CASES.every(({ strength }) => strength === 'MUST')).toBe(true)
})

test('only what is wanted is planned and played', async () => {
  const only = ['uc-name', 'up-two-settings', 'prior-garbage', 'stage-s4-settings-fin', 'fl-many-settings']
  const { findings, book, notes } = await playFixture(h2cSlice, [], { only })
  expect(findings).toEqual([])
  expect([book.planned, book.exercised]).toEqual([only.length, only.length])
  expect(notes.join()).toContain('fl-many-settings')
  expect(notes.join()).not.toContain('fl-ping')
}, 60_000)
