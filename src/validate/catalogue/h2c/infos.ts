/** The HTTP/2 cases as people read them. */
import { FLAG, type FrameName } from '../../../wire/http2.ts'
import type { CaseInfo } from '../about.ts'
import {
  H2C_CHURN_CASES,
  H2C_FLOOD_CASES,
  H2C_FLOOD_MS,
  H2C_FRAME_CASES,
  H2C_PLAYED_FLOODS,
  H2C_PRIOR_CASES,
  H2C_STAGES,
  H2C_UPGRADE_CASES,
  oraclesOf,
  stageCaseId,
  upgradeClass,
  wordsOf,
  wrongsOf
} from './cases.ts'
import type { H2cBlock, H2cFrameCase, H2cUnitFrame, H2cUpgradeCase, H2cWrong } from './schema.ts'

type About = Pick<CaseInfo, 'id' | 'group' | 'title' | 'standard' | 'strength' | 'right'>

function info(about: About, more: Pick<CaseInfo, 'steps' | 'twin' | 'wrong' | 'oracles'>): CaseInfo {
  const { id, group, title, standard, strength, right } = about
  return { protocol: 'h2c', id, group, title, standard, strength, right, ...more }
}

/** In place of what only the play of a case sees. */
const SEEN: Readonly<Record<string, string>> = {
  accepted: 'with 2xx',
  '5xx': 'with 5xx',
  dropped: 'the field is left out or changed',
  framing: 'the bytes of the server break a rule themselves',
  leak: 'connections',
  'no visible bound': 'all units',
  open: 'with an error',
  'others not served': 'no answer in time, or no connection',
  refused: 'an error, another status, or no answer',
  'stream error': 'RST_STREAM or 4xx',
  'wrong 101 head': 'its fields are not those of the change',
  'wrong answer': 'the answer to something else',
  'wrong body': 'another body than was sent'
}

const wrongOf = (wrong: readonly H2cWrong[], title: string): CaseInfo['wrong'] =>
  wrong.map((entry) => ({
    severity: entry.severity,
    says: wordsOf(entry, title, SEEN[entry.as]).replaceAll(/ +/g, ' ').replace(/:$/, '')
  }))

const escaped = (text: string): string => JSON.stringify(text).slice(1, -1)

function toldBlock({ of, drop, first, add, twice, late, head, hex, times, slice }: H2cBlock): string {
  const fields = (list: readonly (readonly [string, string])[] | undefined): string =>
    (list ?? []).map(([name, value]) => `${escaped(name)}: ${escaped(value)}`).join(', ')
  const parts = [
    of === 'none' ? '' : of === 'get' ? 'the plain request' : 'a POST',
    drop === undefined ? '' : `without ${drop.join(', ')}`,
    first === undefined ? '' : `first ${fields(first)}`,
    add === undefined ? '' : `with ${fields(add)}`,
    twice === undefined ? '' : `${twice.join(', ')} twice`,
    late === undefined ? '' : `${late.join(', ')} last`,
    head === undefined ? '' : `behind the bytes ${head}`,
    hex === undefined
      ? ''
      : `then the bytes ${shortened(hex)}${times === undefined ? '' : ` ${times} times`}`,
    slice === undefined ? '' : `bytes ${slice[0]} to ${slice[1] ?? 'the end'} of it`
  ]
  return parts.filter((part) => part !== '').join(', ')
}

const shortened = (hex: string): string =>
  hex.length <= 80 ? hex : `${hex.slice(0, 60)}… (${hex.length / 2} bytes)`

const FLAGS_OF: Partial<Record<FrameName, (keyof typeof FLAG)[]>> = {
  DATA: ['END_STREAM', 'PADDED'],
  HEADERS: ['END_STREAM', 'END_HEADERS', 'PADDED', 'PRIORITY'],
  CONTINUATION: ['END_HEADERS'],
  PUSH_PROMISE: ['END_HEADERS'],
  SETTINGS: ['ACK'],
  PING: ['ACK']
}

/** `HEADERS END_STREAM END_HEADERS, stream 1: the plain request` */
function toldFrame(frame: H2cUnitFrame): string {
  const { type, flags, stream, reserved, after, before, block, hex, times, overlong } = frame
  const name = typeof type === 'number' ? `type 0x${type.toString(16).padStart(2, '0')}` : type
  const known = (typeof type === 'number' ? [] : (FLAGS_OF[type] ?? [])).filter((flag) => flags & FLAG[flag])
  const rest = known.reduce((left, flag) => left & ~FLAG[flag], flags)
  const payload = [
    before === undefined ? '' : `the bytes ${before}`,
    block === undefined ? '' : toldBlock(block),
    hex === undefined ? '' : `the bytes ${shortened(hex)}${times === undefined ? '' : ` ${times} times`}`,
    overlong === true ? 'filled to one byte above SETTINGS_MAX_FRAME_SIZE' : ''
  ].filter((part) => part !== '')
  const head = [
    after === undefined ? '' : after === 'answer' ? 'after the answer: ' : 'after a PING was acknowledged: ',
    [name, ...known, ...(rest === 0 ? [] : [`flags 0x${rest.toString(16)}`])].join(' '),
    stream === 'new' ? ', a new stream' : `, stream ${stream}`,
    reserved === true ? ' with the reserved bit' : ''
  ].join('')
  return payload.length === 0 ? `${head}, empty` : `${head}: ${payload.join(', then ')}`
}

