/** A validation from its inputs: what the command and the action share. */
import { join, resolve } from 'node:path'
import type { Finding } from '../documents/finding.ts'
import type { Replay } from '../documents/replay.ts'
import type { Cell } from '../documents/result.ts'
import { UserError } from '../kit/errors.ts'
import { ensureWritableFolder, writeFileAtomic } from '../kit/files.ts'
import type { Log } from '../kit/log.ts'
import { freshSeed } from '../kit/random.ts'
import { redact } from '../kit/secrets.ts'
import type { InputsOf } from '../kit/spec.ts'
import { suiteRoot, suiteVersion } from '../kit/version.ts'
import { readCeleris } from '../target/celeris.ts'
import { loadManifest, loadWaivers, type Manifest } from '../target/manifest.ts'
import { inheritedReplays, writeFindings } from './findings.ts'
import type { GateOptions } from './judge/gate.ts'
import { runMatrix, type MatrixOptions, type MatrixResult, type PlannedCell } from './matrix.ts'
import type { gateOptions, validateOptions } from './options.ts'
import { archName, asFlag, chooseServers, type Named } from './plan.ts'

export type ValidateInputs = InputsOf<typeof validateOptions>

export interface ValidateHooks {
  log: Log
  signal: AbortSignal
  /** Default: as a flag. */
  named?: Named
  /** The catalogue alone: the cases to play once, each slice as long as it takes. */
  catalogue?: { wants: NonNullable<MatrixOptions['wants']> }
  onPlanned(planned: { runnable: PlannedCell[]; notRun: Cell[]; seed: string; durationMs: number }): void
  onCell(cell: Cell): void
}

const LONGEST_URL_FREE = ['refapps', 'engines', 'celeris', 'config'] as const

/** Runs the validation; the result document and the findings are in the output folder. */
export async function validate(
  inputs: ValidateInputs,
  given: ReadonlySet<string>,
  hooks: ValidateHooks
): Promise<MatrixResult & { seed: string; out: string }> {
  const { named = asFlag } = hooks
  const seed = inputs.seed ?? freshSeed()
  const root = suiteRoot()
  const attached = inputs.url
  if (attached === undefined) {
    for (const name of ['pid', 'route'] as const) {
      if (given.has(name))
        throw new UserError({
          where: named(name),
          what: `it belongs to ${named('url')}`,
          fix: 'name the server too: http://HOST:PORT'
        })
    }
  } else {
    for (const name of LONGEST_URL_FREE) {
      // The catalogue takes the gates of a manifest and nothing else of it.
      if (given.has(name) && hooks.catalogue === undefined)
        throw new UserError({
          where: named(name),
          what: `it does not go with ${named('url')}`,
          fix: 'leave one of the two out'
        })
    }
  }
  const judged = hooks.catalogue !== undefined && inputs.config !== undefined
  const manifest = attached === undefined || judged ? loadManifest(inputs.config, root) : undefined
  const version = attached === undefined ? (inputs.celeris ?? manifest?.celerisVersion) : undefined
  const celeris = version === undefined ? undefined : readCeleris(version)
  const servers =
    attached === undefined
      ? chooseServers(manifest!, inputs.refapps, inputs.engines, named)
      : {
          url: attached,
          routes: inputs.route ?? {},
          ...(inputs.pid === undefined ? {} : { pid: inputs.pid })
        }
  const { today: _, ...judging } = gateOptionsOf(inputs, given, manifest?.gates ?? {})
  const out = resolve(inputs.out)
  await ensureWritableFolder(out)
  const replays = new Map<Finding, Replay>()
  const options: MatrixOptions = {
    servers,
    ...(celeris === undefined ? {} : { celeris }),
    backends: {
      ...(inputs.postgres === undefined ? {} : { postgres: inputs.postgres }),
      ...(inputs.redis === undefined ? {} : { redis: inputs.redis }),
      ...(inputs.memcached === undefined ? {} : { memcached: inputs.memcached })
    },
    slices: inputs.slices ?? [],
    ...(hooks.catalogue === undefined ? {} : { wants: hooks.catalogue.wants, whole: true }),
    tiers: inputs.tiers,
    durationMs: inputs.duration,
    concurrency: inputs.concurrency,
    seed,
    arch: archName(),
    ...judging,
    ...(inputs.resume === undefined ? {} : { resume: resolve(inputs.resume) }),
    out,
    suiteVersion: suiteVersion(),
    command: commandOf(hooks.catalogue === undefined ? 'validate' : 'catalogue', inputs, given, seed),
    log: hooks.log,
    signal: hooks.signal,
    onReplay: (finding, replay) => void replays.set(finding, replay),
    onPlanned: (planned) => hooks.onPlanned({ ...planned, seed, durationMs: inputs.duration }),
    onCell: (cell) => hooks.onCell(cell)
  }
  const result = await runMatrix(options)
  const inherited = await inheritedReplays(result.document, options.resume)
  await writeFindings(result.document, new Map([...inherited, ...replays]), out, result.resultsPath)
  return { ...result, seed, out }
}

/** How to judge: what the user wrote wins over the manifest, and the waivers of both hold. */
export function gateOptionsOf(
  inputs: InputsOf<typeof gateOptions>,
  given: ReadonlySet<string>,
  gates: Manifest['gates']
): GateOptions {
  const expectCells = inputs['expect-cells'] ?? gates.expect_cells
  return {
    failOn: given.has('fail-on') ? inputs['fail-on'] : (gates.fail_on ?? inputs['fail-on']),
    strict: given.has('strict') ? inputs.strict : (gates.strict ?? inputs.strict),
    waivers: [
      ...(gates.waivers ?? []),
      ...(gates.accept ?? []),
      ...(inputs.waivers === undefined ? [] : loadWaivers(inputs.waivers))
    ],
    ...(expectCells === undefined ? {} : { expectCells }),
    today: new Date().toISOString().slice(0, 10)
  }
}

/** The summary beside the results. */
export async function writeSummary(out: string, text: string): Promise<string> {
  const path = join(out, 'summary.md')
  await writeFileAtomic(path, redact(text))
  return path
}

function commandOf(name: string, inputs: ValidateInputs, given: ReadonlySet<string>, seed: string): string {
  const words = ['probatorium', name]
  const secrets = new Set(['postgres', 'redis', 'memcached', 'out', 'resume', 'json', 'quiet', 'seed'])
  for (const name of given) {
    if (secrets.has(name)) continue
    const value = (inputs as Record<string, unknown>)[name]
    if (value === undefined || value === false) continue
    if (value === true) words.push(`--${name}`)
    else if (name === 'duration') words.push(`--${name}`, `${Number(value)}ms`)
    else if (Array.isArray(value)) words.push(`--${name}`, value.join(','))
    else if (typeof value === 'object')
      for (const [key, path] of Object.entries(value as Record<string, string>))
        words.push(`--${name}`, `${key}=${path}`)
    else words.push(`--${name}`, typeof value === 'string' ? value : JSON.stringify(value))
  }
  return [...words, '--seed', seed].join(' ')
}
