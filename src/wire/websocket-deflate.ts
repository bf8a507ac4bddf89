/** permessage-deflate (RFC 7692): what was agreed, and the messages of one connection in and out. */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'

export const DEFLATE = 'permessage-deflate'

export interface Extension {
  name: string
  /** In their order; a parameter without a value has none. */
  params: [name: string, value: string | undefined][]
}

/** The elements of Sec-WebSocket-Extensions (RFC 6455 9.1). */
export function parseExtensions(field: string): Extension[] {
  return field
    .split(',')
    .map((element) => element.split(';').map((part) => part.trim()))
    .filter(([name]) => name !== '')
    .map(([name, ...params]) => ({
      name: name!,
      params: params
        .filter((param) => param !== '')
        .map((param): [string, string | undefined] => {
          const [key, value] = param.split('=', 2)
          return [key!.trim(), value === undefined ? undefined : value.trim().replace(/^"(.*)"$/, '$1')]
        })
    }))
}

export interface Agreement {
  /** The server's messages refer to those before. */
  serverContext: boolean
  /** Ours may. */
  clientContext: boolean
  serverBits: number
  clientBits: number
}

const NAMES = [
  'server_no_context_takeover',
  'client_no_context_takeover',
  'server_max_window_bits',
  'client_max_window_bits'
]
const LARGEST_BITS = 15

/** What is not valid in the parameters of an offer or of an answer (7.1), or undefined. */
function wrongParams({ params }: Extension, answer: boolean): string | undefined {
  const seen = new Set<string>()
  for (const [name, value] of params) {
    if (!NAMES.includes(name)) return `the parameter "${name}" is not defined`
    if (seen.has(name)) return `the parameter "${name}" stands twice`
    seen.add(name)
    if (name.endsWith('takeover')) {
      if (value !== undefined) return `the parameter "${name}" has a value`
    } else if (value === undefined) {
      if (answer || name === 'server_max_window_bits') return `the parameter "${name}" has no value`
    } else if (!/^([89]|1[0-5])$/.test(value)) return `the parameter "${name}" has the value "${value}"`
  }
  return undefined
}

/**
 * What the answer of a server to this offer settles (7.1).
 * @param offer value of the client's Sec-WebSocket-Extensions
 * @param answer value of the server's
 * @returns undefined where the extension is not in use, words where the answer does not fit any valid offer
 */
export function agreementOf(offer: string, answer: string): Agreement | string | undefined {
  const answers = parseExtensions(answer).filter(({ name }) => name === DEFLATE)
  const given = answers[0]
  if (given === undefined) return undefined
  if (answers.length > 1) return `${DEFLATE} is accepted twice`
  const wrong = wrongParams(given, true)
  if (wrong !== undefined) return `the answer for ${DEFLATE} is not valid: ${wrong}`
  const offers = parseExtensions(offer).filter(
    (one) => one.name === DEFLATE && wrongParams(one, false) === undefined
  )
  const misfits = offers.map((one) => misfit(one, given))
  const fitting = misfits.indexOf(undefined)
  if (fitting < 0)
    return `the answer for ${DEFLATE} does not fit the offer: ${misfits[0] ?? 'none of the offers was valid'}`
  const value = (name: string): number =>
    Number(given.params.find(([key]) => key === name)?.[1] ?? LARGEST_BITS)
  const has = (one: Extension, name: string): boolean => one.params.some(([key]) => key === name)
  return {
    serverContext: !has(given, 'server_no_context_takeover'),
    clientContext:
      !has(given, 'client_no_context_takeover') && !has(offers[fitting]!, 'client_no_context_takeover'),
    serverBits: value('server_max_window_bits'),
    clientBits: value('client_max_window_bits')
  }
}

/** Why an answer does not fit an offer, or undefined. */
function misfit(offer: Extension, answer: Extension): string | undefined {
  const offered = new Map(offer.params)
  const given = new Map(answer.params)
  const no = 'server_no_context_takeover'
  if (offered.has(no) && !given.has(no)) return `${no} was offered and is not in the answer`
  // Without the parameter the window is the largest.
  const most = Number(offered.get('server_max_window_bits') ?? LARGEST_BITS)
  const settled = given.get('server_max_window_bits')
  if (Number(settled ?? LARGEST_BITS) > most)
    return settled === undefined
      ? `server_max_window_bits=${most} was offered and is not in the answer`
      : `server_max_window_bits=${settled} is more than the ${most} offered`
  const client = given.get('client_max_window_bits')
  if (client !== undefined) {
    if (!offered.has('client_max_window_bits')) return 'client_max_window_bits was not offered'
    const bound = offered.get('client_max_window_bits')
    if (bound !== undefined && Number(client) > Number(bound))
      return `client_max_window_bits=${client} is more than the ${bound} offered`
  }
  return undefined
}

/** What a flush puts behind each message, and the sender takes off (7.2.1). */
const TAIL = Buffer.from([0, 0, 0xff, 0xff])
/** Longest message that is inflated. */
const LONGEST = 64 << 20
/** So short pieces of output that a reference beyond the window is seen: zlib looks only at what was flushed before. */
const STRICT_CHUNK = 64

/** A short message as a block without compression (7.2.3.3): it costs no compressor. */
export function stored(message: Buffer): Buffer {
  const bytes = Buffer.alloc(message.length + 6)
  bytes.writeUInt16LE(message.length, 1)
  bytes.writeUInt16LE(~message.length & 0xffff, 3)
  message.copy(bytes, 5)
  return bytes
}

/** The compressor and the decompressor of one connection. The context is kept as the last bytes of plain text. */
export class Deflate {
  readonly agreement: Agreement
  #sent: Buffer = Buffer.alloc(0)
  #received: Buffer = Buffer.alloc(0)

  constructor(agreement: Agreement) {
    this.agreement = agreement
  }

  /** @param context refer to the messages before, as far as was agreed */
  compress(message: Buffer, context = true): Buffer {
    const { clientContext, clientBits } = this.agreement
    // Raw deflate has no window of 8 bits; a message without references needs none.
    const alone = !clientContext || !context
    const windowBits = Math.max(9, clientBits)
    const dictionary = alone || this.#sent.length === 0 ? {} : { dictionary: this.#sent }
    const bytes = deflateRawSync(message, {
      windowBits,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(clientBits < 9 ? { level: 0 } : dictionary)
    })
    if (clientContext) this.#sent = tail(this.#sent, message, windowBits)
    return bytes.subarray(0, -TAIL.length)
  }

  /** @throws Error where the bytes are no such stream, or refer beyond the window that was agreed */
  inflate(payload: Buffer): Buffer {
    const { serverContext, serverBits } = this.agreement
    const message = inflateRawSync(Buffer.concat([payload, TAIL]), {
      windowBits: serverBits,
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: LONGEST,
      ...(serverBits < LARGEST_BITS ? { chunkSize: STRICT_CHUNK } : {}),
      ...(serverContext && this.#received.length > 0 ? { dictionary: this.#received } : {})
    })
    if (serverContext) this.#received = tail(this.#received, message, serverBits)
    return message
  }
}

/** The last bytes, as many as a window holds. */
function tail(before: Buffer, message: Buffer, bits: number): Buffer {
  const size = 1 << bits
  return message.length >= size
    ? Buffer.from(message.subarray(-size))
    : Buffer.concat([before, message]).subarray(-size)
}
