/** The process table, from /proc. Where there is no /proc, nothing is found. */
import { readdirSync, readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'

export interface ProcessStat {
  pid: number
  parent: number
  group: number
  session: number
  /** User and system time of the process and of the children it has waited for, clock ticks. */
  ticks: number
  threads: number
  /** Clock ticks from boot to its start: with the pid, the identity of a process. */
  started: number
  rssPages: number
}

/** What proc(5) counts in. */
export interface Units {
  pageSize: number
  ticksPerSecond: number
}

const AT_PAGESZ = 6n
const AT_CLKTCK = 17n
let units: Units | undefined

/** Page size in bytes and clock ticks per second of this machine, from the auxiliary vector. */
export function machineUnits(): Units {
  if (units !== undefined) return units
  units = { pageSize: 4096, ticksPerSecond: 100 }
  try {
    const vector = readFileSync('/proc/self/auxv')
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      const value = Number(vector.readBigUInt64LE(at + 8))
      if (vector.readBigUInt64LE(at) === AT_PAGESZ) units.pageSize = value
      if (vector.readBigUInt64LE(at) === AT_CLKTCK) units.ticksPerSecond = value
    }
  } catch {
    // The usual values stand.
  }
  return units
}

/** One process; undefined where it is gone, or ended and not yet waited for. */
export async function statOf(pid: number | string): Promise<ProcessStat | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'latin1')
    // The name may hold blanks and brackets: fields begin after its last bracket.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    const number = (index: number): number => Number(fields[index])
    return {
      pid: Number(pid),
      parent: number(1),
      group: number(2),
      session: number(3),
      ticks: number(11) + number(12) + number(13) + number(14),
      threads: number(17),
      started: number(19),
      rssPages: number(21)
    }
  } catch {
    return undefined
  }
}

/** The process, its descendants, and what shares its group or session and was adopted by another parent. */
export async function processTree(root: number): Promise<ProcessStat[]> {
  const names = (await readdir('/proc').catch((): string[] => [])).filter((name) => /^\d+$/.test(name))
  const stats = (await Promise.all(names.map(statOf))).filter((stat) => stat !== undefined)
  const top = stats.find((stat) => stat.pid === root)
  if (top === undefined) return []
  const found = new Map([[root, top]])
  const adopted = (stat: ProcessStat): boolean =>
    (top.group === root && stat.group === root) || (top.session === root && stat.session === root)
  for (let grew = true; grew;) {
    grew = false
    for (const stat of stats) {
      if (found.has(stat.pid) || !(found.has(stat.parent) || adopted(stat))) continue
      found.set(stat.pid, stat)
      grew = true
    }
  }
  return [...found.values()]
}

/** Processes that were started with the given line (`NAME=value`) in their environment. */
export function processesMarked(line: string): number[] {
  const found: number[] = []
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return found
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue
    try {
      if (`\0${readFileSync(`/proc/${name}/environ`, 'latin1')}`.includes(`\0${line}\0`))
        found.push(Number(name))
    } catch {
      // Gone, or another user's.
    }
  }
  return found
}
