/** The parser of event streams (WHATWG HTML, "server-sent events", 9.2.6), over bytes already taken out of HTTP framing. */
export interface SseEvent {
  /** Name of the event; `message` where none was given. */
  event: string
  data: string
  /** The last event id when this event was dispatched. */
  id: string
  /** Reconnection time that came with this event, ms. */
  retry?: number
}

const LF = 0x0a
const CR = 0x0d
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

export class SseParser {
  readonly #onEvent: (event: SseEvent) => void
  #rest: Buffer = Buffer.alloc(0)
  #begun = false
  #data: string[] = []
  #name = ''
  #lastId = ''
  #retry: number | undefined
  /** Comment lines so far: heartbeats. */
  comments = 0

  constructor(onEvent: (event: SseEvent) => void) {
    this.#onEvent = onEvent
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
      if (data.subarray(0, 3).equals(BOM)) data = data.subarray(3)
    }
    let start = 0
    for (let at = 0; at < data.length; at++) {
      if (data[at] !== LF && data[at] !== CR) continue
      // A CR at the very end may be the first half of a CRLF.
      if (data[at] === CR && at + 1 === data.length) break
      this.#line(data.toString('utf8', start, at))
      if (data[at] === CR && data[at + 1] === LF) at += 1
      start = at + 1
    }
    this.#rest = Buffer.from(data.subarray(start))
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
    else if (field === 'id' && !value.includes('\0')) this.#lastId = value
    else if (field === 'retry' && /^\d+$/.test(value)) this.#retry = Number(value)
  }

  #dispatch(): void {
    const data = this.#data
    const event = this.#name === '' ? 'message' : this.#name
    const retry = this.#retry
    this.#data = []
    this.#name = ''
    if (data.length === 0) return
    this.#retry = undefined
    this.#onEvent({
      event,
      data: data.join('\n'),
      id: this.#lastId,
      ...(retry === undefined ? {} : { retry })
    })
  }
}
