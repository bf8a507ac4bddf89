/** celeris by version or by directory, through a temporary modfile; the repository is never edited. */
import { execa } from 'execa'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { UserError } from '../kit/errors.ts'
import { hashFolders } from './sources.ts'
import type { NotRun } from './toolchain.ts'

const MODULE = 'github.com/goceleris/celeris'
const PROBE_MS = 12_000
const EDIT_MS = 20_000

export type CelerisChoice = { version: string } | { dir: string }

/** Reads `--celeris v1.5.8|DIR`. @throws UserError */
export function readCeleris(text: string): CelerisChoice {
  if (/^v\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$/.test(text)) return { version: text }
  const dir = resolve(text)
  if (!existsSync(dir)) {
    throw new UserError({
      where: '--celeris',
      what: `"${text}" is neither a version nor a folder`,
      fix: 'give a version such as v1.5.8, or the folder of a checkout'
    })
  }
  const file = join(dir, 'go.mod')
  const module = existsSync(file) ? /^module\s+(\S+)/m.exec(readFileSync(file, 'utf8'))?.[1] : undefined
  if (module === MODULE) return { dir }
  throw new UserError({
    where: '--celeris',
    what: module === undefined ? `${text} holds no go.mod` : `${text} holds the module ${module}`,
    fix: `give the folder of a checkout of ${MODULE}`
  })
}

const identities = new Map<string, Promise<string>>()

/** Text that changes when the celeris under test changes; a checkout is read once a run. */
export function celerisIdentity(choice: CelerisChoice): Promise<string> {
  if ('version' in choice) return Promise.resolve(choice.version)
  const known = identities.get(choice.dir)
  if (known !== undefined) return known
  // Its content and not its commit: what is not committed is tested too.
  const fresh = hashFolders([choice.dir])
  identities.set(choice.dir, fresh)
  return fresh
}

/**
 * Writes `go.probatorium.mod` beside the copied sources.
 * @param dir the copy in which is built
 * @param source where the sources came from: relative replaces are made absolute from there
 * @param choice the celeris to build against; absent for what go.mod says
 * @returns the arguments for `go build`
 */
export async function writeModfile(
  dir: string,
  source: string,
  choice: CelerisChoice | undefined
): Promise<string[]> {
  const file = join(dir, 'go.probatorium.mod')
  await copyFile(join(dir, 'go.mod'), file)
  if (existsSync(join(dir, 'go.sum'))) await copyFile(join(dir, 'go.sum'), join(dir, 'go.probatorium.sum'))
  const text = await readFile(file, 'utf8')
  const edits: string[] = []
  for (const [, path, target] of text.matchAll(RELATIVE_REPLACE))
    edits.push(`-replace=${path!}=${resolve(source, target!)}`)
  for (const [, path, version] of text.matchAll(REQUIRED)) {
    if (choice === undefined) continue
    if ('dir' in choice) {
      const inside = join(choice.dir, path!.slice(MODULE.length))
      if (existsSync(join(inside, 'go.mod'))) edits.push(`-replace=${path!}=${inside}`)
    } else if (choice.version !== version) {
      // Not a requirement, which another module's would raise without a word. The modules below celeris
      // have a tag of the same number each.
      edits.push(`-replace=${path!}=${path!}@${choice.version}`)
    }
  }
  if (edits.length > 0)
    await execa('go', ['mod', 'edit', ...edits, file], {
      cwd: dir,
      stdin: 'ignore',
      timeout: EDIT_MS,
      env: { GOWORK: 'off' }
    })
  return ['-modfile=go.probatorium.mod', '-mod=mod']
}

const RELATIVE_REPLACE = /^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+(\.\.?\/\S*)\s*$/gm
const REQUIRED = /^\s*(?:require\s+)?(github\.com\/goceleris\/celeris(?:\/\S+)?)\s+(v\S+)/gm

const served = new Map<string, Promise<NotRun | undefined>>()

/** Whether the module proxy serves the version; asked once a run, and with a time limit. */
export function moduleObstacle(choice: CelerisChoice): Promise<NotRun | undefined> {
  if ('dir' in choice) return Promise.resolve(undefined)
  const known = served.get(choice.version)
  if (known !== undefined) return known
  const fresh = (async (): Promise<NotRun | undefined> => {
    const asked = await execa('go', ['list', '-m', `${MODULE}@${choice.version}`], {
      reject: false,
      timeout: PROBE_MS,
      cwd: '/',
      env: { GOFLAGS: '-mod=mod', GO111MODULE: 'on' },
      stdin: 'ignore'
    })
    if (!asked.failed) return undefined
    const slow = asked.timedOut ? ' (no answer in time)' : ''
    return {
      reason: `Go module ${MODULE} ${choice.version} is not served here${slow}`,
      fix: '--celeris DIR, or a proxy that serves it'
    }
  })()
  served.set(choice.version, fresh)
  return fresh
}

/** Go sources of a refapp with everything that its relative replaces name. */
export async function replacedFolders(dir: string): Promise<string[]> {
  const text = await readFile(join(dir, 'go.mod'), 'utf8').catch(() => '')
  return [...text.matchAll(/=>\s+(\.\.?\/\S*)\s*$/gm)].map((match) => resolve(dir, match[1]!))
}

export async function writeIdentity(folder: string, facts: Record<string, string>): Promise<void> {
  await writeFile(join(folder, 'identity.json'), `${JSON.stringify(facts, null, 2)}\n`)
}
