/**
 * The part of a dossier that tells of the case and not of the process: its bytes and its twin's side by side, what both
 * sides did with the connections, the replay file, and the report for a maintainer.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finding } from '../../documents/finding.ts'
import { formatReplay, type Replay } from '../../documents/replay.ts'
import { redact } from '../../kit/secrets.ts'
import type { Transcript } from '../../wire/transcript.ts'
import type { FindingDraft } from '../contracts.ts'
import { hexOf } from './hex.ts'
import { reportMarkdown } from './report.ts'

export interface CaseOfIncident {
  finding: Finding
  draft: FindingDraft
  replay: Replay | undefined
  facts: Readonly<Record<string, string>>
}

const MOST_BYTES = 8 << 20

/** Writes the files; what there is nothing of leaves `NAME.missing` with the reason. Never throws. */
export async function writeCase(folder: string, one: CaseOfIncident): Promise<void> {
  const { finding, draft, replay, facts } = one
  const put = async (
    name: string,
    content: string | Buffer | undefined,
    otherwise: string
  ): Promise<void> => {
    const missing = content === undefined || content.length === 0
    const path = join(folder, missing ? `${name}.missing` : name)
    const kept = typeof content === 'string' ? redact(content) : content?.subarray(0, MOST_BYTES)
    await writeFile(path, missing ? `${otherwise}\n` : kept!).catch(() => undefined)
    if (!missing) await rm(join(folder, `${name}.missing`), { force: true }).catch(() => undefined)
  }
  const bytes = async (name: string, content: Buffer | undefined, otherwise: string): Promise<void> => {
    await put(`${name}.bin`, content, otherwise)
    await put(`${name}.hex`, content === undefined ? undefined : hexOf(content), otherwise)
  }
  await mkdir(folder, { recursive: true }).catch(() => undefined)
  await bytes('sent', draft.sent ?? allOf(draft.wire, 'sent'), 'the oracle holds no single message')
  await bytes('received', draft.received ?? allOf(draft.wire, 'received'), 'nothing was received')
  await bytes('twin_sent', allOf(draft.twin, 'sent'), 'the case has no twin that was kept')
  await bytes('twin_received', allOf(draft.twin, 'received'), 'the case has no twin that was kept')
  await put('transcript.txt', draft.transcript, 'the oracle holds no transcript')
  await put('fault_control.txt', faultsOf(draft), 'the oracle holds no connection')
  const why = finding.evidence?.['not_replayable']
  await put(
    'replay.json',
    replay === undefined ? undefined : formatReplay(replay),
    `it cannot be repeated from a file: ${String(why ?? 'no reason stated')}`
  )
  const suite = facts['suite_version']
  const report = reportMarkdown({
    finding: { ...finding, replay: 'replay.json' },
    replay,
    ...(suite === undefined ? {} : { suiteVersion: suite }),
    ...(facts['seed'] === undefined ? {} : { seed: facts['seed'] })
  })
  await put('report.md', report, 'nothing to report')
}

function allOf(wire: readonly Transcript[] | undefined, kind: 'sent' | 'received'): Buffer | undefined {
  if (wire === undefined || wire.length === 0) return undefined
  return Buffer.concat(wire.map((one) => (kind === 'sent' ? one.sentBytes() : one.receivedBytes())))
}

const NAMES = {
  connect: 'we connected',
  fin: 'we sent FIN: nothing more comes from us',
  rst: 'we sent RST (SO_LINGER 0)',
  close: 'we closed at the end of the try',
  'peer-fin': 'the server sent FIN',
  'peer-rst': 'the server sent RST'
} as const

/** Both directions without the bytes: who did what when, the case and its twin. */
function faultsOf({ wire = [], twin = [] }: FindingDraft): string | undefined {
  if (wire.length === 0) return undefined
  const told = (title: string, all: readonly Transcript[]): string[] =>
    all.flatMap((transcript, conn) => [
      `== ${title}, connection ${conn}`,
      ...transcript.entries.map(({ at, kind, bytes, note, what }) => {
        const did =
          kind === 'event'
            ? what === undefined
              ? (note ?? '')
              : `${NAMES[what]}   (${note ?? ''})`
            : kind === 'sent'
              ? `we sent ${bytes!.length} bytes`
              : `${bytes!.length} bytes came`
        return `${(at / 1000).toFixed(3).padStart(10)} ms  ${did}`
      })
    ])
  return `${[...told('the case', wire), ...told('its twin', twin)].join('\n')}\n`
}
