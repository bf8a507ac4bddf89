/** The parser of event streams (WHATWG HTML, "server-sent events", 9.2.6), over bytes already taken out of HTTP framing. */
export interface SseEvent {
  /** Name of the event; `message` where none was given. */
  event: string
  data: string
  /** The last event id when this event was dispatched. */
  id: string
  /** It came with an id of its own. */
  ownId: boolean
  /** Reconnection time that came with this event, ms. */
  retry?: number
}

/** What ended a line. */
export type LineEnd = 'lf' | 'cr' | 'crlf'

const LF = 0x0a
const CR = 0x0d
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

export class SseParser {
  readonly #onEvent: (event: SseEvent) => void
  readonly #onLine: ((line: string, end: LineEnd) => void) | undefined
  #rest: Buffer = Buffer.alloc(0)
  #begun = false
  #searched = 0
  #data: string[] = []
  #name = ''
  #lastId = ''
  #ownId = false
  #retry: number | undefined
  /** Comment lines so far: heartbeats. */
  comments = 0

  /** @param onLine told of each line before it is interpreted */
  constructor(onEvent: (event: SseEvent) => void, onLine?: (line: string, end: LineEnd) => void) {
    this.#onEvent = onEvent
    this.#onLine = onLine
  }

  /** Bytes of a line whose end has not come. */
  get pending(): number {
    return this.#rest.length
  }

  get lastEventId(): string {
    return this.#lastId
  }

  push(piece: Buffer): void {
    let data = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    if (!this.#begun) {
      if (data.length < 3 && BOM.subarray(0, data.length).equals(data)) {
        this.#rest = Buffer.from(data)
        return
      }
      this.#begun = true
      this.#searched = 0
      if (data.subarray(0, 3).equals(BOM)) data = data.subarray(3)
    }
    let start = 0
    // What was held has no line end, but for a CR at its end.
    for (let at = this.#searched; at < data.length; at++) {
      if (data[at] !== LF && data[at] !== CR) continue
      // A CR at the very end may be the first half of a CRLF.
      if (data[at] === CR && at + 1 === data.length) break
      const line = data.toString('utf8', start, at)
      const crlf = data[at] === CR && data[at + 1] === LF
      this.#onLine?.(line, crlf ? 'crlf' : data[at] === CR ? 'cr' : 'lf')
      this.#line(line)
      if (crlf) at += 1
      start = at + 1
    }
    this.#rest = Buffer.from(data.subarray(start))
    this.#searched =
      this.#rest.length > 0 && this.#rest.at(-1) === CR ? this.#rest.length - 1 : this.#rest.length
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch()
    if (line.startsWith(':')) {
      this.comments += 1
      return
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const raw = colon < 0 ? '' : line.slice(colon + 1)
    const value = raw.startsWith(' ') ? raw.slice(1) : raw
    if (field === 'data') this.#data.push(value)
    else if (field === 'event') this.#name = value
    else if (field === 'id' && !value.includes('\0')) {
      this.#lastId = value
      this.#ownId = true
    }
    if (field === 'retry' && /^\d+$/.test(value)) this.#retry = Number(value)
  }

  #dispatch(): void {
    const data = this.#data
    const event = this.#name === '' ? 'message' : this.#name
    const retry = this.#retry
    const ownId = this.#ownId
    this.#data = []
    this.#ownId = false
    this.#name = ''
    if (data.length === 0) return
    this.#retry = undefined
    this.#onEvent({
      event,
      data: data.join('\n'),
      id: this.#lastId,
      ownId,
      ...(retry === undefined ? {} : { retry })
    })
  }
}
