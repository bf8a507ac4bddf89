/** The paragraph that a maintainer can paste into a bug report: what was sent, what came, what the standard says. */
import { basename } from 'node:path'
import type { Finding } from '../../documents/finding.ts'
import type { RecordedExchange, Replay } from '../../documents/replay.ts'
import { UserError } from '../../kit/errors.ts'
import { scriptOf } from '../replay/script.ts'
import { bytesReceived, bytesSent } from '../replay/steps.ts'
import { hostFacts } from '../replay/record.ts'

export interface ReportOptions {
  finding: Finding
  /** Absent where the finding cannot be done again. */
  replay: Replay | undefined
  suiteVersion?: string
  seed?: string
}

/** Longest run of bytes that is shown. */
const SHOWN = 3000
const BINARY_SHARE = 0.25
const ROW = 16
/** Parts of a conversation that are shown. */
const MOST_PARTS = 4

/** Bytes as a person reads them: a line per line, escapes where a character cannot be seen, hexadecimal where most cannot. */
export function shownBytes(bytes: Buffer): string {
  const part = bytes.subarray(0, SHOWN)
  const more = bytes.length > SHOWN ? `\n... ${bytes.length - SHOWN} more bytes` : ''
  const odd = [...part].filter((byte) => (byte < 0x20 && ![9, 10, 13].includes(byte)) || byte > 0x7e).length
  if (odd > part.length * BINARY_SHARE) {
    const rows: string[] = []
    for (let at = 0; at < part.length; at += ROW)
      rows.push(
        part
          .subarray(at, at + ROW)
          .toString('hex')
          .replaceAll(/../g, '$& ')
          .trimEnd()
      )
    return rows.join('\n') + more
  }
  const text = part.toString('latin1').replaceAll(/[\\\x00-\x09\x0b-\x1f\x7f-\xff]/g, (character) => {
    const known: Record<string, string> = { '\r': '\\r', '\t': '\\t', '\\': '\\\\' }
    return known[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return (
    text
      .replaceAll('\n', '\\n\n')
      .replace(/\n$/, '')
      // Runs of one character are said and not shown.
      .replaceAll(/(.)\1{99,}/g, (run: string, one: string) => `${one.repeat(20)}<${run.length} times>`) +
    more
  )
}

/** A code block whose fence no content can end. */
function block(text: string, language = ''): string[] {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length))
  const fence = '`'.repeat(longest + 1)
  return [`${fence}${language}`, text, fence]
}

/** What both sides did with the connections, beside the bytes. */
export function faultControl(exchange: RecordedExchange): string {
  const ours = exchange.steps.flatMap((step): string[] => {
    if (step.op === 'fin') return [`we sent FIN on connection ${step.conn}`]
    if (step.op === 'rst') return [`we sent RST (SO_LINGER 0) on connection ${step.conn}`]
    if (step.op === 'pause') return [`we paused ${step.ms} ms`]
    return []
  })
  const sends = exchange.steps.filter(({ op }) => op === 'send').length
  const how = { open: 'left it open', fin: 'closed with FIN', rst: 'reset (RST)' }
  const theirs = exchange.ended.slice(0, 8).map((end, conn) => `connection ${conn}: the server ${how[end]}`)
  return [`${sends} segments sent`, ...ours.slice(0, 12), ...theirs].join('; ')
}

function sentBlock(bytes: Buffer, how = 'Sent, as raw bytes over TCP:'): string[] {
  return [how, '', ...block(shownBytes(bytes)), '']
}

/** What was sent, part by part where an answer was waited for in between or another connection was used. */
function sentBlocks({ steps }: RecordedExchange): string[] {
  const parts: { conn: number; bytes: Buffer[] }[] = []
  let open = false
  for (const step of steps) {
    if (step.op === 'read-until') open = false
    if (step.op !== 'send') continue
    const last = parts.at(-1)
    const bytes = Buffer.from(step.bytes_b64, 'base64')
    if (open && last?.conn === step.conn) last.bytes.push(bytes)
    else parts.push({ conn: step.conn, bytes: [bytes] })
    open = true
  }
  const several = new Set(parts.map(({ conn }) => conn)).size > 1
  const lines = parts.slice(0, MOST_PARTS).flatMap(({ conn, bytes }, i) => {
    const where = several ? ` on connection ${conn}` : ''
    const how =
      i === 0 ? `Sent, as raw bytes over TCP${where}:` : `Then${several ? where : ', behind the answer'}:`
    return sentBlock(Buffer.concat(bytes), how)
  })
  return parts.length > MOST_PARTS
    ? [...lines, `And ${parts.length - MOST_PARTS} more parts; the replay file has them all.`, '']
    : lines
}

/** The report as Markdown. */
export function reportMarkdown({ finding, replay, suiteVersion, seed }: ReportOptions): string {
  const exchange = replay?.exchange
  const sent = exchange === undefined ? fromBase64(finding.sent) : bytesSent(exchange)
  const received = exchange === undefined ? fromBase64(finding.received) : bytesReceived(exchange)
  const twin = replay?.twin
  const right = replay?.right ?? finding.evidence?.['right']
  const lines = [`# ${plain(finding.title ?? finding.predicate)}`, '']
  if (sent.length > 0) {
    lines.push(...(exchange === undefined ? sentBlock(sent) : sentBlocks(exchange)))
    if (received.length > 0) lines.push('Came back:', '', ...block(shownBytes(received)), '')
    else lines.push('Nothing came back.', '')
  }
  if (exchange !== undefined) lines.push(`On the wire: ${faultControl(exchange)}.`, '')
  if (twin !== undefined && twin.steps.length > 0) {
    lines.push(
      'The well-formed message beside it, on the same route, is served:',
      '',
      ...block(shownBytes(bytesSent(twin))),
      '',
      'It is answered with:',
      '',
      ...block(shownBytes(bytesReceived(twin).subarray(0, 600))),
      ''
    )
  }
  if (finding.standard !== undefined) {
    const demands = right === undefined ? '' : `; right is: ${plain(String(right))}`
    lines.push(`The standard: ${plain(finding.standard)}${demands}.`, '')
  }
  const rate =
    finding.repeats === undefined ? '' : `, seen in ${finding.repeats.k} of ${finding.repeats.n} tries`
  lines.push(`Severity ${finding.severity} (${finding.predicate}${rate}).`)
  lines.push(
    `Server ${plain(finding.cell ?? 'not stated')}; suite ${suiteVersion ?? 'not stated'} on ${hostFacts()}` +
      `; seen ${finding.observed_at ?? 'at a time not stated'}${seed === undefined ? '' : `, seed ${seed}`}.`,
    ''
  )
  const evidence = Object.entries(finding.evidence ?? {}).filter(([name]) => name !== 'not_replayable')
  if (evidence.length > 0) {
    lines.push('What was observed:', '')
    for (const [name, value] of evidence)
      lines.push(`- ${name.replaceAll('_', ' ')}: ${plain(String(value))}`)
    lines.push('')
  }
  lines.push(...again(finding, replay))
  return `${lines.join('\n').trimEnd()}\n`
}

function again(finding: Finding, replay: Replay | undefined): string[] {
  if (replay === undefined) {
    const why = finding.evidence?.['not_replayable']
    return why === undefined ? [] : [`It cannot be repeated from a file: ${plain(String(why))}.`]
  }
  const file = finding.replay === undefined ? 'replay.json' : basename(finding.replay)
  const lines = [
    'Repeat it with the replay file:',
    '',
    ...block(`npx probatorium replay ${file} --url http://HOST:PORT`, 'sh'),
    ''
  ]
  try {
    const script = scriptOf(replay, 'python').trimEnd()
    lines.push('or without the suite:', '', ...block(script, 'python'))
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    lines.push(`No stand-alone script: ${error.explanation.what}.`)
  }
  return lines
}

function fromBase64(text: string | undefined): Buffer {
  return Buffer.from(text ?? '', 'base64')
}

/** Text of a server becomes no markup. */
function plain(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').replaceAll(/[\\`*_[\]<>|#]/g, '\\$&')
}
