/** The cases as people read them: what is sent in escaped bytes, and everything that can convict. */
import type { CaseInfo } from '../about.ts'
import { http1Cases } from './cases.ts'
import { stepInfos } from './steps/index.ts'
import { EXAMPLE } from './example.ts'
import { render } from './render.ts'
import { comparesSegments, type Judge, type ProtocolCase } from './schema.ts'

const ESCAPES: Record<string, string> = { '\r': '\\r', '\n': '\\n', '\t': '\\t', '\0': '\\0', '\\': '\\\\' }

const escaped = (text: string): string =>
  text.replace(
    /[^\x20-\x5b\x5d-\x7e]/g,
    (byte) => ESCAPES[byte] ?? `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`
  )

/** Runs too long to be read stay as they are in the template. */
const LONG = /\{(?:.\*\d{3,}|fields\*\d+)\}/g

/** A template in escaped bytes, a line of the message a piece. */
function linesOf(template: string): string[] {
  return template.split(/\{CUT\}/).flatMap((part, i) => {
    const runs = part.match(LONG) ?? []
    const text = part
      .split(LONG)
      .map((piece) => escaped(render(piece, EXAMPLE)))
      .map((piece, n) => piece + (runs[n] ?? ''))
      .join('')
    const lines = text.split(/(?<=\\r\\n)/).filter((line) => line !== '')
    return i === 0 ? lines : ['(a pause of 20 ms)', ...lines]
  })
}

const severityOf = (entry: ProtocolCase): 'MED' | 'LOW' => (entry.strength === 'MUST' ? 'MED' : 'LOW')

const isTelling = (rule: Judge['canary'] | Judge['accepted']): rule is { severity: 'HIGH'; says: string } =>
  typeof rule === 'object'

function wrongOf(entry: ProtocolCase): CaseInfo['wrong'] {
  const { judge: rule, title } = entry
  const all: CaseInfo['wrong'] = []
  const add = ({ severity, says }: CaseInfo['wrong'][number]): void => void all.push({ severity, says })
  for (const list of [rule.reads, rule.fields, rule.names, rule.target])
    for (const one of list ?? []) add(one)
  if (rule.misread !== undefined) add(rule.misread)
  add(rule.foreign)
  if (isTelling(rule.canary)) add(rule.canary)
  if (entry.sends.includes('{CAN}'))
    add({ severity: 'HIGH', says: 'the answers came in another order than the requests' })
  if (rule.unblock !== undefined) add(rule.unblock)
  if (isTelling(rule.accepted)) add(rule.accepted)
  if (rule.accepted === 'must') {
    add({ severity: severityOf(entry), says: rule.refused ?? `${title}: a valid message was refused` })
    if (entry.delivers !== undefined)
      add({ severity: 'HIGH', says: 'served, and the handler saw another body' })
  }
  if (rule.sanitised !== undefined)
    add({ severity: 'MED', says: 'the handler saw it changed in another way than the standard allows' })
  if (rule.close === 'always')
    add({ severity: 'MED', says: 'the next request on the connection was served, which must be closed' })
  if (rule.close !== 'no') add({ severity: 'LOW', says: 'the connection was not closed' })
  if (isTelling(rule.error5xx)) add(rule.error5xx)
  else if (rule.error5xx === undefined && rule.anyStatus !== true && rule.accepted !== 'must')
    add({ severity: 'LOW', says: "answered with 5xx, as if the fault were the server's" })
  if (rule.silence === 'hang') add({ severity: 'LOW', says: 'neither answered nor closed' })
  if (comparesSegments(entry))
    add({
      severity: rule.accepted === 'must' ? 'HIGH' : 'MED',
      says: 'answered in another way when it comes in several segments'
    })
  add({ severity: 'HIGH', says: 'the process ends, or other clients are no longer served' })
  return all
}

function oraclesOf(entry: ProtocolCase): string[] {
  const { judge: rule } = entry
  const looks = [rule.reads, rule.fields, rule.names, rule.target, rule.misread, rule.sanitised]
  const echo = looks.some((look) => look !== undefined) || entry.delivers !== undefined
  const deciding: [string, boolean][] = [
    ['O1', true],
    ['O2', true],
    ['O3', true],
    ['O4', rule.close !== 'no'],
    ['O5', true],
    ['O6', echo],
    ['O7', rule.close !== 'no'],
    ['O9', comparesSegments(entry)],
    ['O12', true],
    ['O17', rule.silence === 'hang' || rule.unblock !== undefined],
    ['O18', entry.sends.includes('{CAN}')]
  ]
  return deciding.flatMap(([name, decides]) => (decides ? [name] : []))
}

/** One entry per case that the slice can have in its ledger. */
export function http1Infos(): CaseInfo[] {
  const messages = http1Cases.map((entry): CaseInfo => {
    const { id, group, title, standard, strength, right } = entry
    const steps = linesOf(entry.sends)
    if (entry.fin) steps.push('(FIN)')
    return {
      protocol: 'h1',
      id,
      group,
      title,
      standard,
      strength,
      steps,
      twin: linesOf(entry.twin).join(''),
      right,
      wrong: wrongOf(entry),
      oracles: oraclesOf(entry)
    }
  })
  return [...messages, ...stepInfos()]
}
