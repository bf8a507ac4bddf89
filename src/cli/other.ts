/** `gate`, `plan` and `doctor`. */
import { readFile } from 'node:fs/promises'
import { DocumentProblem, parseResultDocument } from '../documents/result.ts'
import type { Outcome } from '../kit/errors.ts'
import { UserError } from '../kit/errors.ts'
import type { Log } from '../kit/log.ts'
import type { InputsOf } from '../kit/spec.ts'
import { suiteRoot } from '../kit/version.ts'
import { cellLine } from '../report/matrix.ts'
import { cellText, endText } from '../report/screen.ts'
import { readCeleris } from '../target/celeris.ts'
import { examine } from '../target/doctor.ts'
import { loadManifest, loadWaivers } from '../target/manifest.ts'
import { gate } from '../validate/judge/gate.ts'
import type { gateOptions, selectOptions } from '../validate/options.ts'
import { archName, chooseServers } from '../validate/plan.ts'
import { paintOf } from './validate.ts'

/** `probatorium gate FILE` */
export async function runGate(
  options: InputsOf<typeof gateOptions>,
  file: string,
  log: Log
): Promise<Outcome> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new UserError({
      where: file,
      what: `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      fix: 'name a validate-results.json'
    })
  }
  try {
    const document = parseResultDocument(text)
    const verdict = gate(document, {
      failOn: options['fail-on'],
      strict: options.strict,
      waivers: options.waivers === undefined ? [] : loadWaivers(options.waivers),
      ...(options['expect-cells'] === undefined ? {} : { expectCells: options['expect-cells'] }),
      today: new Date().toISOString().slice(0, 10)
    })
    const paint = paintOf(log)
    const lines = document.validation_results.cells.map(cellLine)
    const width = Math.max(12, ...lines.map(({ name }) => name.length))
    for (const line of lines) log.info(cellText(line, width, paint))
    for (const line of endText(document, verdict, paint)) log.result(line)
    if (log.json) log.document(verdict)
    return verdict.outcome
  } catch (error) {
    if (error instanceof DocumentProblem)
      throw new UserError({ where: file, what: error.message, fix: error.fix })
    throw error
  }
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
  log.result(`${include.length} cells`)
  return 'pass'
}

/** `probatorium doctor` */
export async function runDoctor(
  options: { config: string | undefined; celeris: string | undefined; strict: boolean },
  log: Log
): Promise<Outcome> {
  const manifest = loadManifest(options.config, suiteRoot())
  const version = options.celeris ?? manifest.celerisVersion
  const checks = await examine(manifest, version === undefined ? undefined : readCeleris(version))
  if (log.json) log.document({ checks })
  else {
    const { style } = log
    for (const { name, state, found, neededFor, fix } of checks) {
      const word =
        state === 'ok'
          ? style.green('ok     ')
          : state === 'limited'
            ? style.yellow('limited')
            : style.red('missing')
      log.result(`${word}  ${name.padEnd(16)} ${found}${state === 'ok' ? '' : `   needed for ${neededFor}`}`)
      if (fix !== undefined) log.result(`         ${' '.repeat(16)} fix: ${fix}`)
    }
  }
  return options.strict && checks.some(({ state }) => state === 'missing') ? 'findings' : 'pass'
}
