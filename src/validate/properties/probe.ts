/** Where a sample's numbers come from: a health request on a fresh connection, `/debug/vars`, the socket table. */
import { request } from 'node:http'
import { readFile } from 'node:fs/promises'
import { flatten, type Published } from './sample.ts'

export interface Answer {
  status?: number
  ms: number
  error?: 'refused' | 'timeout' | 'reset' | 'other'
  body?: string
}

const MOST_BODY = 4 << 20

/** One GET on its own connection, whole within the time limit. Never throws. */
export function get(host: string, port: number, path: string, timeoutMs: number): Promise<Answer> {
  const begun = performance.now()
  return new Promise((resolve) => {
    let settled = false
    const done = (answer: Omit<Answer, 'ms'>): void => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      asked.destroy()
      resolve({ ...answer, ms: performance.now() - begun })
    }
    const asked = request(
      { host, port, path, method: 'GET', agent: false, headers: { connection: 'close' } },
      (response) => {
        const parts: Buffer[] = []
        let size = 0
        response.on('data', (part: Buffer) => {
          size += part.length
          if (size <= MOST_BODY) parts.push(part)
        })
        response.on('end', () =>
          done({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') })
        )
        response.on('error', () => done({ error: 'reset' }))
        response.on('close', () => done({ error: 'reset' }))
      }
    )
    const timer = setTimeout(() => done({ error: 'timeout' }), timeoutMs)
    asked.on('error', (error: NodeJS.ErrnoException) => {
      const kind = error.code === 'ECONNREFUSED' ? 'refused' : error.code === 'ECONNRESET' ? 'reset' : 'other'
      done({ error: kind })
    })
    asked.end()
  })
}

/** What the server publishes about itself, or why it cannot be read. */
export async function readPublished(
  host: string,
  port: number,
  path: string,
  timeoutMs: number
): Promise<Published | { missing: string }> {
  const answer = await get(host, port, path, timeoutMs)
  if (answer.error !== undefined) return { missing: `GET ${path}: ${answer.error}` }
  if (answer.status !== 200) return { missing: `GET ${path}: status ${answer.status}` }
  try {
    return flatten(JSON.parse(answer.body ?? ''))
  } catch {
    return { missing: `GET ${path}: not JSON` }
  }
}

/** Connections of a port, by state. Sockets of other ports and listeners do not count. */
export interface Connections {
  /** Open on both sides. */
  established: number
  /** The client has closed, the server has not. */
  closeWait: number
}

const STATES: Readonly<Record<string, keyof Connections>> = { '01': 'established', '08': 'closeWait' }

/** Counts the server's ends of its connections. Undefined off Linux. */
export async function connectionsOf(port: number): Promise<Connections | undefined> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  try {
    const tables = await Promise.all(
      ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'latin1').catch(() => ''))
    )
    if (tables[0] === '') return undefined
    const counted: Connections = { established: 0, closeWait: 0 }
    for (const line of tables.join('\n').split('\n')) {
      const [, local, , code] = line.trim().split(/\s+/)
      const state = STATES[code ?? '']
      if (state !== undefined && local?.endsWith(wanted) === true) counted[state] += 1
    }
    return counted
  } catch {
    return undefined
  }
}
