/** Response count (O5): every answer in a run of bytes, also those that come after an announced close. */
import { parseResponses, type HttpResponse, type ParseError } from '../../wire/http1.ts'

export interface Answers {
  responses: HttpResponse[]
  /** The bytes stop being HTTP/1 here. */
  error?: ParseError
  /** An answer has begun and is not whole. */
  incomplete: boolean
}

/** More answers than any message of ours can have. */
const MOST = 8

/** @param method of the first request; whatever follows it is not HEAD */
export function readAnswers(bytes: Buffer, method: string, closed: boolean): Answers {
  const all: HttpResponse[] = []
  let rest = bytes
  for (;;) {
    const methods = Array.from({ length: MOST }, (_, i) => (i === 0 && all.length === 0 ? method : 'GET'))
    const { responses, error, incomplete } = parseResponses(rest, methods, closed)
    all.push(...responses)
    const used = responses.reduce((sum, response) => sum + sizeOf(response), 0)
    if (error?.rule === 'after-close' && used > 0 && all.length < MOST) {
      rest = rest.subarray(used)
      continue
    }
    return { responses: all, incomplete, ...(error === undefined ? {} : { error }) }
  }
}

function sizeOf(response: HttpResponse): number {
  return response.interim.reduce((sum, one) => sum + one.headBytes, response.headBytes + response.bodyBytes)
}

export function isSuccess(response: HttpResponse | undefined): boolean {
  return response !== undefined && response.status >= 200 && response.status < 300
}
