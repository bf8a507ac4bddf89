import { expect, test } from '@jest/globals'
import { repeat } from '../../../src/validate/oracles/repeat.ts'

const tries =
  (...results: (boolean | undefined)[]): (() => Promise<boolean | undefined>) =>
  () =>
    Promise.resolve(results.shift())

test.each([
  [true, [true, true], { k: 3, n: 3, believed: true }],
  [true, [true, false, true, true], { k: 2, n: 3, believed: false }],
  [false, [true, false, true], { k: 3, n: 4, believed: true }],
  [false, [false, false, true, true], { k: 3, n: 5, believed: true }],
  [false, [false, false, false, true, true], { k: 1, n: 4, believed: false }],
  [false, [undefined, undefined, undefined], { k: 1, n: 1, believed: false }]
])('strict %p, then %p', async (strict, results, expected) => {
  expect(await repeat(strict, tries(...results))).toEqual(expected)
})
