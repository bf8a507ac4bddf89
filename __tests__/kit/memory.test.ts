import { expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const file = join(import.meta.dirname, '..', '..', 'src', 'kit', 'memory.ts')

/** MiB of the young generation after much that lives for a while, in a process of its own. */
function grown(bound: boolean): number {
  const script = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { setTimeout as delay } from 'node:timers/promises'
    import { boundMemory } from ${JSON.stringify(file)}
    if (${bound}) boundMemory()
    const kept = []
    for (let turn = 0; turn < 150; turn++) {
      for (let i = 0; i < 50_000; i++) kept[(turn * 50_000 + i) % 60_000] = { i, list: [i, i + 1] }
      await delay(1)
    }
    const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
    console.log(space.space_size >> 20)`
  const args = ['--no-warnings', '--input-type=module', '-e', script]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

test('the young generation of a process that makes much stays bounded', () => {
  expect(grown(false)).toBeGreaterThanOrEqual(64)
  expect(grown(true)).toBeLessThanOrEqual(32)
})
