/** What the validators of HTTP promise, looked at in every answer without a word in the model (RFC 9110 8.8, 13.1.2). */
import type { HttpResponse } from '../../../wire/http1.ts'

export interface Breach {
  title: string
  standard: string
  evidence: Record<string, string>
}

const MOST_KEPT = 64
const IF_NONE_MATCH = /\r\nif-none-match:[ \t]*([^\r]*)\r\n/i

/** The strong ETags of what one walker has read, by path. */
export class Validators {
  readonly #seen = new Map<string, { etag: string; body: Buffer }>()

  /**
   * @param sent the request as latin1 text
   * @returns what is broken, or undefined
   */
  look(sent: string, response: HttpResponse): Breach | undefined {
    if (response.status === 304) return notModified(sent, response)
    if (response.status !== 200 || response.method !== 'GET') return undefined
    const etag = response.header('etag')
    if (etag === undefined || !etag.startsWith('"')) return undefined
    const path = sent.slice(4, sent.indexOf(' ', 4))
    const known = this.#seen.get(path)
    if (known?.etag === etag && response.header('content-encoding') === undefined) {
      if (known.body.equals(response.body)) return undefined
      known.body = Buffer.from(response.body)
      return {
        title: 'two answers with the same strong ETag have different bodies',
        standard: 'RFC 9110 8.8.1',
        evidence: { source: 'header.etag', etag: etag.slice(0, 100) }
      }
    }
    if (known === undefined && this.#seen.size >= MOST_KEPT) this.#seen.clear()
    if (response.header('content-encoding') === undefined)
      this.#seen.set(path, { etag, body: Buffer.from(response.body) })
    return undefined
  }
}

/** A 304 says that the client's copy is the current one; its own ETag must then be among those that were sent. */
function notModified(sent: string, response: HttpResponse): Breach | undefined {
  const asked = IF_NONE_MATCH.exec(sent)?.[1]
  const current = response.header('etag')
  if (asked === undefined || current === undefined || asked.trim() === '*') return undefined
  const weak = (tag: string): string => tag.trim().replace(/^W\//, '')
  if (asked.split(',').some((tag) => weak(tag) === weak(current))) return undefined
  return {
    title: 'a 304 names another ETag than the client asked with: the client keeps what has changed',
    standard: 'RFC 9110 13.1.2',
    evidence: { source: 'header.etag', asked: asked.slice(0, 100), current: current.slice(0, 100) }
  }
}
