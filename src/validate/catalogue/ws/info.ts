/** The WebSocket cases as people read them. */
import type { CaseInfo } from '../about.ts'
import { outcomesOf, WS_CASES, type WsCase } from './cases.ts'
import type { WsFrame, WsHandshakeCase, WsItem } from './schema.ts'

const OPCODES: Record<number, string> = {
  0: 'continuation',
  1: 'text',
  2: 'binary',
  8: 'close',
  9: 'ping',
  10: 'pong'
}
const TWIN = 'a plain handshake, and a plain message that comes back, before and after it'
const HEAD = 'GET with Upgrade: websocket, Connection: Upgrade, Sec-WebSocket-Version: 13, Sec-WebSocket-Key'
const SHOWN = 64

const cut = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text)

function payload({ text, hex, fill }: Pick<WsFrame, 'text' | 'hex' | 'fill'>): string {
  const parts = [
    ...(hex === undefined || hex === '' ? [] : [cut(hex.replace(/../g, '$& ').trimEnd())]),
    ...(text === undefined || text === '' ? [] : [`"${cut(text)}"`]),
    ...(fill === undefined ? [] : [`${fill} bytes "*"`])
  ]
  return parts.length === 0 ? 'empty' : parts.join(' + ')
}

function frame(one: WsFrame): string {
  const marks = [
    ...(one.fin === false ? ['without FIN'] : []),
    ...[4, 2, 1].flatMap((bit, i) => (((one.rsv ?? 0) & bit) === 0 ? [] : [`RSV${i + 1}`])),
    ...(one.masked === false ? ['not masked'] : []),
    ...(one.mask === undefined ? [] : [`mask ${one.mask}`]),
    ...(one.length === undefined ? [] : [`length field ${one.length}`])
  ]
  const name = OPCODES[one.op] ?? `opcode ${one.op}`
  return `${name}${marks.length === 0 ? '' : ` (${marks.join(', ')})`}: ${payload(one)}`
}

const items = (list: readonly WsItem[]): string[] =>
  list.map((item) =>
    'times' in item ? `${item.times} times: ${item.frames.map(frame).join('; ')}` : frame(item)
  )

function handshake(spec: WsHandshakeCase): string[] {
  const changed = Object.entries(spec.fields).flatMap(([name, value]) =>
    value === null ? [`without ${name}`] : [value].flat().map((one) => `${name}: ${one}`)
  )
  return [
    `${HEAD.replace('GET', spec.method ?? 'GET')}${spec.version === undefined ? '' : `, HTTP/${spec.version}`}`,
    ...changed,
    ...(spec.filler === undefined ? [] : [`${spec.filler} fields more`]),
    ...(spec.body === undefined ? [] : [`body ${JSON.stringify(spec.body)}`]),
    ...(spec.early === true ? ['a text frame "early" in the same segment'] : []),
    ...(spec.pieces === undefined ? [] : [`in ${spec.pieces} pieces, ${spec.pauseMs ?? 0} ms apart`])
  ]
}

function stepsOf(spec: WsCase): string[] {
  switch (spec.play) {
    case 'handshake':
      return handshake(spec)
    case 'frames':
      return [
        `${HEAD}${spec.offer === undefined ? '' : `; Sec-WebSocket-Extensions: ${spec.offer}`}`,
        ...items(spec.frames),
        ...(spec.segment === undefined
          ? []
          : [
              `in segments of ${spec.segment} bytes${spec.pauseMs === undefined ? '' : `, ${spec.pauseMs} ms apart`}`
            ]),
        ...(spec.forMs === undefined
          ? []
          : [
              `in blocks, each when the ping behind the one before was answered, for at most ${spec.forMs} ms; ${spec.atLeast ?? 1} frames at least must have left or been refused`
            ]),
        ...(spec.then === undefined ? [] : [spec.then.toUpperCase()])
      ]
    case 'sequences':
      return [
        HEAD,
        'each of these as a text, whole and in fragments of one byte:',
        ...spec.sequences.map((hex) => cut(hex.replace(/../g, '$& ').trimEnd()))
      ]
    case 'stream':
      return [
        `${HEAD}${spec.offer === undefined ? '' : `; Sec-WebSocket-Extensions: ${spec.offer}`}`,
        `${spec.messages} numbered ${spec.op === 1 ? 'text' : 'binary'} messages of ${spec.bytes} bytes, ${spec.inFlight} in flight`,
        ...(spec.offer === undefined
          ? []
          : ['each with RSV1, in a block without compression (RFC 7692 7.2.3.3)']),
        ...(spec.fragment === undefined ? [] : [`in fragments of ${spec.fragment} bytes`]),
        ...(spec.slowMs === undefined ? [] : [`reads nothing for ${spec.slowMs} ms`])
      ]
    case 'dependent':
    case 'bomb':
      return [`${HEAD}; Sec-WebSocket-Extensions: ${spec.offer}`, ...spec.steps]
    default:
      return spec.steps
  }
}

/** One entry for each case of the slice. */
export function wsInfos(): CaseInfo[] {
  return WS_CASES.map((spec) => {
    const outcomes = Object.values(outcomesOf(spec))
    const { id, group, title, standard, strength, right } = spec
    return {
      protocol: 'ws',
      id,
      group,
      title,
      standard,
      strength,
      steps: stepsOf(spec),
      twin: spec.twin ?? TWIN,
      right,
      wrong: outcomes.map(({ severity, says }) => ({ severity, says })),
      oracles: [...new Set(['O1', 'O2', 'O12', ...outcomes.map(({ oracle }) => oracle)])].sort(
        (a, b) => Number(a.slice(1)) - Number(b.slice(1))
      )
    }
  })
}
