/** One request and its answer as the application sees them, whatever the protocol. */
import type { Readable } from 'node:stream'
import { limits } from './limits.ts'

export type Fields = Record<string, string>

/** A live answer that is written piece by piece. */
export interface Outlet {
  write(text: string): void
  /** Bytes accepted by `write` that the peer has not taken yet. */
  readonly backlog: number
  end(): void
  /** Drops the connection or stream without a proper end. */
  destroy(): void
  /** Called once, as soon as the peer is gone or the answer has ended. */
  onClose(listener: () => void): void
}

export interface Exchange {
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2.0'
  readonly method: string
  /** Request target as received: origin form, absolute form or `*`. */
  readonly target: string
  /** Header fields in the order received, without pseudo-header fields. */
  readonly fields: readonly (readonly [string, string])[]
  /** Value of a field by lower-case name, several lines combined by a comma. */
  header(name: string): string | undefined
  /** Content-Length, where one was sent. */
  readonly declaredLength: number | undefined
  /**
   * Reads the whole request body.
   * @throws HttpError 413 past `limit` bytes, 400 when its framing is broken; PeerGone when the peer left
   */
  consume(limit: number, sink: (chunk: Buffer) => void): Promise<void>
  /** Sends the whole answer; later calls do nothing. The body of an answer to HEAD is left out. */
  respond(status: number, fields: Fields, body?: string | Buffer): void
  /**
   * Begins a live answer.
   * @throws PeerGone
   */
  open(status: number, fields: Fields): Outlet
  readonly answered: boolean
}

/** An answer that is decided by throwing: status, a sentence, and fields beside it. */
export class HttpError extends Error {
  override name = 'HttpError'
  readonly status: number
  readonly fields: Fields

  constructor(status: number, message: string, fields: Fields = {}) {
    super(message)
    this.status = status
    this.fields = fields
  }
}

/** The peer left before its request was complete; there is nobody to answer. */
export class PeerGone extends Error {
  override name = 'PeerGone'
}

/** Reads a stream to its end, within `limit`; `fail` of the result breaks the reading off. */
export function drain(
  source: Readable,
  limit: number,
  sink: (chunk: Buffer) => void
): { done: Promise<void>; fail: (reason: Error) => void } {
  let fail: (reason: Error) => void = () => undefined
  const done = new Promise<void>((resolve, reject) => {
    let size = 0
    const settle = (finish: () => void): void => {
      source.off('data', onData)
      source.off('end', onEnd)
      source.off('close', onGone)
      source.off('aborted', onGone)
      finish()
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size > limit)
        return settle(() => reject(new HttpError(413, `the body is limited to ${limit} bytes`)))
      sink(chunk)
    }
    const onEnd = (): void => settle(resolve)
    const onGone = (): void => settle(() => reject(new PeerGone('the peer left within the body')))
    fail = (reason) => settle(() => reject(reason))
    source.on('data', onData)
    source.on('end', onEnd)
    source.on('close', onGone)
    source.on('aborted', onGone)
    if (source.readableEnded) onEnd()
    else if (source.destroyed) onGone()
  })
  return { done, fail }
}

/** The body as one buffer. */
export async function readBody(exchange: Exchange, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  await exchange.consume(limit, (chunk) => chunks.push(chunk))
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * The body as a JSON object (RFC 8259).
 * @throws HttpError 415 without `application/json`, 413 past the limit, 400 when it is no JSON object in UTF-8
 */
export async function readJsonObject(exchange: Exchange): Promise<Record<string, unknown>> {
  const type = exchange.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    throw new HttpError(415, 'the body must be application/json', { accept: 'application/json' })
  }
  const body = await readBody(exchange, limits.jsonBytes)
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(body))
  } catch {
    throw new HttpError(400, 'the body is not JSON in UTF-8')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HttpError(400, 'the body must be a JSON object')
  }
  return value as Record<string, unknown>
}

/** Answers with a JSON document. */
export function respondJson(exchange: Exchange, status: number, value: unknown, fields: Fields = {}): void {
  exchange.respond(
    status,
    { 'content-type': 'application/json', 'cache-control': 'no-store', ...fields },
    JSON.stringify(value)
  )
}
