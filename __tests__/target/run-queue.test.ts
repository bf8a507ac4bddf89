/** A server that gets no processor is told from one that does nothing. */
import { afterAll, expect, test } from '@jest/globals'
import { spawn, type ChildProcess } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { RunQueue } from '../../src/target/run-queue.ts'

const children: ChildProcess[] = []
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})
function run(script: string): number {
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' })
  children.push(child)
  return child.pid!
}

test('beside many that spin, one that spins waits most of the time, and one that sleeps does not', async () => {
  const [busy, idle] = [run('for (;;);'), run('setInterval(() => undefined, 1e6)')]
  for (let i = 0; i < 6 * availableParallelism(); i++) run('for (;;);')
  const queues = [busy, idle].map((pid) => new RunQueue(() => pid))
  await delay(3000)
  const since = performance.now()
  await delay(1500)
  const [spins, sleeps] = queues.map((queue) => queue.waitedSince(since)!)
  for (const queue of queues) queue.stop()
  expect(spins!.waited / spins!.of).toBeGreaterThan(0.4)
  expect(sleeps!.waited / sleeps!.of).toBeLessThan(0.2)
})

test('without a process nothing is known', () => {
  const queue = new RunQueue(() => undefined)
  expect(queue.waitedSince(performance.now())).toBeUndefined()
  queue.stop()
})
