/** Servers that hang, and servers that somebody starts again: what takes minutes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { expect, test } from '@jest/globals'
import { root } from '../../support/suite.ts'
import { attachTo, CODING, frailCell, launchFrail, LONG, named } from './frail.ts'

test(
  'a case that hangs the server: named, and all others are played',
  async () => {
    const cell = await frailCell('hangs', { slices: ['adversarial'], only: CODING })
    expect(named(cell)).toEqual(['HIGH ck-size-plus'])
    expect(cell.findings![0]!.repeats).toEqual({ k: 2, n: 2 })
    expect(cell.restarts).toBeGreaterThanOrEqual(1)
    const { planned, exercised } = cell.coverage!.slices['adversarial']!
    expect(exercised / planned).toBeGreaterThanOrEqual(0.95)
  },
  LONG
)

test(
  'an attached server that somebody starts again: the case is named and the rest is played',
  async () => {
    // A supervisor that always listens on the same port.
    const first = await launchFrail('sound')
    await first.stop(500)
    const { port, authority } = first
    let child: ChildProcess | undefined
    let over = false
    const keep = (): void => {
      if (over) return
      child = spawn(
        process.execPath,
        ['__tests__/fixture/frail.ts', '-bind', `127.0.0.1:${port}`, '-engine', 'crashes'],
        { cwd: root, stdio: 'ignore' }
      )
      child.once('exit', () => setTimeout(keep, 1500))
    }
    keep()
    try {
      const place = { ...first, authority }
      const patient = async (signal: AbortSignal) => {
        for (let i = 0; ; i++) {
          try {
            return await attachTo(place, false)(signal)
          } catch (error) {
            if (i > 100) throw error
            await new Promise((resolve) => setTimeout(resolve, 100))
          }
        }
      }
      const cell = await frailCell('crashes', { slices: ['adversarial'], only: CODING, start: patient })
      // A message that was under way at the same time is told too, now and then.
      expect(named(cell)).toContain('HIGH te-xchunked')
      const { planned, exercised } = cell.coverage!.slices['adversarial']!
      expect(exercised / planned).toBeGreaterThanOrEqual(0.95)
    } finally {
      over = true
      child?.kill('SIGKILL')
    }
  },
  LONG
)
