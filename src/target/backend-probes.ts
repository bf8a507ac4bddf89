/** Asks PostgreSQL, Redis and memcached how they are, each in its own protocol, and clears what a run wrote there. */
import { connect, type Socket } from 'node:net'
import postgres from 'postgres'
import type { BackendName } from '../documents/manifest.ts'

export interface BackendAddress {
  host: string
  port: number
  user?: string
  password?: string
  /** PostgreSQL: its name; Redis: its number. */
  database?: string
  /** As given, for clients that read it themselves. */
  url: string
}

/** How a backend is right now. */
export interface BackendState {
  /** Changes when the backend restarts. */
  life: string
  /** Process id (Redis, memcached) or data folder (PostgreSQL): says whether it is the one that we started. */
  self: string
  /** Entries that it threw away by itself or by order (evictions, flushes); a later read of them is no lost write. */
  dropped: number
}

/** The backend is not there, does not answer in its protocol, or does not let us in. The message holds no secret. */
export class BackendProblem extends Error {
  override readonly name = 'BackendProblem'
  /** It answered and is well, but would not serve us: its connections are used up. */
  readonly busy: boolean
  constructor(message: string, busy = false) {
    super(message)
    this.busy = busy
  }
}

/** SQLSTATE too_many_connections, PostgreSQL Appendix A. */
const TOO_MANY_CONNECTIONS = '53300'
const LONGEST_ANSWER = 4 << 20

/** One look. @throws BackendProblem within `timeoutMs` or little more. */
export function lookAt(name: BackendName, address: BackendAddress, timeoutMs: number): Promise<BackendState> {
  return { postgres: lookAtPostgres, redis: lookAtRedis, memcached: lookAtMemcached }[name](
    address,
    timeoutMs
  )
}

/** Removes what refapps wrote under a namespace. memcached cannot list its keys: there they expire. */
export async function clearNamespace(
  name: BackendName,
  address: BackendAddress,
  namespace: string,
  timeoutMs: number
): Promise<void> {
  if (name === 'postgres') {
    await withPostgres(address, timeoutMs, async (sql) => {
      const schemas = await sql`select nspname from pg_namespace where starts_with(nspname, ${namespace})`
      for (const row of schemas) await sql`drop schema if exists ${sql(row['nspname'] as string)} cascade`
    })
  }
  if (name !== 'redis') return
  let cursor = '0'
  do {
    const scan = ['SCAN', cursor, 'MATCH', `${namespace}*`, 'COUNT', '1000']
    const [next, keys] = (await redisCommand(address, scan, timeoutMs)) as [string, string[]]
    cursor = next
    if (keys.length > 0) await redisCommand(address, ['DEL', ...keys], timeoutMs)
  } while (cursor !== '0')
}

