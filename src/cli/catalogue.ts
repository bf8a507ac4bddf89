/** `probatorium catalogue`: the protocol cases played, listed, explained. */
import { existsSync } from 'node:fs'
import { UserError, type Outcome } from '../kit/errors.ts'
import type { Log } from '../kit/log.ts'
import type { InputsOf } from '../kit/spec.ts'
import { saveMemory } from '../kit/memory.ts'
import { plural } from '../report/matrix.ts'
import { MANIFEST_NAME } from '../target/manifest.ts'
import type { CaseInfo } from '../validate/catalogue/about.ts'
import { chooseCases, nameOf, SLICE_OF } from '../validate/catalogue/list.ts'
import { SLICES } from '../validate/contracts.ts'
import type { catalogueOptions } from '../validate/options.ts'
import { tellValidation } from './validate.ts'

type Options = InputsOf<typeof catalogueOptions>

/** The whole traffic window; the one pass of each slice is finished past it. */
const WINDOW_MS = 2000
const CONCURRENCY = 16
const LONGEST_STEP = 200

export async function runCatalogue(
  options: Options,
  given: ReadonlySet<string>,
  log: Log,
  signal: AbortSignal
): Promise<Outcome> {
  const chosen = chooseCases(options.protocols, options.only)
  if (options.list) return list(chosen, log)
  if (options.url === undefined) {
    if (options.only !== undefined) return explain(chosen, log)
    throw new UserError({
      where: '--url',
      what: 'no server is named',
      fix: 'name one: --url http://HOST:PORT; or --list'
    })
  }
  const wanted = new Set(chosen.map(keyOf))
  if ([...wanted].every((key) => key.startsWith('passive/'))) {
    throw new UserError({
      where: '--only',
      what: 'rules for every answer send nothing themselves',
      fix: 'name cases of a protocol beside them'
    })
  }
  const slices = SLICES.filter((slice) => [...wanted].some((key) => key.startsWith(`${slice}/`)))
  const config = options.config ?? (existsSync(MANIFEST_NAME) ? MANIFEST_NAME : undefined)
  saveMemory()
  const { document, verdict } = await tellValidation(
    {
      ...options,
      config,
      refapps: [],
      engines: [],
      celeris: undefined,
      tiers: ['1'],
      slices,
      duration: WINDOW_MS,
      concurrency: CONCURRENCY,
      'expect-cells': undefined,
      postgres: undefined,
      redis: undefined,
      memcached: undefined,
      resume: undefined
    },
    given,
    log,
    signal,
    { catalogue: { cases: countText(chosen), wants: (slice, id) => wanted.has(`${slice}/${id}`) } }
  )
  if (log.json) log.document(document)
  return verdict.outcome
}

const keyOf = ({ protocol, id }: CaseInfo): string =>
  `${protocol === 'passive' ? protocol : SLICE_OF[protocol]}/${id}`

/** `262 cases of h1, 160 of h2c` */
function countText(chosen: readonly CaseInfo[]): string {
  const counts = new Map<string, number>()
  for (const { protocol } of chosen) counts.set(protocol, (counts.get(protocol) ?? 0) + 1)
  const parts = [...counts].map(([protocol, count]) => `${protocol} ${count}`)
  return `${plural(chosen.length, 'case')} (${parts.join(', ')})`
}

function list(chosen: readonly CaseInfo[], log: Log): Outcome {
  if (log.json) {
    log.document({ cases: chosen })
    return 'pass'
  }
  const width = Math.max(...chosen.map((info) => nameOf(info).length))
  const group = Math.max(...chosen.map((info) => info.group.length))
  for (const info of chosen) {
    const { strength, standard, title } = info
    log.result(
      `${nameOf(info).padEnd(width)}  ${info.group.padEnd(group)}  ${strength.padEnd(6)}  ${standard.padEnd(20)}  ${title}`
    )
  }
  log.info(countText(chosen))
  return 'pass'
}

function explain(chosen: readonly CaseInfo[], log: Log): Outcome {
  if (log.json) {
    log.document({ cases: chosen })
    return 'pass'
  }
  for (const info of chosen) {
    const lines = [
      `${log.style.bold(nameOf(info))}  ${info.title}`,
      `  ${info.strength} of ${info.standard}; group ${info.group}; decided by ${info.oracles.join(', ')}`,
      ...labelled('sends', info.steps),
      ...labelled('twin', [info.twin]),
      ...labelled('right', [info.right]),
      ...labelled(
        'wrong',
        info.wrong.map(({ severity, says }) => `${severity}: ${says}`)
      )
    ]
    for (const line of lines) log.result(line)
    log.result('')
  }
  log.info('play: the same with --url http://HOST:PORT')
  return 'pass'
}

function labelled(label: string, texts: readonly string[]): string[] {
  return texts.map((text, i) => {
    const shown = text.length <= LONGEST_STEP ? text : `${text.slice(0, LONGEST_STEP - 3)}...`
    return `  ${(i === 0 ? label : '').padEnd(6)} ${shown}`
  })
}
