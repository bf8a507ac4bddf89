/**
 * The log: one object for terminal, pipe and workflow. Text is made harmless on its way out, so that what a
 * server sent cannot move the cursor, colour the screen or give the runner a command.
 */
import { AnnotationBudget, type Annotation } from './annotations.ts'
import { formatDuration } from './duration.ts'
import { inertInWorkflow, visible } from './escape.ts'
import { redact } from './secrets.ts'
import { colouring, plain, type Style } from './style.ts'

/** The part of a writable stream that the log needs. */
export interface LogStream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

export interface LogOptions {
  stdout?: LogStream
  stderr?: LogStream
  env?: NodeJS.ProcessEnv
  /** Standard output belongs to one JSON document; everything else goes to stderr. */
  json?: boolean
  /** Only results, warnings and errors. */
  quiet?: boolean
  /** Milliseconds, for the rate of progress lines. */
  now?: () => number
}

/** Place of a warning or error: it becomes the annotation's file, line and title. */
export type AnnotationPlace = Partial<Pick<Annotation, 'title' | 'file' | 'line'>>

export interface Log {
  readonly mode: 'terminal' | 'piped' | 'workflow'
  readonly json: boolean
  readonly quiet: boolean
  /** Colours where the output is a terminal, plain text elsewhere. Pad before styling. */
  readonly style: Style
  /** Width of the terminal in characters; undefined elsewhere. */
  readonly columns: number | undefined
  info(text: string): void
  /** The answer that was asked for: shown even when quiet. */
  result(text: string): void
  warn(text: string, place?: AnnotationPlace): void
  error(text: string, place?: AnnotationPlace): void
  /** Shown where RUNNER_DEBUG is 1. */
  debug(text: string): void
  /** A phase: a folded group in a workflow, a heading elsewhere. */
  group<T>(name: string, run: () => Promise<T>): Promise<T>
  /** The state of work under way: one line that rewrites itself on a terminal, a line now and then elsewhere. */
  progress(text: string): void
  /** Takes the progress line away. */
  progressDone(): void
  /** The one JSON document of `--json`, on stdout. */
  document(value: unknown): void
  /** A document has been written. */
  readonly documentWritten: boolean
  /** Ends the log: clears the progress line and, in a workflow, says how many annotations were left out. */
  close(verdict?: string): void
}

/** Between two progress lines where they do not rewrite each other, ms. */
const PIPED_EVERY_MS = 10_000
/** Between two drawings on a terminal, ms. */
const TERMINAL_EVERY_MS = 80
const CLEAR_LINE = '\r\u001b[2K'

class StreamLog implements Log {
  readonly mode: Log['mode']
  readonly json: boolean
  readonly quiet: boolean
  readonly style: Style
  documentWritten = false
  readonly #out: LogStream
  readonly #err: LogStream
  readonly #stdout: LogStream
  readonly #now: () => number
  readonly #debugging: boolean
  readonly #annotations = new AnnotationBudget()
  readonly #paint: (text: string) => string
  #progress = ''
  #drawn = false
  #drawnAt = Number.NEGATIVE_INFINITY
  #groups = 0

  constructor({
    stdout = process.stdout,
    stderr = process.stderr,
    env = process.env,
    json = false,
    quiet = false,
    now = () => performance.now()
  }: LogOptions) {
    this.#stdout = stdout
    this.#out = json ? stderr : stdout
    // A workflow shows both streams as one, and their order is kept only within one stream.
    this.#err = env['GITHUB_ACTIONS'] === 'true' ? this.#out : stderr
    this.json = json
    this.quiet = quiet
    this.#now = now
    this.#debugging = env['RUNNER_DEBUG'] === '1'
    const terminal = this.#out.isTTY === true && env['TERM'] !== 'dumb'
    this.mode = env['GITHUB_ACTIONS'] === 'true' ? 'workflow' : terminal ? 'terminal' : 'piped'
    const coloured = this.mode === 'terminal' && (env['NO_COLOR'] ?? '') === ''
    const { style, paint } = coloured ? colouring : plain
    this.style = style
    this.#paint = paint
  }

