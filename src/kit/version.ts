/** Which suite this is, and where it is installed. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folder of the suite: the one that holds its package.json and probatorium.yml, in sources and in the bundle alike. */
export function suiteRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    if (existsSync(join(folder, 'probatorium.yml')) && existsSync(join(folder, 'package.json'))) return folder
    const above = dirname(folder)
    if (above === folder) return folder
    folder = above
  }
}

/** Version of the suite, from its package.json. */
export function suiteVersion(): string {
  try {
    const read: unknown = JSON.parse(readFileSync(join(suiteRoot(), 'package.json'), 'utf8'))
    return (read as { version?: string }).version ?? 'unknown'
  } catch {
    return 'unknown'
  }
}