async function withPostgres<T>(
  address: BackendAddress,
  timeoutMs: number,
  use: (sql: postgres.Sql) => Promise<T>
): Promise<T> {
  const sql = postgres(address.url, {
    max: 1,
    connect_timeout: Math.max(1, Math.ceil(timeoutMs / 1000)),
    onnotice: () => undefined,
    fetch_types: false,
    connection: { application_name: 'probatorium' }
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new BackendProblem(`no answer within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([use(sql), late])
  } catch (error) {
    if (error instanceof BackendProblem) throw error
    const { code, message } = error as { code?: string; message?: string }
    throw new BackendProblem(problemText(code, message), code === TOO_MANY_CONNECTIONS)
  } finally {
    clearTimeout(timer)
    await sql.end({ timeout: 0 }).catch(() => undefined)
  }
}

function lookAtPostgres(address: BackendAddress, timeoutMs: number): Promise<BackendState> {
  return withPostgres(address, timeoutMs, async (sql) => {
    const [row] = await sql`
      select pg_postmaster_start_time()::text as life,
        (select setting from pg_settings where name = 'data_directory') as self`
    return { life: String(row?.['life']), self: String(row?.['self'] ?? ''), dropped: 0 }
  })
}

async function lookAtRedis(address: BackendAddress, timeoutMs: number): Promise<BackendState> {
  const info = fieldsOf(String(await redisCommand(address, ['INFO'], timeoutMs)), ':')
  const life = info.get('run_id')
  if (life === undefined) throw new BackendProblem('it answers INFO, but not as Redis does')
  return { life, self: info.get('process_id') ?? '', dropped: Number(info.get('evicted_keys') ?? 0) }
}

async function lookAtMemcached(address: BackendAddress, timeoutMs: number): Promise<BackendState> {
  const text = await converse(address, 'stats\r\n', timeoutMs, (all) => {
    if (all.length >= 5 && !all.startsWith('STAT '))
      throw new BackendProblem('it does not speak the memcached protocol')
    return all.endsWith('\r\nEND\r\n') ? all : undefined
  })
  const stats = fieldsOf(text.replaceAll(/^STAT /gm, ''), ' ')
  const [pid, time, uptime] = ['pid', 'time', 'uptime'].map((name) => Number(stats.get(name)))
  if (!(pid! > 0)) throw new BackendProblem('it answers stats, but not as memcached does')
  return {
    // The two clocks tick apart by up to a second.
    life: `${pid} ${Math.round((time! - uptime!) / 4)}`,
    self: String(pid),
    dropped: Number(stats.get('evictions') ?? 0) + Number(stats.get('cmd_flush') ?? 0)
  }
}

function fieldsOf(text: string, separator: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.split('\r\n')) {
    const at = line.indexOf(separator)
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1))
  }
  return fields
}

/** AUTH and SELECT where the address says so, then the command; gives the reply of the last. */
async function redisCommand(
  address: BackendAddress,
  command: readonly string[],
  timeoutMs: number
): Promise<unknown> {
  const { user, password, database } = address
  const commands = [command]
  if (database !== undefined) commands.unshift(['SELECT', database])
  if (password !== undefined) commands.unshift(['AUTH', ...(user === undefined ? [] : [user]), password])
  const bytes = commands.map(
    (words) =>
      `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
  )
  const replies = await converse(address, bytes.join(''), timeoutMs, (text) => {
    const found: unknown[] = []
    let at = 0
    while (found.length < commands.length) {
      const reply = readReply(text, at)
      if (reply === undefined) return undefined
      found.push(reply.value)
      at = reply.end
    }
    return found
  })
  const refused = replies.find((reply) => reply instanceof Error)
  if (refused !== undefined) throw new BackendProblem(refused.message)
  return replies.at(-1)
}

/** One RESP2 value (latin1 text) at an offset; undefined while it is not whole. */
function readReply(text: string, at: number): { value: unknown; end: number } | undefined {
  const eol = text.indexOf('\r\n', at)
  if (eol < 0) return undefined
  const rest = text.slice(at + 1, eol)
  let end = eol + 2
  switch (text[at]) {
    case '+':
    case ':':
      return { value: rest, end }
    case '-':
      return { value: new Error(`it answers: ${rest.slice(0, 100)}`), end }
    case '$': {
      const length = Number(rest)
      if (length < 0) return { value: undefined, end }
      if (text.length < end + length + 2) return undefined
      return { value: text.slice(end, end + length), end: end + length + 2 }
    }
    case '*': {
      const values: unknown[] = []
      for (let left = Number(rest); left > 0; left--) {
        const inner = readReply(text, end)
        if (inner === undefined) return undefined
        values.push(inner.value)
        end = inner.end
      }
      return { value: values, end }
    }
    default:
      throw new BackendProblem('it does not speak the Redis protocol')
  }
}

/** Sends once and reads until `whole` is content. */
function converse<T>(
  { host, port }: BackendAddress,
  bytes: string,
  timeoutMs: number,
  whole: (all: string) => T | undefined
): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host, port })
    let all = ''
    const fail = (error: Error): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(error instanceof BackendProblem ? error : new BackendProblem(error.message))
    }
    const timer = setTimeout(() => fail(new BackendProblem(`no answer within ${timeoutMs} ms`)), timeoutMs)
    socket.setEncoding('latin1')
    socket.on('connect', () => socket.write(bytes))
    socket.on('data', (chunk: string) => {
      all += chunk
      try {
        const value = whole(all)
        if (value === undefined) {
          if (all.length > LONGEST_ANSWER) fail(new BackendProblem('its answer has no end'))
          return
        }
        clearTimeout(timer)
        socket.destroy()
        resolve(value)
      } catch (error) {
        fail(error as Error)
      }
    })
    socket.on('end', () => fail(new BackendProblem('it closed the connection before it answered')))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      fail(new BackendProblem(problemText(error.code, error.message)))
    )
  })
}

const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it reset the connection',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name cannot be looked up',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the network',
  ETIMEDOUT: 'no answer in time',
  CONNECT_TIMEOUT: 'no answer in time',
  CONNECTION_CLOSED: 'it closed the connection before it answered',
  CONNECTION_DESTROYED: 'it closed the connection before it answered'
}

function problemText(code: string | undefined, message: string | undefined): string {
  return (
    CODES[code ?? ''] ?? (message ?? '').trim().split('\n')[0]!.slice(0, 200) ?? code ?? 'it does not answer'
  )
}
