import { expect, test } from '@jest/globals'
import { RandomStreams } from '../../src/kit/random.ts'
import { judgeSlope, type Point } from '../../src/validate/properties/slope.ts'

const budget = { perSecond: 1000, floor: 50_000, floorShare: 0.05, minSpan: 30, fullSpan: 90 }
const noise = new RandomStreams('0x1').stream('noise')
const series = (value: (t: number) => number, seconds = 300): Point[] =>
  Array.from({ length: seconds }, (_, t) => ({ t, value: value(t) }))

test.each<[string, (t: number) => number]>([
  ['flat with noise', () => 1e6 + noise.float() * 2e5],
  ['a sawtooth of a collector', (t) => 1e6 + (t % 40) * 20_000],
  ['one step', (t) => (t < 150 ? 1e6 : 1.4e6)],
  ['a step at the beginning', (t) => (t < 20 ? 5e5 : 1e6)],
  ['a cache that fills and is full at last', (t) => 1e6 + Math.min(t, 210) * 8000],
  ['growth that comes to rest', (t) => 1e6 + 1.5e6 * (1 - Math.exp(-t / 40))],
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

test('below the whole span growth is told, and its absence only where the interval excludes it', () => {
  const told = (value: (t: number) => number): string => judgeSlope(series(value, 45), budget).verdict
  expect(told((t) => 1e6 + t * 5000)).toBe('growing')
  expect(told(() => 1e6)).toBe('flat')
  // It grows, but not yet by what counts.
  expect(told((t) => 1e6 + t * 1100)).toBe('too short')
})

test('a short series says nothing', () => {
  expect(
    judgeSlope(
      series((t) => t * 1e6, 25),
      budget
    ).verdict
  ).toBe('too short')
})
