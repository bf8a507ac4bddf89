/** The job summary: appended to the runner's file, and never over its limit. */
import { appendFile, stat } from 'node:fs/promises'
import { redact } from './secrets.ts'

/** The runner drops a step's whole summary above 1 MiB; we stay well under it. */
export const SUMMARY_BUDGET_BYTES = 900 * 1024

const FENCE = /^\s{0,3}(`{3,}|~{3,})/
const CUT_NOTE =
  '\n> The summary was cut here: it reached the size limit of a job summary. The results file has everything.\n'

/**
 * Cuts Markdown to a size in bytes at a blank line outside of code, closes what stands open, and says so.
 * A text within the limit comes back as it is.
 */
export function cutMarkdown(text: string, limitBytes: number): string {
  if (Buffer.byteLength(text) <= limitBytes) return text
  const room = limitBytes - Buffer.byteLength(CUT_NOTE) - 64
  let size = 0
  let position = 0
  let safe = { position: 0, details: 0 }
  let details = 0
  let fence = ''
  for (const line of text.split(/(?<=\n)/)) {
    size += Buffer.byteLength(line)
    if (size + details * '</details>\n'.length > room) break
    position += line.length
    const mark = FENCE.exec(line)?.[1]
    if (fence !== '') {
      if (mark?.startsWith(fence) === true && line.trim() === mark) fence = ''
      continue
    }
    if (mark !== undefined) {
      fence = mark
      continue
    }
    details += (line.match(/<details[\s>]/g)?.length ?? 0) - (line.match(/<\/details>/g)?.length ?? 0)
    if (line.trim() === '') safe = { position, details: Math.max(0, details) }
  }
  return `${text.slice(0, safe.position)}${'</details>\n'.repeat(safe.details)}${CUT_NOTE}`
}

/**
 * Appends Markdown to the job summary. Returns false where there is none (not in a workflow).
 * Untrusted text in it has been escaped by who wrote the Markdown.
 */
export async function appendSummary(text: string, env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const file = env['GITHUB_STEP_SUMMARY']
  if (file === undefined || file === '') return false
  const before = await stat(file).then(
    (found) => found.size,
    () => 0
  )
  const room = SUMMARY_BUDGET_BYTES - before
  if (room <= 1024) return false
  await appendFile(file, `${cutMarkdown(redact(text), room)}\n`)
  return true
}
