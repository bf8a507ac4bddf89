/** Upload of the output folder as an artifact of the run. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from './log.ts'

export interface ArtifactRequest {
  /** Unique within the run. */
  name: string
  /** Everything in it is uploaded, hidden and temporary files excepted. */
  folder: string
  retentionDays?: number | undefined
}

export interface UploadedArtifact {
  id: number
  url: string
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

/**
 * Uploads a folder. What stands in the way (no runner, a server without artifacts, a name in use) is a warning and
 * changes no verdict.
 */
export async function uploadArtifact(
  { name, folder, retentionDays }: ArtifactRequest,
  log: Log,
  env: NodeJS.ProcessEnv = process.env
): Promise<UploadedArtifact | undefined> {
  if ((env['ACTIONS_RUNTIME_TOKEN'] ?? '') === '' || (env['ACTIONS_RESULTS_URL'] ?? '') === '') {
    log.warn('the artifact was not uploaded: this process does not run as an action on a runner')
    return undefined
  }
  try {
    const files = await filesIn(folder)
    if (files.length === 0) {
      log.warn(`the artifact was not uploaded: ${folder} is empty`)
      return undefined
    }
    // Half of what the suite would load otherwise; only a run on a runner wants it, and it stays in the one bundle.
    const { DefaultArtifactClient } = await import(/* webpackMode: "eager" */ '@actions/artifact')
    const client = new DefaultArtifactClient()
    const { id } = await client.uploadArtifact(
      name,
      files,
      folder,
      retentionDays === undefined ? {} : { retentionDays }
    )
    if (id === undefined) throw new Error('the service gave no id')
    const run = `${env['GITHUB_SERVER_URL'] ?? ''}/${env['GITHUB_REPOSITORY'] ?? ''}/actions/runs/${env['GITHUB_RUN_ID'] ?? ''}`
    return { id, url: `${run}/artifacts/${id}` }
  } catch (error) {
    log.warn(`the artifact was not uploaded: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}
