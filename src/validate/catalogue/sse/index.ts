/** SSE cases (WHATWG HTML 9.2, RFC 9112) as data: where a client dies, and how. */

/** Moments in the life of a subscription at which the client goes. */
export const SSE_STAGES = [
  { id: 'half-request', title: 'in the middle of the request head' },
  { id: 'before-head', title: 'right after the request, before the response head' },
  { id: 'after-head', title: 'after the response head, before an event' },
  { id: 'in-event', title: 'in the middle of an event' },
  { id: 'between-events', title: 'between two events' },
  { id: 'unread', title: 'with events unread' }
] as const
export type SseStage = (typeof SSE_STAGES)[number]['id']

/** Ways to go: RST (SO_LINGER 0), FIN, or no reading any more with the connection left open. */
export const SSE_WAYS = [
  { id: 'rst', title: 'RST' },
  { id: 'fin', title: 'FIN' },
  { id: 'stop', title: 'no more reading' }
] as const
export type SseWay = (typeof SSE_WAYS)[number]['id']

/** Clients per kill case, per crowd, and per batch of the leak oracle. */
export const SSE_NUMBERS = { clients: 3, crowd: 30, slow: 8, batch: 10, events: 4, resumes: 4 } as const

export const SSE_WIRE_CASES = [
  { id: 'subscribe', standard: 'WHATWG HTML 9.2.5' },
  { id: 'framing', standard: 'RFC 9112 7.1' },
  { id: 'utf8', standard: 'WHATWG HTML 9.2.5' },
  { id: 'retry', standard: 'WHATWG HTML 9.2.6' },
  { id: 'ids', standard: 'WHATWG HTML 9.2.6' },
  { id: 'stays-open', standard: 'WHATWG HTML 9.2' },
  { id: 'head', standard: 'RFC 9110 9.3.2' }
] as const

export const SSE_RESUME_CASES = [
  { id: 'resume-gapless', standard: 'WHATWG HTML 9.2.4' },
  { id: 'resume-unknown-id', standard: 'WHATWG HTML 9.2.4' }
] as const
