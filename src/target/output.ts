/** What a server prints: the last lines, what a crash left, and where it listens. */
import { isIP } from 'node:net'

export interface Address {
  host: string
  port: number
}

const KEPT_LINES = 200
/** Of the lines kept, those that begin at a crash and are kept whatever comes after. */
const KEPT_CRASH_LINES = 60
const LONGEST_LINE = 4096

/** First words of what runtimes print when a program breaks. */
const CRASH = [
  /^panic: /,
  /^fatal error: /,
  /\bSIG(SEGV|ABRT|BUS|ILL|FPE)\b/,
  /\bSegmentation fault\b/,
  /WARNING: DATA RACE/,
  /^Traceback \(most recent call last\)/,
  /\b[Uu]ncaught\b/,
  /^thread '.*' (\(\d+\) )?panicked at /,
  /^(==\d+==)?\s*ERROR: (Address|Thread|Memory|Leak)Sanitizer/,
  /FATAL ERROR: .*(JavaScript heap|Allocation failed)/
]

/** Keeps the last lines of a stream whatever its volume, and the first crash with what follows it. */
export class OutputTail {
  #lines: string[] = []
  #crash: string[] = []
  #partial = ''

  /** Takes a piece of text; returns the lines that it completed. */
  take(chunk: string): string[] {
    const parts = (this.#partial + chunk).split('\n')
    // Of an endless line the beginning is kept, where its meaning stands.
    this.#partial = (parts.pop() ?? '').slice(0, LONGEST_LINE)
    const fresh = parts.map((line) => line.replace(/\r$/, '').slice(0, LONGEST_LINE))
    for (const line of fresh) {
      const open = this.#crash.length > 0 && this.#crash.length < KEPT_CRASH_LINES
      if (open || (this.#crash.length === 0 && CRASH.some((sign) => sign.test(line)))) this.#crash.push(line)
      else this.#lines.push(line)
    }
    const room = KEPT_LINES - this.#crash.length
    if (this.#lines.length > room) this.#lines.splice(0, this.#lines.length - room)
    return fresh
  }

  /** The lines, oldest first; those of a crash stand before what was printed after them. */
  all(): string[] {
    return [...this.#lines, ...this.#crash, ...(this.#partial === '' ? [] : [this.#partial])]
  }
}

/** Reads `HOST:PORT` as a server prints it; a server that listens everywhere is asked on the loopback. */
export function readAddress(text: string): Address | undefined {
  const match = /^\[?([^\]]*?)\]?:(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[2])
  const named = match[1]!
  const host = named === '' || named === '0.0.0.0' || named === '::' ? '127.0.0.1' : named
  return port > 0 && port < 65536 && isIP(host) !== 0 ? { host, port } : undefined
}
