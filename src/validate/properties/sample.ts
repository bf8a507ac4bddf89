/** One look at a server, once a second. Absent is absent, never 0. */
export interface Sample {
  /** Seconds since the loop began. */
  t: number
  /** Unix seconds. */
  ts: number
  phase: 'idle' | 'warm' | 'load' | 'quiet'
  /** Requests of the walkers so far. */
  walker_requests: number
  /** The newest health request that ended since the sample before; absent where none did. */
  health_ms?: number
  health_status?: number
  /** Why the health request failed: `refused`, `timeout`, `reset`, ... */
  health_error?: string
  /** Health requests without an answer at this moment. */
  health_waiting?: number
  rss_bytes?: number
  fd_count?: number
  socket_count?: number
  thread_count?: number
  cpu_seconds?: number
  /** Connections on the server's port whose client has closed and the server has not. */
  close_wait?: number
  /** Connections on the server's port that are open on both sides. */
  established?: number
  goroutine_count?: number
  heap_inuse_bytes?: number
  accepted_conn_total?: number
  closed_conn_total?: number
  active_conns?: number
  panic_count?: number
  requests_total?: number
  adaptive_switches?: number
  subscribers?: number
  /** Of all open connections, the longest time without a byte. */
  oldest_idle_seconds?: number
  /** Longest stall of our own event loop during the second before, ms. */
  harness_stall_ms: number
}

/** Quantities that a server publishes in `/debug/vars`, under the names that are in use, best first. */
export const PUBLISHED: Readonly<Record<string, readonly string[]>> = {
  goroutine_count: ['goroutines', 'goroutine_count', 'num_goroutine', 'NumGoroutine', 'active_handles'],
  heap_inuse_bytes: ['memstats.HeapInuse', 'HeapInuse', 'heap_inuse_bytes', 'heap_used'],
  accepted_conn_total: [
    'accepted_conn_total',
    'connections_accepted_total',
    'connections_opened',
    'AcceptCount'
  ],
  closed_conn_total: ['closed_conn_total', 'connections_closed_total', 'connections_closed', 'CloseCount'],
  active_conns: ['active_conns', 'connections_active', 'ActiveConnections'],
  panic_count: ['panic_count', 'panics'],
  requests_total: ['request_count', 'requests_total', 'engine_requests_total', 'RequestCount'],
  adaptive_switches: ['adaptive_switches', 'AdaptiveSwitches'],
  subscribers: ['sse_subscribers', 'subscribers'],
  oldest_idle_seconds: ['oldest_idle_seconds', 'oldest_conn_last_byte_age']
}

/** Counters that must stay zero wherever they are published, with their meaning. */
export const MUST_STAY_ZERO: Readonly<Record<string, readonly [id: string, meaning: string]>> = {
  session_owner_mismatches: ['I-MW-SESSION', 'a session answered to another owner'],
  jwt_late_admits: ['I-MW-JWT', 'an expired token was admitted'],
  ratelimit_token_violations: ['I-MW-RATELIMIT', 'a bucket gave more tokens than it had'],
  drv_read_misses: ['I-DRV', 'a value written before was not read back'],
  iouring_sqe_corruptions: ['I-ENG-IOURING', 'a submission entry was corrupted'],
  transplant_adopt_slot_occupied: ['I-ENG-TRANSPLANT', 'a connection was adopted into a slot in use'],
  close_missing_conn_state: ['I-ENG-CLOSE', 'a connection was closed that had no state'],
  recv_double_armed: ['I-ENG-RECV', 'a receive was armed twice'],
  recv_cqe_unaccounted: ['I-ENG-RECV', 'a completion belonged to nothing'],
  recv_sq_full: ['I-ENG-RECV', 'the submission queue was full'],
  recv_stall_episodes: ['I-ENG-RECV', 'receiving stalled']
}

/** What `/debug/vars` said, flattened to `a.b.c` -> number, and the predicates that the server says it feeds. */
export interface Published {
  numbers: Map<string, number>
  predicates: string[]
}

const DEEPEST = 6
const MOST_KEYS = 5000

/** Flattens a `/debug/vars` document. */
export function flatten(value: unknown): Published {
  const numbers = new Map<string, number>()
  const predicates: string[] = []
  const walk = (node: unknown, path: string, depth: number): void => {
    if (numbers.size >= MOST_KEYS) return
    if (typeof node === 'number' && Number.isFinite(node)) numbers.set(path, node)
    if (typeof node !== 'object' || node === null || depth >= DEEPEST) return
    if (Array.isArray(node)) {
      if (path.endsWith('predicates')) predicates.push(...node.filter((entry) => typeof entry === 'string'))
      return
    }
    for (const [key, inner] of Object.entries(node))
      walk(inner, path === '' ? key : `${path}.${key}`, depth + 1)
  }
  walk(value, '', 0)
  return { numbers, predicates }
}

/** The number published under one of the names, as a whole path or as its last part. */
export function lookUp(published: Published, names: readonly string[]): number | undefined {
  for (const name of names) {
    const exact = published.numbers.get(name)
    if (exact !== undefined) return exact
    for (const [path, value] of published.numbers) if (path.endsWith(`.${name}`)) return value
  }
  return undefined
}
