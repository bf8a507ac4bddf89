/** docs/catalogue.md: every case by protocol and group, from the data. */
import type { CaseInfo } from '../src/validate/catalogue/about.ts'
import { catalogueInfos } from '../src/validate/catalogue/list.ts'

const TITLES: Record<CaseInfo['protocol'], string> = {
  h1: 'HTTP/1.1',
  h2c: 'HTTP/2 in clear',
  ws: 'WebSocket',
  sse: 'Server-sent events',
  passive: 'Rules for every answer'
}
const LONGEST = 160

const cell = (text: string): string =>
  text
    .replaceAll('\\', '\\\\')
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replaceAll('*', '\\*')
    .replaceAll('\n', ' ')
const clipped = (text: string): string => (text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 3)}...`)

function row(info: CaseInfo): string {
  const wrong = info.wrong.map(({ severity, says }) => `${severity}: ${says}`).join('; ')
  const cells = [
    `\`${info.id}\``,
    cell(info.title),
    `${info.standard}, ${info.strength}`,
    cell(clipped(info.right)),
    cell(clipped(wrong)),
    info.oracles.join(' ')
  ]
  return `| ${cells.join(' | ')} |`
}

/** The page as Markdown. */
export function cataloguePage(): string {
  const infos = catalogueInfos()
  const protocols = [...new Set(infos.map(({ protocol }) => protocol))]
  const count = (protocol: CaseInfo['protocol']): number =>
    infos.filter((info) => info.protocol === protocol).length
  const lines = [
    '# The protocol catalogue',
    '',
    'Generated from the files below `src/validate/catalogue/`. `probatorium catalogue --only ID` shows what a case sends, `--url` plays it.',
    '',
    'HIGH is a crash, a hang of others, a message taken for another, a leak; MED breaks a MUST; LOW breaks a SHOULD. The last column names the oracles of the [list below](#oracles).',
    '',
    '| protocol | cases |',
    '| --- | --- |',
    ...protocols.map((protocol) => `| ${TITLES[protocol]} | ${count(protocol)} |`)
  ]
  for (const protocol of protocols) {
    lines.push('', `## ${TITLES[protocol]}`)
    const own = infos.filter((info) => info.protocol === protocol)
    for (const group of new Set(own.map((info) => info.group))) {
      lines.push('', `### ${TITLES[protocol]}: ${group}`, '')
      lines.push(
        '| id | what | standard | right | wrong | oracles |',
        '| --- | --- | --- | --- | --- | --- |'
      )
      lines.push(...own.filter((info) => info.group === group).map(row))
    }
  }
  lines.push('', '## Oracles', '', '| oracle | what it looks at |', '| --- | --- |')
  lines.push(...Object.entries(ORACLES).map(([id, text]) => `| ${id} | ${text} |`), '')
  return lines.join('\n')
}

const ORACLES: Record<string, string> = {
  O1: 'the bytes left: what the kernel took, and when',
  O2: 'the well-formed twin is served before and after',
  O3: 'a fresh connection, and one opened earlier, are served',
  O4: 'the connection was closed, and how',
  O5: 'number of answers, and which request each belongs to',
  O6: 'what the handler saw: method, target, fields, body',
  O7: 'the next request on the same connection',
  O8: 'the same request first and second on a connection',
  O9: 'the same verdict for every segmentation',
  O10: 'the inverse message, where silence is the evidence',
  O11: 'repeats: k of n',
  O12: 'the process: its end, its restart',
  O13: 'descriptors and sockets',
  O14: 'memory, processor, threads',
  O15: 'bytes taken before the first error or close',
  O16: 'bytes out for bytes in',
  O17: 'an answer or a close within the time limit',
  O18: 'answers in the order of the requests',
  O19: 'framing and fields of every answer',
  O20: 'tokens of one connection never come on another',
  O21: 'another spelling of the same request, the same answer',
  O22: 'what was created, read and deleted',
  O23: 'a server with this very bug flips the case',
  O24: 'after the load: back to what it was before'
}
