/** What of the catalogue every cell plays, however short it is; the rest follows as far as the cell's time goes. */
import type { Protocol } from './about.ts'
import { catalogueInfos, SLICE_OF } from './list.ts'
import later from './later.json' with { type: 'json' }

/** Groups whose cases wait, hold much or send much, by protocol. */
const LATER: Readonly<Record<Protocol, readonly string[]>> = later

let core: Map<string, Set<string>> | undefined

function read(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const { protocol, group, id } of catalogueInfos()) {
    if (protocol === 'passive' || LATER[protocol].includes(group)) continue
    const slice = SLICE_OF[protocol]
    found.set(slice, (found.get(slice) ?? new Set()).add(id))
  }
  return found
}

/** True for the cases that are begun even past the cell's time. */
export function isCore(slice: string, caseId: string): boolean {
  core ??= read()
  return core.get(slice)?.has(caseId) ?? true
}
