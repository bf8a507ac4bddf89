/** Resident memory of the suite's own process while it validates the shop. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setInterval as every } from 'node:timers/promises'
import { judgeSlope, type Point, type SlopeVerdict } from '../../src/validate/properties/slope.ts'

export interface Memory {
  peakMiB: number
  /** Slope after the warm-up, KiB a second. */
  verdict: SlopeVerdict
  seconds: number
}

const MIB = 1 << 20
/** Share of the run that is warm-up: heap and code caches fill. */
const WARM_UP = 0.3
/** 32 KiB a second are 19 MiB in ten minutes. */
const BUDGET = { perSecond: 32 * 1024, floor: 16 * MIB, floorShare: 0.1, minSpan: 30 }

export async function measureMemory(command: string, duration: string): Promise<Memory> {
  const folder = mkdtempSync(join(tmpdir(), 'probatorium-bench-'))
  const args = ['validate', '--refapps', 'shop', '--duration', duration, '--out', folder, '--quiet']
  const child = spawn(process.execPath, ['--no-warnings', command, ...args], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  const stop = new AbortController()
  void ended.then(() => stop.abort())
  const begun = performance.now()
  const points: Point[] = []
  let peak = 0
  try {
    for await (const _ of every(1000, undefined, { signal: stop.signal })) {
      const status = statusOf(child.pid!)
      const rss = kib(status, 'VmRSS')
      if (rss === undefined) break
      points.push({ t: (performance.now() - begun) / 1000, value: rss * 1024 })
      peak = Math.max(peak, kib(status, 'VmHWM') ?? 0)
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
  } finally {
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  const after = points.slice(Math.floor(points.length * WARM_UP))
  return { peakMiB: peak / 1024, verdict: judgeSlope(after, BUDGET), seconds: points.at(-1)?.t ?? 0 }
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1')
  } catch {
    return ''
  }
}

function kib(status: string, field: string): number | undefined {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)
  return match === null ? undefined : Number(match[1])
}
