import { expect, test } from '@jest/globals'
import { RandomStreams } from '../../src/kit/random.ts'
import { judgeSlope, type Point } from '../../src/validate/properties/slope.ts'

const budget = { perSecond: 1000, floor: 50_000, floorShare: 0.05, minSpan: 90 }
const noise = new RandomStreams('0x1').stream('noise')
const series = (value: (t: number) => number, seconds = 300): Point[] =>
  Array.from({ length: seconds }, (_, t) => ({ t, value: value(t) }))

test.each<[string, (t: number) => number]>([
  ['flat with noise', () => 1e6 + noise.float() * 2e5],
  ['a sawtooth of a collector', (t) => 1e6 + (t % 40) * 20_000],
  ['one step', (t) => (t < 150 ? 1e6 : 1.4e6)],
  ['a step at the beginning', (t) => (t < 20 ? 5e5 : 1e6)],
  ['growth below the budget', (t) => 1e6 + t * 500]
])('no alarm: %s', (_, value) => {
  expect(judgeSlope(series(value), budget).verdict).toBe('flat')
})

test.each<[string, (t: number) => number]>([
  ['a steady leak', (t) => 1e6 + t * 5000],
  ['a leak under noise', (t) => 1e6 + t * 5000 + noise.float() * 3e5],
  ['a leak under a sawtooth', (t) => 1e6 + t * 5000 + (t % 40) * 20_000]
])('alarm: %s', (_, value) => {
  expect(judgeSlope(series(value), budget).verdict).toBe('growing')
})

test('a short series says nothing', () => {
  expect(
    judgeSlope(
      series((t) => t * 1e6, 60),
      budget
    ).verdict
  ).toBe('too short')
})
