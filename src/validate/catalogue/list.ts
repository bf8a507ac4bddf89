/** Every case of every protocol, as people read it. */
import { UserError } from '../../kit/errors.ts'
import { didYouMean } from '../../kit/suggest.ts'
import type { SliceName } from '../contracts.ts'
import type { CaseInfo, Protocol } from './about.ts'
import { h2cInfos } from './h2c/index.ts'
import { http1Infos } from './http1/index.ts'
import { passiveInfos } from './passive/index.ts'
import { sseInfos } from './sse/index.ts'
import { wsInfos } from './ws/index.ts'

/** The slice that plays the cases of a protocol. */
export const SLICE_OF: Readonly<Record<Protocol, SliceName>> = {
  h1: 'adversarial',
  h2c: 'h2c',
  ws: 'ws',
  sse: 'sse'
}

/** In the order in which they are listed; `passive` rules go with every protocol. */
export function catalogueInfos(): CaseInfo[] {
  return [...http1Infos(), ...h2cInfos(), ...wsInfos(), ...sseInfos(), ...passiveInfos()]
}

/** The case that a finding of a slice is of. */
export const infoOf = (slice: string | undefined, id: string | undefined): CaseInfo | undefined =>
  catalogueInfos().find(
    (info) => info.id === id && (info.protocol === 'passive' ? 'passive' : SLICE_OF[info.protocol]) === slice
  )

/** `h1/te-cl`: some ids stand in more than one protocol. */
export const nameOf = ({ protocol, id }: Pick<CaseInfo, 'protocol' | 'id'>): string => `${protocol}/${id}`

/**
 * The cases of the given protocols, all or those named: `te-cl`, `h1/te-cl`, or a group of them: `limits`, `h1/limits`.
 * @throws UserError for a name that no case and no group has
 */
export function chooseCases(protocols: readonly Protocol[], only: readonly string[] | undefined): CaseInfo[] {
  const all = catalogueInfos().filter(
    ({ protocol }) => protocol === 'passive' || protocols.includes(protocol)
  )
  if (only === undefined) return all
  const chosen = only.flatMap((name) => {
    const cases = all.filter((info) => info.id === name || nameOf(info) === name)
    if (cases.length > 0) return cases
    const group = all.filter((info) => info.group === name || `${info.protocol}/${info.group}` === name)
    if (group.length > 0) return group
    throw new UserError({
      where: '--only',
      what: `no case and no group is called "${name}"${didYouMean(name, [...new Set(all.flatMap((info) => [info.id, nameOf(info), info.group]))])}`,
      fix: 'probatorium catalogue --list names them all'
    })
  })
  return all.filter((info) => chosen.includes(info))
}
