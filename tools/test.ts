/** `npm test`: sets up what the tests need, runs them all, and counts. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'

const root = join(import.meta.dirname, '..')
let passed = 0
let failed = 0
let skipped = 0

function has(program: string): boolean {
  const places = (process.env['PATH'] ?? '').split(':')
  const base = '/usr/lib/postgresql'
  if (existsSync(base)) places.push(...readdirSync(base).map((version) => join(base, version, 'bin')))
  return places.some((place) => place !== '' && existsSync(join(place, program)))
}

function call(program: string, args: string[], quiet = false): boolean {
  return (
    spawnSync(program, args, {
      cwd: root,
      stdio: quiet ? 'ignore' : 'inherit',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    }).status === 0
  )
}

/** Services that some refapps need: installed where root and apt allow. */
function setUp(): void {
  if (process.env['CELERIS_DIR'] === undefined)
    console.log('CELERIS_DIR names no checkout: the tests against celeris are skipped')
  const wanted = Object.entries({
    postgres: 'postgresql',
    'redis-server': 'redis-server',
    memcached: 'memcached'
  }).filter(([program]) => !has(program))
  if (wanted.length === 0) return
  const packages = wanted.map(([, name]) => name)
  if (process.getuid?.() === 0 && has('apt-get')) {
    console.log(`installing ${packages.join(', ')}`)
    // Debian starts services on install; the suite starts its own.
    call('apt-get', ['update', '-qq'], true)
    call('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], true)
  }
  for (const [program] of wanted)
    if (!has(program)) console.log(`not here, tests that need it are skipped: ${program}`)
}

interface Assertion {
  status: string
  title: string
  ancestorTitles: string[]
}

/** Names what was skipped, by the block that says why. */
function tellSkipped(file: string, assertions: readonly Assertion[]): void {
  const counts = new Map<string, number>()
  for (const { status, title, ancestorTitles } of assertions) {
    if (status !== 'pending' && status !== 'todo') continue
    const block = ancestorTitles[0] ?? title
    counts.set(block, (counts.get(block) ?? 0) + 1)
  }
  for (const [block, count] of counts) console.log(`skipped: ${file}: ${block} (${count})`)
}

function jest(): void {
  const folder = mkdtempSync(join(tmpdir(), 'probatorium-test-'))
  const report = join(folder, 'report.json')
  const result = spawnSync(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--no-warnings',
      'node_modules/jest/bin/jest.js',
      '--json',
      `--outputFile=${report}`,
      ...process.argv.slice(2)
    ],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] }
  )
  try {
    const read = JSON.parse(readFileSync(report, 'utf8')) as {
      numPassedTests: number
      numFailedTests: number
      numPendingTests: number
      numTodoTests: number
      numFailedTestSuites: number
      numRuntimeErrorTestSuites: number
      testResults: { name: string; assertionResults: Assertion[] }[]
    }
    passed += read.numPassedTests
    failed += read.numFailedTests + read.numRuntimeErrorTestSuites
    skipped += read.numPendingTests + read.numTodoTests
    if (result.status !== 0 && failed === 0) failed += 1
    for (const { name, assertionResults } of read.testResults)
      tellSkipped(relative(root, name), assertionResults)
  } catch {
    console.error('the tests did not finish')
    failed += 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Go servers of ours must vet clean; celeris refapps need celeris and are vetted where it is served. */
function goVet(): void {
  const base = join(root, 'competitors')
  const modules = existsSync(base)
    ? readdirSync(base).filter((name) => existsSync(join(base, name, 'go.mod')))
    : []
  for (const name of modules) {
    if (!has('go')) {
      console.log(`skipped: go vet of competitors/${name}: no Go here`)
      skipped += 1
    } else if (spawnSync('go', ['vet', './...'], { cwd: join(base, name), stdio: 'inherit' }).status === 0)
      passed += 1
    else failed += 1
  }
}

setUp()
if (process.argv.length <= 2) goVet()
jest()
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