  get columns(): number | undefined {
    return this.mode === 'terminal' ? this.#out.columns : undefined
  }

  #line(stream: LogStream, text: string): void {
    const safe = redact(visible(text))
    this.#undraw()
    stream.write(`${this.mode === 'workflow' ? inertInWorkflow(safe) : this.#paint(safe)}\n`)
    this.#redraw()
  }

  #undraw(): void {
    if (!this.#drawn) return
    this.#out.write(CLEAR_LINE)
    this.#drawn = false
  }

  #redraw(): void {
    if (this.mode !== 'terminal' || this.#progress === '') return
    const width = Math.max(1, (this.columns ?? 80) - 1)
    const line = redact(visible(this.#progress)).replaceAll('\n', ' ').slice(0, width)
    this.#out.write(`${CLEAR_LINE}${this.#paint(this.style.dim(line))}`)
    this.#drawn = true
    this.#drawnAt = this.#now()
  }

  info(text: string): void {
    if (!this.quiet) this.#line(this.#out, text)
  }

  result(text: string): void {
    this.#line(this.#out, text)
  }

  #annotate(level: 'warning' | 'error', text: string, place: AnnotationPlace): void {
    if (this.mode === 'workflow') {
      const command = this.#annotations.take({ level, message: text, ...place })
      if (command !== undefined) {
        this.#err.write(`${command}\n`)
        return
      }
    }
    const word = level === 'error' ? this.style.red('error') : this.style.yellow('warning')
    const at =
      place.file === undefined ? '' : `${place.file}${place.line === undefined ? '' : `:${place.line}`}: `
    this.#line(this.#err, `${word}: ${at}${text}`)
  }

  warn(text: string, place: AnnotationPlace = {}): void {
    this.#annotate('warning', text, place)
  }

  error(text: string, place: AnnotationPlace = {}): void {
    this.#annotate('error', text, place)
  }

  debug(text: string): void {
    if (this.#debugging) this.#line(this.#err, `debug: ${text}`)
  }

  async group<T>(name: string, run: () => Promise<T>): Promise<T> {
    const started = this.#now()
    const folds = this.mode === 'workflow' && this.#groups++ === 0
    const title = redact(visible(name)).replaceAll('\n', ' ')
    if (folds) this.#out.write(`::group::${title}\n`)
    else this.info(this.style.bold(title))
    try {
      return await run()
    } finally {
      if (this.mode === 'workflow') this.#groups--
      if (folds) {
        this.info(`took ${formatDuration(this.#now() - started)}`)
        this.#out.write('::endgroup::\n')
      }
    }
  }

  progress(text: string): void {
    if (this.quiet || text === this.#progress) return
    const since = this.#now() - this.#drawnAt
    if (this.mode === 'terminal') {
      this.#progress = text
      if (since >= TERMINAL_EVERY_MS) this.#redraw()
    } else if (since >= PIPED_EVERY_MS) {
      this.#drawnAt = this.#now()
      this.#progress = text
      this.#line(this.#out, text)
    }
  }

  progressDone(): void {
    this.#progress = ''
    this.#undraw()
  }

  document(value: unknown): void {
    this.progressDone()
    this.documentWritten = true
    this.#stdout.write(`${redact(JSON.stringify(value, null, 2))}\n`)
  }

  close(verdict?: string): void {
    this.progressDone()
    if (this.mode === 'workflow') {
      for (const line of this.#annotations.close(verdict)) this.#err.write(`${line}\n`)
    } else if (verdict !== undefined) {
      this.#line(this.#err, `${this.style.red('error')}: ${verdict}`)
    }
  }
}

/** The log of a command or an action. */
export function createLog(options: LogOptions = {}): Log {
  return new StreamLog(options)
}
