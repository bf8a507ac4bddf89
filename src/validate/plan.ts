/** Which cells a run has. */
import { UserError } from '../kit/errors.ts'
import { didYouMean } from '../kit/suggest.ts'
import type { Manifest, ServerSpec } from '../target/manifest.ts'

/** Go's name of the architecture, as result documents carry it. */
export function archName(arch: string = process.arch): string {
  return ({ x64: 'amd64', ia32: '386' } as Record<string, string>)[arch] ?? arch
}

/** How an input is called where the user wrote it: `--engines`, `input engines`. */
export type Named = (input: string) => string
export const asFlag: Named = (input) => `--${input}`

function known(
  names: readonly string[],
  allowed: readonly string[],
  where: string,
  noun: string
): Set<string> {
  if (names.includes('all')) return new Set(allowed)
  for (const name of names) {
    if (allowed.includes(name)) continue
    throw new UserError({
      where,
      what: `unknown ${noun} "${name}"${didYouMean(name, allowed)}`,
      fix: `allowed: all, ${allowed.join(', ')}`
    })
  }
  return new Set(names)
}

/** The servers of a run, in the order of the manifest. @throws UserError for unknown names and an empty choice */
export function chooseServers(
  manifest: Manifest,
  refapps: readonly string[],
  engines: readonly string[],
  named: Named = asFlag
): ServerSpec[] {
  const wantedRefapps = known(refapps, manifest.refapps, named('refapps'), 'refapp')
  const wantedEngines = known(engines, manifest.engines, named('engines'), 'engine')
  const chosen = manifest.servers.filter(
    ({ refapp, engine }) => wantedRefapps.has(refapp) && wantedEngines.has(engine)
  )
  if (chosen.length > 0) return chosen
  const offered = manifest.servers
    .filter(({ refapp }) => wantedRefapps.has(refapp))
    .map(({ engine }) => engine)
  throw new UserError({
    where: named('engines'),
    what: `no cell: ${[...wantedRefapps].join(', ')} has no engine ${[...wantedEngines].join(', ')}`,
    fix: `engines of these refapps: ${[...new Set(offered)].join(', ')}`
  })
}
