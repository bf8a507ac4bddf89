/**
 * `npm run test:precision`: the whole catalogue against real servers. Every finding of HIGH or MED must be one of
 * __tests__/precision/known.yml; one that is not fails, and is shown with its bytes.
 *
 * Takes the options of `probatorium validate` (`--engines gin,hyper`, `--out DIR`, `--seed HEX`), and `--draft FILE`,
 * which writes what is not known as entries for a person to look at.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { stringify } from 'yaml'
import { validateCommand } from '../src/cli/commands.ts'
import type { Finding } from '../src/documents/finding.ts'
import { statusOf, type Cell } from '../src/documents/result.ts'
import { readArguments } from '../src/kit/arguments.ts'
import type { Outcome } from '../src/kit/errors.ts'
import { createLog, type Log } from '../src/kit/log.ts'
import { runMain, type MainContext } from '../src/kit/run.ts'
import { suiteRoot } from '../src/kit/version.ts'
import { shownBytes } from '../src/validate/incidents/report.ts'
import { validate } from '../src/validate/run.ts'
import { keyOf, readKnown, type Deviation } from './known-deviations.ts'

const MANIFEST = '__tests__/precision/probatorium.yml'
const PACKAGES = { nginx: 'nginx', apache2: 'apache2-bin', lighttpd: 'lighttpd', haproxy: 'haproxy' }
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/bin', '/usr/local/sbin']

/** Servers of the system's packages, where root and apt allow; without them their cells are not run. */
function installSystemServers(log: Log): void {
  const wanted = Object.entries(PACKAGES)
    .filter(([program]) => !SYSTEM_FOLDERS.some((folder) => existsSync(join(folder, program))))
    .map(([, name]) => name)
  if (wanted.length === 0) return
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    log.info(`not here, and only root may install them: ${wanted.join(', ')}`)
    return
  }
  log.info(`installing ${wanted.join(', ')}`)
  const apt = (...args: string[]): unknown =>
    spawnSync('apt-get', args, {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    })
  apt('update', '-qq')
  apt('install', '-y', '-qq', '--no-install-recommends', ...wanted)
}

/** Takes `--draft FILE` out of the arguments of validate. */
function draftOf(argv: string[]): { draft: string | undefined; rest: string[] } {
  const at = argv.indexOf('--draft')
  return at < 0
    ? { draft: undefined, rest: argv }
    : { draft: argv[at + 1], rest: [...argv.slice(0, at), ...argv.slice(at + 2)] }
}

const serverOf = (cell: Cell): string => `${cell.refapp}/${cell.engine}`

/** The finding as an entry of known.yml; the evidence is for a person to write. */
function entryOf(server: string, finding: Finding): Deviation {
  return {
    server,
    case: finding.case ?? '',
    predicate: finding.predicate,
    severity: finding.severity === 'HIGH' ? 'HIGH' : 'MED',
    standard: finding.standard ?? 'not stated',
    evidence: finding.title ?? '',
    verdict: 'true deviation'
  }
}

function shown(finding: Finding): string[] {
  const bytes = (text: string | undefined): string =>
    text === undefined || text === '' ? 'nothing' : shownBytes(Buffer.from(text, 'base64'))
  const { k, n } = finding.repeats ?? {}
  return [
    `  ${finding.severity}  ${finding.predicate}  ${finding.case ?? ''}  ${finding.standard ?? ''}${k === undefined ? '' : `  ${k} of ${n}`}`,
    `    ${finding.title ?? ''}`,
    ...Object.entries(finding.evidence ?? {}).map(
      ([oracle, saw]) => `    ${oracle}: ${String(saw).slice(0, 400)}`
    ),
    '    sent:',
    ...bytes(finding.sent)
      .slice(0, 1500)
      .split('\n')
      .map((line) => `      ${line}`),
    '    received:',
    ...bytes(finding.received)
      .slice(0, 1500)
      .split('\n')
      .map((line) => `      ${line}`)
  ]
}

async function main({ log, signal }: MainContext): Promise<Outcome> {
  const { draft, rest } = draftOf(process.argv.slice(2))
  const known = readKnown(suiteRoot())
  const usual = {
    '--config': join(suiteRoot(), MANIFEST),
    '--slices': 'adversarial,h2c,ws,sse',
    '--duration': '2s',
    '--out': join(suiteRoot(), 'probatorium-out/precision')
  }
  const added = Object.entries(usual).flatMap(([flag, value]) => (rest.includes(flag) ? [] : [flag, value]))
  const { options, given } = readArguments(validateCommand, [...added, ...rest])
  installSystemServers(log)
  const { document, out } = await validate(options, given, {
    log,
    signal,
    catalogue: { wants: () => true },
    onPlanned: ({ runnable, seed }) => log.info(`${runnable.length} servers, seed ${seed}`),
    onCell: (cell) => log.info(`${serverOf(cell)}: ${statusOf(cell) ?? ''}`)
  })
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const unknown: Deviation[] = []
  for (const cell of document.validation_results.cells) {
    const server = serverOf(cell)
    const status = statusOf(cell)
    if (status === 'not_run') {
      counts.skipped += 1
      log.info(`skipped: ${server}: ${cell.failure_reason ?? ''}; fix: ${cell.fix ?? ''}`)
      continue
    }
    const graver = (cell.findings ?? []).filter(({ severity }) => severity !== 'LOW')
    const entries = graver.map((finding) => ({ finding, entry: entryOf(server, finding) }))
    const listed = known.deviations.filter((entry) => entry.server === server)
    const fresh = entries.filter(({ entry }) => !listed.some((other) => keyOf(other) === keyOf(entry)))
    const gone = listed.filter((other) => !entries.some(({ entry }) => keyOf(other) === keyOf(entry)))
    unknown.push(...fresh.map(({ entry }) => entry))
    const judged = status === 'pass' || status === 'fail'
    const good = judged && fresh.length === 0
    counts[good ? 'passed' : 'failed'] += 1
    log.result(
      `${good ? 'ok  ' : 'FAIL'}  ${server}: ${listed.length - gone.length} known, ${fresh.length} not known, ${gone.length} no longer seen`
    )
    if (!judged) log.result(`  ${status ?? ''}: ${cell.failure_reason ?? ''}`)
    for (const { finding } of fresh) for (const text of shown(finding)) log.result(text)
    for (const entry of gone) log.result(`  no longer seen: ${entry.case} ${entry.predicate}`)
  }
  if (draft !== undefined) writeFileSync(draft, stringify(unknown, { lineWidth: 0 }))
  log.result(`Results: ${relative(process.cwd(), out)}`)
  log.result(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  return counts.failed > 0 || counts.passed === 0 ? 'findings' : 'pass'
}

await runMain(main, { log: createLog({}) })
