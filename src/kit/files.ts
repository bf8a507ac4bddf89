/** Output files: whole or not at all, and with words for the ways in which a disk says no. */
import { randomBytes } from 'node:crypto'
import { access, constants, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { InfraError, UserError } from './errors.ts'

/** SQLite's numbers for what the disk says. */
const SQLITE_CODES = new Map([
  [8, 'EROFS'],
  [13, 'ENOSPC']
])

/** The `code` of an error of the system: `ENOSPC`. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'errcode' in error) {
    const known = SQLITE_CODES.get(Number(error.errcode))
    if (known !== undefined) return known
  }
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}

/** Makes a folder and what is missing above it. Node's own recursive mkdir never returns below /proc. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(path)).isDirectory()) return
    const above = dirname(path)
    if (codeOf(error) !== 'ENOENT' || above === path) throw error
    await makeFolder(above)
    await mkdir(path).catch((late: unknown) => {
      // Another process may have been faster.
      if (codeOf(late) !== 'EEXIST') throw late
    })
  }
}

/**
 * Turns an error of the file system into what a person can act on: a full disk is the machine's (exit 3),
 * a place that cannot be written is the user's (exit 2). Other errors come back as they are.
 */
export function explainWriteError(error: unknown, path: string): unknown {
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new InfraError(
        { where: path, what: 'the disk is full', fix: 'make room, or name another folder with --out' },
        { cause: error, retryable: true }
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new UserError(
        { where: path, what: 'cannot be written: permission denied', fix: 'name another folder with --out' },
        { cause: error }
      )
    case 'ENOTDIR':
    case 'EEXIST':
    case 'EISDIR':
    case 'ENOTEMPTY':
      return new UserError(
        {
          where: path,
          what: 'cannot be written: a file stands where a folder is needed, or the reverse',
          fix: 'name another folder with --out'
        },
        { cause: error }
      )
    case 'ENOENT':
    case 'ENAMETOOLONG':
    case 'ELOOP':
      return new UserError(
        { where: path, what: `cannot be made (${codeOf(error)})`, fix: 'name another folder with --out' },
        { cause: error }
      )
    default:
      return error
  }
}

/**
 * Writes a file so that a reader sees the old or the new content and never a part: a temporary file in the same
 * folder, fsync, rename. On failure the temporary file is removed.
 * @throws InfraError on a full disk, UserError on a place that cannot be written.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`)
  try {
    await makeFolder(folder)
    const handle = await open(temporary, 'wx', 0o644)
    try {
      await handle.writeFile(data)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw explainWriteError(error, path)
  }
}

/**
 * Makes the folder where it is missing and proves that a file can be written in it.
 * @throws UserError naming the folder.
 */
export async function ensureWritableFolder(path: string): Promise<void> {
  try {
    await makeFolder(path)
    await access(path, constants.W_OK)
    const probe = join(path, `.probe.${process.pid}.${randomBytes(4).toString('hex')}.tmp`)
    const handle = await open(probe, 'wx')
    try {
      await handle.writeFile('probe')
    } finally {
      await handle.close()
      await rm(probe, { force: true })
    }
  } catch (error) {
    throw explainWriteError(error, path)
  }
}
