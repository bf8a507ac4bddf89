/** What passes between a walker and whoever judges it. */
import type { HttpResponse, ParseError } from '../../../wire/http1.ts'
import type { Step } from './model.ts'
import type { Answer } from './session.ts'
import type { Walker } from './walker.ts'

export interface Exchange {
  step: Step
  token: string
  /** Request as latin1 text. */
  sent: string
  /** `performance.now()` */
  at: number
  /** Number of the request within its session. */
  seq: string
  /** In flight with others before it. */
  pipelined: boolean
  retried: boolean
  /** How often it was told that the answer is overdue. */
  overdue: number
}

/** What a walker tells of; the judge decides what it means. */
export interface WalkerEvents {
  /** @param at when its last bytes came, `performance.now()` */
  answered(walker: Walker, exchange: Exchange, answer: Answer, at: number): void
  /** An answer breaks the framing rules; without an exchange it is bytes behind the answer to the step before. */
  malformed(walker: Walker, exchange: Exchange | undefined, before: Step | undefined, error: ParseError): void
  /** The connection ended with requests unanswered. */
  lost(walker: Walker, exchange: Exchange, how: string): void
  refused(walker: Walker, code: string): void
  /** Requests that we gave up ourselves, behind a malformed answer. */
  abandoned(count: number): void
  sent(count: number): void
  /** Sent again on a new connection. @param dropped the last answer of a connection that the server closed under them without notice */
  retried(walker: Walker, count: number, dropped?: HttpResponse): void
  /** How the server left a connection after this answer: `open` where it did not, though there was time since `begun`. */
  left(response: HttpResponse, sent: string, how: 'closed' | 'open', begun: number): void
  loggedIn(again: boolean): void
  loggedOut(): void
}
