/** A cell on the frail fixture, launched as the matrix does it. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Cell } from '../../../src/documents/result.ts'
import { createLog } from '../../../src/kit/log.ts'
import { RandomStreams } from '../../../src/kit/random.ts'
import { attach } from '../../../src/target/attach.ts'
import { launch } from '../../../src/target/launch.ts'
import type { Target } from '../../../src/target/types.ts'
import { http1Cases } from '../../../src/validate/catalogue/http1/index.ts'
import { runCell } from '../../../src/validate/cell.ts'
import type { SliceName } from '../../../src/validate/contracts.ts'
import { slicesFor } from '../../../src/validate/traffic/index.ts'
import { root, scratch } from '../../support/suite.ts'

const silent = { write: () => true }

export const launchFrail = (engine: string, signal = new AbortController().signal): Promise<Target> =>
  launch({
    argv: [
      process.execPath,
      join(root, '__tests__/fixture/frail.ts'),
      '-bind',
      '127.0.0.1:0',
      '-engine',
      engine
    ],
    cwd: root,
    env: {},
    routes: { get: '/', health: '/healthz', echo: '/echo', ws: '/ws' },
    readyTimeoutMs: 30_000,
    signal
  })

export interface Options {
  slices: SliceName[]
  /** Cases to play; default all. */
  only?: readonly string[]
  start?: (signal: AbortSignal) => Promise<Target>
  trafficMs?: number
}

/** Runs one cell and ends its server. */
export async function frailCell(engine: string, options: Options): Promise<Cell> {
  const out = scratch()
  try {
    return await runCell({
      refapp: 'frail',
      engine,
      arch: 'test',
      start: options.start ?? ((signal) => launchFrail(engine, signal)),
      slices: (capabilities) => slicesFor(options.slices, capabilities, undefined),
      sliceNames: options.slices,
      random: new RandomStreams('0x5eed'),
      trafficMs: options.trafficMs ?? 2500,
      concurrency: 6,
      wants: (_, id) => options.only?.includes(id) ?? true,
      whole: true,
      debugVarsPath: '/debug/vars',
      stopGraceMs: 3000,
      incidentsFolder: join(out, 'incidents'),
      database: join(out, 'observer.sqlite'),
      facts: {},
      failOn: 'high',
      strict: false,
      log: createLog({ stdout: silent, stderr: silent, quiet: true, env: {} }),
      signal: new AbortController().signal
    })
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

/** The same server as one that is only attached to, with its process known. */
export const attachTo =
  ({ authority, pid, routes }: Target, known = true): ((signal: AbortSignal) => Promise<Target>) =>
  (signal) =>
    attach({ url: `http://${authority}`, routes, signal, ...(known && pid !== undefined ? { pid } : {}) })

export const LONG = 240_000
/** Severity and case of each finding. */
export const named = (cell: Cell): string[] =>
  (cell.findings ?? []).map(({ severity, case: of }) => `${severity} ${of}`).sort()
export const CODING = http1Cases
  .filter(({ group }) => ['coding', 'chunk', 'host'].includes(group))
  .map(({ id }) => id)
