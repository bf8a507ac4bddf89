/** Everything that went over one connection, with microseconds. Bounded: what is dropped is counted and said. */

/** What happened to the connection itself: by us `connect`, `fin`, `rst`, `close`; by the peer `peer-fin`, `peer-rst`. */
export type WireEvent = 'connect' | 'fin' | 'rst' | 'close' | 'peer-fin' | 'peer-rst'

export interface TranscriptEntry {
  /** Microseconds since the transcript began. */
  at: number
  kind: 'sent' | 'received' | 'event'
  bytes?: Buffer
  note?: string
  what?: WireEvent
}

const DEFAULT_KEPT = 256 * 1024
/** Sizes of the blocks that hold the bytes. */
const FIRST_BLOCK = 1024
const LARGEST_BLOCK = 32 * 1024

export class Transcript {
  readonly entries: TranscriptEntry[] = []
  #block: Buffer = Buffer.alloc(0)
  #used = 0
  /** `process.hrtime.bigint()` of its begin. */
  readonly begun = process.hrtime.bigint()
  readonly #limit: number
  readonly #kept = { sent: 0, received: 0 }
  readonly #total = { sent: 0, received: 0 }

  /** @param limit bytes kept per direction. */
  constructor(limit = DEFAULT_KEPT) {
    this.#limit = limit
  }

  #now(): number {
    return Number((process.hrtime.bigint() - this.begun) / 1000n)
  }

  /** How many of so many bytes there is room for. */
  #room(kind: 'sent' | 'received', length: number): number {
    this.#total[kind] += length
    const room = Math.min(length, this.#limit - this.#kept[kind])
    this.#kept[kind] += room
    return room
  }

  /** Copies into blocks of its own: a few bytes of Node's pool would hold the whole of its slab. */
  #keep(bytes: Buffer): Buffer {
    if (this.#used + bytes.length > this.#block.length) {
      const size = Math.min(LARGEST_BLOCK, Math.max(FIRST_BLOCK, 2 * this.#block.length))
      this.#block = Buffer.allocUnsafeSlow(Math.max(size, bytes.length))
      this.#used = 0
    }
    const kept = this.#block.subarray(this.#used, this.#used + bytes.copy(this.#block, this.#used))
    this.#used += kept.length
    return kept
  }

  #add(kind: 'sent' | 'received', bytes: Buffer): void {
    const room = this.#room(kind, bytes.length)
    if (room > 0) this.entries.push({ at: this.#now(), kind, bytes: this.#keep(bytes.subarray(0, room)) })
  }
  sent(bytes: Buffer): void {
    this.#add('sent', bytes)
  }
  received(bytes: Buffer): void {
    this.#add('received', bytes)
  }
  event(note: string, what?: WireEvent): void {
    this.entries.push({ at: this.#now(), kind: 'event', note, ...(what === undefined ? {} : { what }) })
  }

  /** Bytes that were sent or received and are not kept. */
  get dropped(): { sent: number; received: number } {
    return {
      sent: this.#total.sent - this.#kept.sent,
      received: this.#total.received - this.#kept.received
    }
  }

  #bytes(kind: 'sent' | 'received'): Buffer {
    return Buffer.concat(this.entries.flatMap((entry) => (entry.kind === kind ? [entry.bytes!] : [])))
  }
  /** All bytes sent, as far as they were kept. */
  sentBytes(): Buffer {
    return this.#bytes('sent')
  }
  receivedBytes(): Buffer {
    return this.#bytes('received')
  }

  /** Both directions as text: escaped characters, hexadecimal where bytes are binary. */
  toText(): string {
    const lines = this.entries.map(({ at, kind, bytes, note }) => {
      const time = `${(at / 1000).toFixed(3).padStart(10)} ms`
      if (kind === 'event') return `${time}  --  ${note}`
      return `${time}  ${kind === 'sent' ? '>>' : '<<'}  ${bytes!.length} B  ${readable(bytes!)}`
    })
    for (const kind of ['sent', 'received'] as const) {
      const dropped = this.dropped[kind]
      if (dropped > 0) lines.push(`${dropped} more bytes ${kind} are not kept`)
    }
    return `${lines.join('\n')}\n`
  }
}

const SHOWN = 4096

/** Printable text as it is, the rest escaped; mostly binary bytes as hexadecimal. */
export function readable(bytes: Buffer): string {
  const shown = bytes.subarray(0, SHOWN)
  let binary = 0
  for (const byte of shown)
    if ((byte < 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) || byte > 0x7e) binary += 1
  const more = bytes.length > SHOWN ? ` ... ${bytes.length - SHOWN} bytes more` : ''
  if (binary * 4 > shown.length) return `${shown.toString('hex').replace(/../g, '$& ').trimEnd()}${more}`
  return `"${shown.toString('latin1').replace(/[\\"\x00-\x1f\x7f-\xff]/g, escaped)}"${more}`
}

function escaped(character: string): string {
  const known: Record<string, string> = { '\r': '\\r', '\n': '\\n', '\t': '\\t', '\\': '\\\\', '"': '\\"' }
  return known[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}
