/** `observer.sqlite`: the samples of every cell, for whoever wants to look at the curve. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Sample } from './sample.ts'

const COLUMNS = [
  'ts',
  'cell',
  't',
  'phase',
  'pid',
  'fd_count',
  'socket_count',
  'thread_count',
  'rss_bytes',
  'cpu_seconds',
  'goroutine_count',
  'heap_inuse_bytes',
  'accepted_conn_total',
  'closed_conn_total',
  'active_conns',
  'panic_count',
  'requests_total',
  'adaptive_switches',
  'subscribers',
  'oldest_idle_seconds',
  'close_wait',
  'established',
  'health_ms',
  'health_status',
  'health_error',
  'health_waiting',
  'harness_stall_ms',
  'walker_requests'
] as const
const TEXT = new Set<string>(['cell', 'phase', 'health_error'])

const typed = (column: string): string => `${column} ${TEXT.has(column) ? 'TEXT' : 'REAL'}`

/** Appends samples; a value that is not known is NULL. */
export class ObserverDatabase {
  readonly #database: DatabaseSync
  readonly #insert: StatementSync

  private constructor(database: DatabaseSync) {
    this.#database = database
    const declared = COLUMNS.map(typed).join(', ')
    database.exec('PRAGMA journal_mode = MEMORY')
    database.exec('PRAGMA synchronous = OFF')
    database.exec(`CREATE TABLE IF NOT EXISTS observations (${declared})`)
    // The file may be of an earlier version of the suite, in the same output folder.
    const there = new Set(
      database
        .prepare('PRAGMA table_info(observations)')
        .all()
        .map((row) => row['name'])
    )
    for (const column of COLUMNS) {
      if (!there.has(column)) database.exec(`ALTER TABLE observations ADD COLUMN ${typed(column)}`)
    }
    this.#insert = database.prepare(
      `INSERT INTO observations (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`
    )
  }

  /** Opens or makes the file. */
  static async open(path: string): Promise<ObserverDatabase> {
    const emit = process.emitWarning
    // The module announces on stderr that it is young; that is no news for the reader of a log.
    process.emitWarning = () => undefined
    try {
      const { DatabaseSync } = await import('node:sqlite')
      return new ObserverDatabase(new DatabaseSync(path))
    } finally {
      process.emitWarning = emit
    }
  }

  add(cell: string, pid: number | undefined, sample: Sample): void {
    const row: Record<string, unknown> = { ...sample, cell, pid }
    this.#insert.run(...COLUMNS.map((column) => (row[column] ?? null) as string | number | null))
  }

  close(): void {
    this.#database.close()
  }
}