const OPENING = 'preface, SETTINGS, acknowledgement of the SETTINGS of the server'

function opening({ bare, bytewise, expect, window }: H2cFrameCase): string {
  if (bare) return 'preface'
  if (expect === 'preface') return 'preface with XX in place of SM, SETTINGS'
  const text = window === undefined ? OPENING : `${OPENING}; SETTINGS_INITIAL_WINDOW_SIZE is ${window}`
  return bytewise ? `${text}, all in segments of one byte` : text
}

const PLAIN = 'a plain request on a connection of its own'

function twinOf({ twin }: H2cFrameCase): string {
  const beside = H2C_FRAME_CASES.find(({ id }) => id === twin)
  return beside === undefined ? PLAIN : `${beside.id}: ${beside.title}`
}

/** The lines of an upgrade request. */
function upgradeSteps(spec: H2cUpgradeCase): string[] {
  const lines = Object.entries(spec.fields).flatMap(([name, value]) =>
    value === null ? [] : [value].flat().map((one) => `${name}: ${one}`)
  )
  return [
    ...(spec.second ? ['a GET in HTTP/1.1, answered, on the same connection'] : []),
    `${spec.method ?? 'GET'} {path} HTTP/${spec.version ?? '1.1'}\\r\\nHost: {authority}\\r\\n${lines.join('\\r\\n')}\\r\\n\\r\\n${spec.body ?? ''}`,
    ...(spec.pipelined ? ['a GET in HTTP/1.1 in the same segment'] : []),
    'behind a 101: preface, SETTINGS, and once stream 1 is answered a second request'
  ]
}

const filled = (text: string, numbers: Readonly<Record<string, number>>): string =>
  text.replace(/\{(\w+)\}/g, (all, name: string) => String(numbers[name] ?? all))

/** One entry for each case that can stand in the ledger of the slice. */
export function h2cInfos(): CaseInfo[] {
  const { ways, stages, numbers, remains } = H2C_STAGES
  return [
    ...H2C_FRAME_CASES.map((spec) =>
      info(spec, {
        steps: [opening(spec), ...spec.frames.map(toldFrame)],
        twin: twinOf(spec),
        wrong: wrongOf(spec.wrong, spec.title),
        oracles: oraclesOf(spec.expect)
      })
    ),
    ...H2C_PRIOR_CASES.map((spec) =>
      info(spec, {
        steps: spec.sends.map(
          (text, i) =>
            `${i === 0 ? '' : 'after the answer: '}${escaped(text)}${spec.cuts === undefined ? '' : `, on ${spec.cuts} connections, in two segments, the first of 1 to ${spec.cuts} bytes`}`
        ),
        twin: spec.twin,
        wrong: wrongOf(spec.wrong, spec.title),
        oracles: oraclesOf(spec.expect)
      })
    ),
    ...H2C_UPGRADE_CASES.map((spec) =>
      info(spec, {
        steps: upgradeSteps(spec),
        twin: 'up-ok: an upgrade to h2c',
        wrong: wrongOf(spec.wrong, spec.title),
        oracles: oraclesOf(upgradeClass(spec))
      })
    ),
    ...stages.flatMap((stage) =>
      ways.map((way) =>
        info(
          { ...stage, id: stageCaseId(stage.id, way.id), title: `a client goes ${stage.title} ${way.title}` },
          {
            steps: [...stage.steps, way.step].map((text) => filled(text, numbers)),
            twin: stage.twin,
            wrong: wrongOf(wrongsOf({ wrong: [] }, 'stage'), `${stage.title} ${way.title}`),
            oracles: oraclesOf('stage')
          }
        )
      )
    ),
    ...H2C_CHURN_CASES.map((spec) =>
      info(spec, {
        steps: spec.steps.map((text) => filled(text, spec.numbers)),
        twin: spec.twin,
        wrong: wrongOf(spec.wrong, spec.title),
        oracles: oraclesOf('churn')
      })
    ),
    ...H2C_FLOOD_CASES.map((spec) =>
      info(spec, {
        steps: [
          spec.reads ? OPENING : `${OPENING}; then nothing is read`,
          ...spec.opens.map(toldFrame),
          `up to ${spec.units} times, for up to ${spec.ms ?? H2C_FLOOD_MS} ms${spec.paced ? ', never more streams than the server allows' : ''}: ${spec.unit.map(toldFrame).join('; ')}`,
          ...(spec.ends.length === 0 ? ['a plain request on the same connection'] : spec.ends.map(toldFrame))
        ],
        twin: spec.twin,
        wrong: wrongOf(spec.wrong, spec.title),
        oracles: oraclesOf('flood')
      })
    ),
    ...H2C_PLAYED_FLOODS.map((spec) =>
      info(spec, {
        steps: spec.steps.map((text) => filled(text, spec.numbers)),
        twin: spec.twin,
        wrong: wrongOf(spec.wrong, spec.title),
        oracles: [...oraclesOf('flood'), ...(spec.wrong.some(({ as }) => as === 'leak') ? ['O13'] : [])]
      })
    ),
    info(remains, {
      steps: remains.steps,
      twin: remains.twin,
      wrong: wrongOf(wrongsOf({ wrong: [] }, 'remains'), remains.title),
      oracles: oraclesOf('remains')
    })
  ]
}
