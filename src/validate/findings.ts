/** The folder `findings/`: a file per finding, numbered by weight, with its replay file and its report beside it. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Finding } from '../documents/finding.ts'
import { formatReplay, parseReplay, type Replay } from '../documents/replay.ts'
import { formatResultDocument, type ResultDocument } from '../documents/result.ts'
import { ensureWritableFolder, writeFileAtomic } from '../kit/files.ts'
import { redact } from '../kit/secrets.ts'
import { reportMarkdown } from './incidents/report.ts'

const RANK = { HIGH: 0, MED: 1, LOW: 2 }
const OURS = /^\d{2,}-[\w.-]+\.(json|md)$/

/** Replay files that cells of an earlier document brought with them. */
export async function inheritedReplays(
  document: ResultDocument,
  from: string | undefined
): Promise<Map<Finding, Replay>> {
  const found = new Map<Finding, Replay>()
  if (from === undefined) return found
  for (const cell of document.validation_results.cells) {
    for (const finding of cell.resumed_from === undefined ? [] : (cell.findings ?? [])) {
      if (finding.replay === undefined) continue
      try {
        found.set(finding, parseReplay(await readFile(join(dirname(from), finding.replay), 'utf8')))
      } catch {
        // It is no longer where the document says.
      }
    }
  }
  return found
}

/**
 * Writes the folder anew, names each replay file in its finding, and writes the document once more with these names.
 * @param replays by finding; those that are not in it cannot be done again
 */
export async function writeFindings(
  document: ResultDocument,
  replays: ReadonlyMap<Finding, Replay>,
  out: string,
  resultsPath: string
): Promise<void> {
  const folder = join(out, 'findings')
  for (const name of await readdir(folder).catch(() => [] as string[]))
    if (OURS.test(name)) await rm(join(folder, name), { force: true })
  const findings = document.validation_results.cells.flatMap((cell) => cell.findings ?? [])
  if (findings.length === 0) return
  await ensureWritableFolder(folder)
  const sorted = [...findings].sort((a, b) => RANK[a.severity] - RANK[b.severity])
  for (const [i, finding] of sorted.entries()) {
    const safe = (finding.case ?? finding.predicate).replaceAll(/[^A-Za-z0-9._-]+/g, '_').slice(0, 60)
    const name = `${String(i + 1).padStart(2, '0')}-${safe}`
    const replay = replays.get(finding)
    delete finding.replay
    if (replay !== undefined) {
      finding.replay = `findings/${name}.replay.json`
      await writeFile(join(folder, `${name}.replay.json`), redact(formatReplay(replay)))
    }
    await writeFile(join(folder, `${name}.json`), redact(`${JSON.stringify(finding, null, 2)}\n`))
    const facts = document.validation_results.run
    await writeFile(
      join(folder, `${name}.md`),
      redact(
        reportMarkdown({
          finding,
          replay,
          ...(facts === undefined ? {} : { suiteVersion: facts.suite_version, seed: facts.seed })
        })
      )
    )
  }
  await writeFileAtomic(resultsPath, redact(formatResultDocument(document)))
}
