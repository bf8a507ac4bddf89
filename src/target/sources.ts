/** What a folder of sources is, by content. */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'

/** Folders that are made from the sources, or kept beside them. */
export const SKIPPED = new Set(['node_modules', '.git', '__pycache__', '.venv', 'venv'])

/** Hex digest over names and contents of all files in the folders. */
export async function hashFolders(folders: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const folder of folders) {
    for (const path of await filesOf(folder)) {
      hash.update(`${relative(folder, path)}\0`)
      hash.update(await readFile(path))
    }
  }
  return hash.digest('hex')
}

async function filesOf(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const name of (await readdir(folder)).sort()) {
    if (SKIPPED.has(name)) continue
    const path = join(folder, name)
    // A link that leads nowhere is no source.
    const info = await stat(path).catch(() => undefined)
    if (info?.isDirectory()) found.push(...(await filesOf(path)))
    else if (info?.isFile()) found.push(path)
  }
  return found
}
