/** The command that repeats a finding. */
import { join } from 'node:path'
import type { Finding } from '../documents/finding.ts'
import type { ResultDocument } from '../documents/result.ts'

const WORD = /^[\w./:@%+,=-]+$/

/** One word of a shell; whatever a server or a path holds, it stays one. */
function word(text: string): string {
  return WORD.test(text) ? text : `'${text.replaceAll(/[\x00-\x1f\x7f]/g, '?').replaceAll("'", `'\\''`)}'`
}

/**
 * `npx probatorium replay OUT/findings/01-te-cl.replay.json --refapp plain --engine fasthttp`; undefined where the
 * finding has no replay file.
 * @param folder of the document
 */
export function replayCommand(
  finding: Finding & { cell: string },
  document: ResultDocument,
  folder: string
): string | undefined {
  if (finding.replay === undefined) return undefined
  const words = ['npx', 'probatorium', 'replay', join(folder, finding.replay)]
  const [refapp = 'url', engine = ''] = finding.cell.split('/')
  if (refapp !== 'url') words.push('--refapp', refapp, '--engine', engine)
  const config = / --config (\S+)/.exec(document.validation_results.run?.command ?? '')?.[1]
  if (refapp !== 'url' && config !== undefined) words.push('--config', config)
  return words.map(word).join(' ')
}
