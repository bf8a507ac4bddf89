/** What the processes of a server hold, from /proc. */
import { readdir, readlink } from 'node:fs/promises'
import { machineUnits, processTree } from './processes.ts'
import type { Census } from './types.ts'

interface Held {
  descriptors: number
  sockets: number
}

/** A process that ended while it was looked at holds nothing; one that may not be looked at is unknown. */
async function heldBy(pid: number): Promise<Held | undefined> {
  const folder = `/proc/${pid}/fd`
  try {
    const names = await readdir(folder)
    const links = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')))
    // A descriptor that was closed in between is none.
    const open = links.filter((link) => link !== '')
    return { descriptors: open.length, sockets: open.filter((link) => link.startsWith('socket:')).length }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    return code === 'ENOENT' || code === 'ESRCH' ? { descriptors: 0, sockets: 0 } : undefined
  }
}

/**
 * Takes the census of a process and all that belongs to it. Resident memory is in bytes, CPU time in seconds and
 * counts ended children that were waited for. Descriptors and sockets are absent where one of the processes is
 * another user's: a partial sum would be a wrong one.
 * @returns undefined where the process is gone or /proc cannot be read
 */
export async function takeCensus(root: number): Promise<Census | undefined> {
  const tree = await processTree(root)
  if (tree.length === 0) return undefined
  const held = await Promise.all(tree.map(({ pid }) => heldBy(pid)))
  const known = held.filter((entry) => entry !== undefined)
  const whole = known.length === held.length
  const { pageSize, ticksPerSecond } = machineUnits()
  return {
    at: new Date(),
    pids: tree.map(({ pid }) => pid),
    ...(whole
      ? {
          descriptors: known.reduce((sum, { descriptors }) => sum + descriptors, 0),
          sockets: known.reduce((sum, { sockets }) => sum + sockets, 0)
        }
      : {}),
    threads: tree.reduce((sum, { threads }) => sum + threads, 0),
    rss: tree.reduce((sum, { rssPages }) => sum + rssPages, 0) * pageSize,
    cpuSeconds: tree.reduce((sum, { ticks }) => sum + ticks, 0) / ticksPerSecond
  }
}
