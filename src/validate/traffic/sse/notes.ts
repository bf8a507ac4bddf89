/** What the lines of a stream say of its writer; the parser keeps only what a client would use. Bounded. */
import type { LineEnd, SseEvent } from '../../../wire/sse.ts'

const KNOWN = new Set(['data', 'event', 'id', 'retry'])
const MOST = 16
/** Comments shorter than this stand in other lines by chance. */
const TELLING_COMMENT = 4

export class Notes {
  /** Lines, and those that carry data. */
  lines = 0
  dataLines = 0
  events = 0
  largest = 0
  /** Lines that were ended by LF CR. */
  lfCr = 0
  comments = 0
  /** Names that differ from a field's by letter case or blanks. */
  readonly misspelt = new Set<string>()
  /** Blocks with two ids or two names. */
  merged = 0
  readonly retries: string[] = []
  ids = 0
  idsWithNul = 0
  emptyIds = 0
  readonly #comments = new Set<string>()
  /** A line of an event with a comment in its middle. */
  inside: string | undefined
  #block = { id: 0, event: 0 }
  #afterLf = false

  line(line: string, end: LineEnd): void {
    this.lines += 1
    if (line === '' && end === 'cr' && this.#afterLf) this.lfCr += 1
    this.#afterLf = end === 'lf'
    if (line === '') {
      if (this.#block.id > 1 || this.#block.event > 1) this.merged += 1
      this.#block = { id: 0, event: 0 }
      return
    }
    if (line.startsWith(':')) return this.#comment(line)
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (!KNOWN.has(name)) {
      if (KNOWN.has(name.trim().toLowerCase()) && this.misspelt.size < MOST) this.misspelt.add(name)
      return
    }
    if (name === 'id') {
      this.ids += 1
      this.#block.id += 1
      if (value.includes('\0')) this.idsWithNul += 1
      if (value === '') this.emptyIds += 1
    } else if (name === 'event') this.#block.event += 1
    else if (name === 'data') this.dataLines += 1
    else if (this.retries.length < MOST) this.retries.push(value)
    for (const comment of this.#comments) if (value.includes(comment)) this.inside ??= line.slice(0, 120)
  }

  #comment(line: string): void {
    this.comments += 1
    const text = line.trim()
    if (text.length >= TELLING_COMMENT && this.#comments.size < MOST) this.#comments.add(text)
  }

  event({ data }: SseEvent): void {
    this.events += 1
    this.largest = Math.max(this.largest, data.length)
  }
}
