/** Conditional requests over strong entity tags (RFC 9110 section 13). */
import { type Exchange, type Fields, HttpError } from './exchange.ts'

/** A stored representation: JSON text and its strong entity tag. */
export interface Representation {
  body: string
  etag: string
}

function lists(field: string, etag: string, weak: boolean): boolean {
  if (field.trim() === '*') return true
  for (const match of field.matchAll(/(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g)) {
    if (match[2] === etag && (weak || match[1] === undefined)) return true
  }
  return false
}

/**
 * Checks If-Match and If-None-Match before a change of an existing resource.
 * @throws HttpError 412
 */
export function requireUnchanged(exchange: Exchange, current: Representation): void {
  const match = exchange.header('if-match')
  if (match !== undefined && !lists(match, current.etag, false)) {
    throw new HttpError(412, 'the entity tag has changed', { etag: current.etag })
  }
  const noneMatch = exchange.header('if-none-match')
  if (noneMatch !== undefined && lists(noneMatch, current.etag, true)) {
    throw new HttpError(412, 'the resource exists', { etag: current.etag })
  }
}

/** Answers a GET or HEAD with the representation, or 304 or 412 as its preconditions say. */
export function respondRepresentation(
  exchange: Exchange,
  current: Representation,
  cacheControl = 'private, no-cache'
): void {
  const match = exchange.header('if-match')
  if (match !== undefined && !lists(match, current.etag, false)) {
    throw new HttpError(412, 'the entity tag has changed', { etag: current.etag })
  }
  const fields: Fields = { etag: current.etag, 'cache-control': cacheControl }
  const noneMatch = exchange.header('if-none-match')
  if (noneMatch !== undefined && lists(noneMatch, current.etag, true)) exchange.respond(304, fields)
  else exchange.respond(200, { 'content-type': 'application/json', ...fields }, current.body)
}
