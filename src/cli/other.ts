/** `gate`, `plan` and `doctor`. */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Outcome } from '../kit/errors.ts'
import type { Log } from '../kit/log.ts'
import type { InputsOf } from '../kit/spec.ts'
import { suiteRoot } from '../kit/version.ts'
import { cellLine, plural } from '../report/matrix.ts'
import { cellText, endText } from '../report/screen.ts'
import { readCeleris } from '../target/celeris.ts'
import { examine } from '../target/doctor.ts'
import { loadManifest, MANIFEST_NAME } from '../target/manifest.ts'
import { gate } from '../validate/judge/gate.ts'
import type { selectOptions } from '../validate/options.ts'
import { archName, chooseServers } from '../validate/plan.ts'
import { readResults } from '../validate/results.ts'
import { gateOptionsOf } from '../validate/run.ts'
import type { gateCommand } from './commands.ts'
import { paintOf } from './validate.ts'

/** `probatorium gate FILE` */
export async function runGate(
  options: InputsOf<typeof gateCommand.options>,
  given: ReadonlySet<string>,
  file: string,
  log: Log
): Promise<Outcome> {
  const document = await readResults(file)
  const own = options.config ?? (existsSync(MANIFEST_NAME) ? MANIFEST_NAME : undefined)
  const gates = own === undefined ? {} : loadManifest(own, suiteRoot()).gates
  const verdict = gate(document, gateOptionsOf(options, given, gates))
  const paint = paintOf(log)
  const lines = document.validation_results.cells.map(cellLine)
  const width = Math.max(12, ...lines.map(({ name }) => name.length))
  for (const line of lines) log.info(cellText(line, width, paint))
  for (const line of endText(document, verdict, paint, dirname(file))) log.result(line)
  if (log.json) log.document(verdict)
  return verdict.outcome
}

/** `probatorium plan` */
export function runPlan(options: InputsOf<typeof selectOptions>, log: Log): Outcome {
  const manifest = loadManifest(options.config, suiteRoot())
  const include = chooseServers(manifest, options.refapps, options.engines).map(
    ({ refapp, engine, toolchain, backends }) => ({
      refapp,
      engine,
      arch: archName(),
      toolchain,
      backends
    })
  )
  if (log.json) {
    log.document({ include })
    return 'pass'
  }
  for (const { refapp, engine, toolchain, backends } of include) {
    log.result(`${refapp.padEnd(24)} ${engine.padEnd(12)} ${[toolchain, ...backends].join(', ')}`)
  }
  log.result(plural(include.length, 'cell'))
  return 'pass'
}

/** `probatorium doctor` */
export async function runDoctor(
  options: { config: string | undefined; celeris: string | undefined; strict: boolean },
  log: Log
): Promise<Outcome> {
  const manifest = loadManifest(options.config, suiteRoot())
  const version = options.celeris ?? manifest.celerisVersion
  const choice = version === undefined ? undefined : readCeleris(version)
  const { checks, runnable, blocked } = await examine(manifest, choice)
  if (log.json) log.document({ checks, runnable, blocked })
  const { style } = log
  for (const { name, state, found, neededFor, fix } of log.json ? [] : checks) {
    const word =
      state === 'ok'
        ? style.green('ok     ')
        : state === 'limited'
          ? style.yellow('limited')
          : style.red('missing')
    log.result(`${word}  ${name.padEnd(16)} ${found}${state === 'ok' ? '' : `   needed for ${neededFor}`}`)
    if (fix !== undefined) log.result(`         ${' '.repeat(16)} fix: ${fix}`)
  }
  if (!log.json) {
    log.result(`${plural(runnable.length, 'cell')} of ${runnable.length + blocked.length} can run here`)
    const lacking = new Map<string, string[]>()
    for (const { cell, missing } of blocked) {
      const key = missing.join(', ')
      lacking.set(key, [...(lacking.get(key) ?? []), cell])
    }
    for (const [missing, cells] of lacking) {
      const more = cells.length > 3 ? ` and ${cells.length - 3} more` : ''
      log.result(`  without ${missing}: not ${cells.slice(0, 3).join(', ')}${more}`)
    }
  }
  return options.strict && checks.some(({ state }) => state === 'missing') ? 'findings' : 'pass'
}
