/** The HTTP/1.1 cases that take several steps, read and checked once. */
import { z } from 'zod'
import { readable } from '../../../../wire/transcript.ts'
import type { CaseInfo } from '../../about.ts'
import { EXAMPLE } from '../example.ts'
import { render } from '../render.ts'
import connection from './connection.json' with { type: 'json' }
import early from './early.json' with { type: 'json' }
import injection from './injection.json' with { type: 'json' }
import limits from './limits.json' with { type: 'json' }
import { stepCaseSchema, type Script, type Step, type StepCase, type StepFault } from './schema.ts'
import segmentation from './segmentation.json' with { type: 'json' }
import slow from './slow.json' with { type: 'json' }
import targets from './targets.json' with { type: 'json' }
import upgrade from './upgrade.json' with { type: 'json' }

export {
  FAULTS,
  PLACES,
  type Count,
  type Fault,
  type Form,
  type Growth,
  type Injection,
  type Place,
  type Script,
  type Siege,
  type Step,
  type StepCase,
  type StepFault
} from './schema.ts'

/** Most telling first. */
const FILES = [connection, early, segmentation, upgrade, targets, injection, limits, slow]

export const stepCases: readonly StepCase[] = FILES.flatMap((file) => z.array(stepCaseSchema).parse(file))

/** Wrong in every script, where the case has no words of its own. */
const ALWAYS: readonly StepFault[] = [
  { when: 'foreign', severity: 'HIGH', says: 'bytes of one message were answered as a request of their own' },
  { when: 'order', severity: 'HIGH', says: 'an answer came at the place of another request' },
  {
    when: 'leftover',
    severity: 'MED',
    says: 'behind the answer the rest of the message was read as a request'
  },
  { when: '5xx', severity: 'LOW', says: "answered with 5xx, as if the fault were the server's" }
]

/** All that is wrong in a case, with what is wrong in every script. */
export function wrongOf(entry: StepCase): StepFault[] {
  const more = entry.kind === 'script' ? ALWAYS : []
  const added = more.filter(({ when }) => !entry.wrong.some((fault) => fault.when === when))
  return [...entry.wrong, ...added.map((fault) => ({ ...fault, says: `${entry.title}: ${fault.says}` }))]
}

/** Whole requests that are told and not shown. */
const TOLD: readonly [RegExp, string][] = [
  [/\{POST:(\d+)\}/g, '(a POST of $1 bytes)'],
  [/\{CHUNKED:(\d+)\}/g, '(a chunked POST of $1 bytes)'],
  [/\{UNITS\}/g, '(the units)'],
  [/\{REQ\}/g, '{CAN}']
]
/** Places and parts that the example has; what depends on the variant stays as it stands. */
const SHOWN =
  /\{(?:host|get|path|post|unknown|type|G|P|B|CH|CHEVIL|CAN|EVIL|(?:len|hex|hex4):\w+(?:\+\d+)?)\}/g

/** A template as people read it: with the requests of an example, and control characters with escapes. */
function shown(template: string): string {
  const told = TOLD.reduce((text, [pattern, words]) => text.replace(pattern, words), template)
  const text = told.replace(SHOWN, (placeholder) => render(placeholder, EXAMPLE))
  return readable(Buffer.from(text, 'latin1')).slice(1, -1)
}

function sentence(step: Step): string {
  if ('send' in step) {
    const how = step.cut === undefined ? '' : ', byte by byte'
    const times = step.times === undefined ? '' : `, ${step.times} times`
    const lock = step.lockstep === undefined ? '' : ', each after the answer to the one before'
    return `send ${shown(step.send)}${how}${times}${lock}`
  }
  if ('form' in step) return `POST ${step.form}: ${shown(step.body)}`
  if ('wait' in step) {
    if (step.wait === 'answers') return `wait for ${step.count} ${step.count === 1 ? 'answer' : 'answers'}`
    return step.wait === 'close' ? 'wait for the close' : 'wait for an interim or final answer'
  }
  if ('watch' in step) return `watch for ${step.watch} ms`
  if ('pause' in step) return `pause for ${step.pause} ms`
  if ('most' in step) return `so far ${step.most} ${step.most === 1 ? 'answer' : 'answers'} at most`
  if ('pour' in step) return `send ${shown(step.pour)} over and over`
  return 'fin' in step ? 'FIN' : 'RST'
}

function stepsOf(entry: StepCase): string[] {
  switch (entry.kind) {
    case 'script':
      return [
        ...(entry.connections === undefined ? [] : [`on ${entry.connections} connections:`]),
        ...eachOf(entry),
        ...entry.steps.map(sentence)
      ]
    case 'siege':
      return [
        `open ${entry.connections.join(', then ')} connections`,
        entry.sends === '' ? 'send nothing' : `on each send ${shown(entry.sends)}`,
        ...(entry.drip === '' ? [] : [`each tenth of a second send ${shown(entry.drip)}`]),
        ...(entry.reads ? [] : ['read nothing']),
        'meanwhile a request on a fresh connection',
        'close all'
      ]
    case 'growth':
      return [
        `GET with ${entry.fields.join(', ')}`,
        `each of ${entry.units.map(shown).join('  ')} repeated to ${entry.lengths.join(', ')} bytes`
      ]
    case 'injection':
      return [`GET a route that reflects its query into a field, with ${entry.payload}`]
  }
}

function eachOf({ each, unit }: Script): string[] {
  const list = each?.map((one) => (one.length > 40 ? `${shown(one.slice(0, 40))}...` : shown(one)))
  return [
    ...(list === undefined
      ? []
      : [`each of: ${list.map((one) => (one === '' ? '(nothing)' : one)).join(', ')}`]),
    ...(unit === undefined ? [] : [`a unit is ${shown(unit)}`])
  ]
}

/** The cases as they are listed and explained. */
export function stepInfos(): CaseInfo[] {
  return stepCases.map((entry) => ({
    protocol: 'h1',
    id: entry.id,
    group: entry.group,
    title: entry.title,
    standard: entry.standard,
    strength: entry.strength,
    steps: stepsOf(entry),
    twin:
      typeof entry.twin === 'string'
        ? shown(entry.twin)
        : `POST ${entry.twin.form}: ${shown(entry.twin.body)}`,
    right: entry.right,
    wrong: wrongOf(entry).map(({ severity, says }) => ({ severity, says })),
    oracles: [...new Set(['O1', 'O2', 'O3', ...entry.oracles])]
  }))
}
