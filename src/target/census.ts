/** What the processes of a server hold, from /proc. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import type { Census } from './types.ts'

const TICKS_PER_SECOND = 100
const PAGE_FALLBACK = 4096

interface Stat {
  pid: number
  parent: number
  group: number
  session: number
  ticks: number
  threads: number
  rssPages: number
}

async function statOf(pid: string): Promise<Stat | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'latin1')
    // The name may hold blanks and brackets: fields begin after its last bracket.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z') return undefined
    return {
      pid: Number(pid),
      parent: Number(fields[1]),
      group: Number(fields[2]),
      session: Number(fields[3]),
      ticks: Number(fields[11]) + Number(fields[12]),
      threads: Number(fields[17]),
      rssPages: Number(fields[21])
    }
  } catch {
    return undefined
  }
}

/** The process, its descendants, and what shares its group and was adopted by another parent. */
export async function processTree(root: number): Promise<Stat[]> {
  const names = (await readdir('/proc').catch(() => [] as string[])).filter((name) => /^\d+$/.test(name))
  const stats = (await Promise.all(names.map(statOf))).filter((stat) => stat !== undefined)
  const top = stats.find((stat) => stat.pid === root)
  if (top === undefined) return []
  const found = new Map<number, Stat>([[root, top]])
  for (let grew = true; grew;) {
    grew = false
    for (const stat of stats) {
      if (found.has(stat.pid)) continue
      const leads = top.group === root && stat.group === root
      if (found.has(stat.parent) || leads) {
        found.set(stat.pid, stat)
        grew = true
      }
    }
  }
  return [...found.values()]
}

/** Takes the census; undefined where the process is gone or /proc cannot be read. Resident memory is in bytes. */
export async function takeCensus(root: number): Promise<Census | undefined> {
  const tree = await processTree(root)
  if (tree.length === 0) return undefined
  let descriptors: number | undefined = 0
  let sockets: number | undefined = 0
  for (const { pid } of tree) {
    try {
      const names = await readdir(`/proc/${pid}/fd`)
      const links = await Promise.all(
        names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => ''))
      )
      if (descriptors !== undefined) descriptors += names.length
      if (sockets !== undefined) sockets += links.filter((link) => link.startsWith('socket:')).length
    } catch {
      // Another user's process: its descriptors are not known, and a partial sum would be a wrong one.
      descriptors = undefined
      sockets = undefined
      break
    }
  }
  return {
    at: new Date(),
    pids: tree.map(({ pid }) => pid),
    ...(descriptors === undefined ? {} : { descriptors }),
    ...(sockets === undefined ? {} : { sockets }),
    threads: tree.reduce((sum, { threads }) => sum + threads, 0),
    rss: tree.reduce((sum, { rssPages }) => sum + rssPages, 0) * PAGE_FALLBACK,
    cpuSeconds: tree.reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND
  }
}
