/** From what was seen of a script to a verdict: the faults of the case, in their order; the first that holds. Pure. */
import type { HttpResponse } from '../../../../wire/http1.ts'
import {
  FAULTS,
  wrongOf,
  type Fault,
  type Script,
  type StepCase,
  type StepFault
} from '../../../catalogue/http1/steps/index.ts'
import { isSuccess } from '../../../oracles/answers.ts'
import { readEcho } from '../../../oracles/echo.ts'
import type { Scene } from '../scene.ts'
import type { Seen } from './script.ts'

/** Under which name a fault is told. */
const PREDICATE: Readonly<Record<Fault, string>> = {
  foreign: 'I-ADV-ACCEPTED',
  garbage: 'I-ADV-RESPONSE',
  order: 'I-ADV-ORDER',
  raw: 'I-ADV-INJECTED',
  body: 'I-ADV-BODY',
  truncated: 'I-ADV-ACCEPTED',
  used: 'I-ADV-OPEN',
  leftover: 'I-ADV-OPEN',
  accepted: 'I-ADV-ACCEPTED',
  switched: 'I-ADV-ACCEPTED',
  interim: 'I-ADV-INTERIM',
  'late-interim': 'I-ADV-INTERIM',
  'no-interim': 'I-ADV-INTERIM',
  unbounded: 'I-ADV-UNBOUNDED',
  amplified: 'I-ADV-UNBOUNDED',
  memory: 'I-ADV-UNBOUNDED',
  differs: 'I-ADV-SEGMENT',
  others: 'I-ADV-HANG',
  descriptors: 'I-ADV-LEAK',
  growth: 'I-ADV-HANG',
  hang: 'I-ADV-HANG',
  unanswered: 'I-ADV-OPEN',
  refused: 'I-ADV-REFUSED',
  malformed: 'I-ADV-REFUSED',
  '5xx': 'I-ADV-5XX',
  open: 'I-ADV-OPEN'
}
/** Seen in time, and so proof of nothing on a machine that stands still. */
const TIMED: ReadonlySet<Fault> = new Set([
  'no-interim',
  'hang',
  'open',
  'unbounded',
  'growth',
  'others',
  'memory'
])

export interface Wrong {
  kind: 'wrong'
  fault: Fault
  predicate: string
  severity: StepFault['severity']
  title: string
  note: string
  /** Does not depend on time. */
  proof: boolean
}
export type StepVerdict =
  | Wrong
  | { kind: 'right'; how: 'refused' | 'closed' | 'served' | 'waits' }
  | { kind: 'inapplicable' | 'inconclusive'; reason: string }

/** The fault as this case tells it, or undefined where the case does not judge it. */
export function convict(entry: StepCase, fault: Fault, note: string): Wrong | undefined {
  const found = wrongOf(entry).find(({ when }) => when === fault)
  if (found === undefined) return undefined
  const { severity, says } = found
  return {
    kind: 'wrong',
    fault,
    predicate: PREDICATE[fault],
    severity,
    title: says,
    note,
    proof: !TIMED.has(fault)
  }
}

/** Things that stand beside the connection itself. */
export interface Beside {
  /** Told by the same bytes in one piece, or by the twin. */
  whole?: Seen
  /** Growth of the resident set, bytes. */
  grown?: number
}

const FAR = 128 << 20
const AMPLE_BYTES = 1 << 20
const AMPLE_TIMES = 50

export function judgeScript(entry: Script, seen: Seen, scene: Scene, beside: Beside = {}): StepVerdict {
  for (const fault of FAULTS) {
    const note = LOOKS[fault]?.(seen, scene, entry, beside)
    const wrong = note === undefined ? undefined : convict(entry, fault, note)
    if (wrong !== undefined) return wrong
  }
  const { answers, error, complete, end, midway } = seen
  if (answers.some(({ status }) => status === 429 || status === 503))
    return { kind: 'inconclusive', reason: 'the server was busy or limits the rate' }
  if (error !== undefined && error.rule !== 'truncated' && error.rule !== 'after-close')
    return { kind: 'inconclusive', reason: `the answer is no HTTP/1: ${error.message}` }
  const [first] = answers
  if (first === undefined) {
    if (end !== 'open') return { kind: 'right', how: 'closed' }
    if (midway) return { kind: 'inconclusive', reason: 'the first answer never ended' }
    if (complete) return { kind: 'right', how: 'waits' }
    return {
      kind: 'inconclusive',
      reason: `only ${seen.accepted} bytes were taken, and nothing was answered`
    }
  }
  if (!isSuccess(first)) return { kind: 'right', how: 'refused' }
  return complete
    ? { kind: 'right', how: 'served' }
    : { kind: 'inconclusive', reason: 'answered before all bytes were written' }
}

type Look = (seen: Seen, scene: Scene, entry: Script, beside: Beside) => string | undefined

/** 408 says only that the server waited too long for the next request. */
const finals = ({ answers }: Seen): HttpResponse[] =>
  answers.filter(({ status }, i) => i === 0 || status !== 408)
const busy = ({ status }: HttpResponse): boolean => status === 429 || status === 503
const statuses = ({ answers }: Seen): string =>
  answers.length === 0 ? 'no answer' : summary(answers.map(({ status }) => status))
const shortOf = (seen: Seen): boolean => finals(seen).length < seen.due && !finals(seen).some(busy)
/** The answers up to the first refusal, which may end the connection, and the first that announces the close. */
const endedWithNotice = (seen: Seen): boolean =>
  finals(seen).some((answer) => !answer.keepAlive || !isSuccess(answer))

function summary(list: readonly number[]): string {
  const parts: string[] = []
  for (let i = 0; i < list.length;) {
    let n = 1
    while (list[i + n] === list[i]) n += 1
    parts.push(n > 2 ? `${n} x ${list[i]}` : Array.from({ length: n }, () => list[i]).join(', '))
    i += n
  }
  return parts.join(', ')
}

/** Index of the request that each answer tells, as far as answers tell. */
function told({ answers, asked }: Seen): { at: number; index: number; foreign: boolean }[] {
  const at = new Map(asked.map(({ nonce }, index) => [nonce, index]))
  return answers.flatMap(({ body }, i) => {
    const target = readEcho(body)?.target
    const nonce = target === undefined ? undefined : /[?&]n=([0-9a-f]{10})(?:&|$)/.exec(target)?.[1]
    if (nonce === undefined) return []
    return [{ at: i, index: at.get(nonce) ?? -1, foreign: !at.has(nonce) }]
  })
}

/** A body as the handler saw it, where the answer tells it. */
function bodyTold(answer: HttpResponse | undefined, scene: Scene): Buffer | undefined {
  if (answer === undefined || !isSuccess(answer)) return undefined
  if (scene.post?.echo === 'body') return answer.body
  return scene.post?.echo === 'document' ? readEcho(answer.body)?.body : undefined
}

/** What a handler saw in place of the body that was sent; undefined where nothing shows a change. */
export function changedBody({ answers, asked, delivered }: Seen, scene: Scene): string | undefined {
  const first = bodyTold(answers[0], scene)
  if (delivered !== undefined && first !== undefined && !first.equals(delivered))
    return `the handler saw ${first.length} bytes in place of ${delivered.length}`
  for (const [i, { body }] of asked.entries()) {
    const got = body === undefined ? undefined : bodyTold(answers[i], scene)
    if (body !== undefined && got !== undefined && !got.equals(body))
      return `the handler of request ${i + 1} saw ${got.length} bytes in place of ${body.length}`
  }
  return undefined
}

/** How an exchange went, for the comparison of two. */
function signature(seen: Seen, scene: Scene): string {
  const [first] = finals(seen)
  if (first === undefined) return seen.end === 'open' ? 'silence' : 'refused'
  const { status } = first
  if (isSuccess(first)) {
    const echo = readEcho(first.body)
    const body =
      echo?.body.toString('latin1') ?? (scene.post?.echo === 'body' ? first.body.toString('latin1') : '')
    return `served, ${echo?.method ?? ''} body ${JSON.stringify(body.slice(0, 80))}`
  }
  return status >= 400 && status < 500 ? 'refused' : `answered ${status}`
}

const LOOKS: Partial<Record<Fault, Look>> = {
  foreign: (seen) => {
    const { answers, evil, asked, due, exceeded } = seen
    if (answers.some(({ body }) => readEcho(body)?.target.includes(evil) === true))
      return `the answers tell the request that was within a body (${statuses(seen)})`
    if (exceeded) return `answered before any further request was sent: ${statuses(seen)}`
    const most = Math.max(asked.length, due)
    const [extra] = finals(seen).slice(most)
    if (extra === undefined || !isSuccess(extra)) return undefined
    return `${answers.length} answers to ${most} requests: ${statuses(seen)}`
  },
  garbage: ({ error }) =>
    error === undefined || error.rule === 'after-close' || error.rule === 'truncated'
      ? undefined
      : error.message,
  order: (seen) => {
    let last = -1
    for (const { at, index, foreign } of told(seen)) {
      if (foreign) return `answer ${at + 1} tells a request that was not sent on this connection`
      if (index <= last)
        return `answer ${at + 1} belongs to request ${index + 1}, and comes behind that of request ${last + 1}`
      last = index
    }
    return undefined
  },
  body: (seen, scene) => changedBody(seen, scene),
  truncated: ({ answers }, scene) =>
    bodyTold(answers[0], scene) === undefined
      ? undefined
      : `answered ${answers[0]!.status} with the body as far as it came`,
  used: (seen) => {
    const late = finals(seen).slice(seen.due)
    return late.some(isSuccess) ? `answered: ${statuses(seen)}` : undefined
  },
  leftover: (seen) => {
    const [extra] = finals(seen).slice(Math.max(seen.asked.length, seen.due))
    // A server that answers first may still tell what it thinks of the rest.
    return extra === undefined || busy(extra) || seen.early ? undefined : `answered: ${statuses(seen)}`
  },
  accepted: ({ answers }, scene) => {
    const [first] = answers
    if (!isSuccess(first)) return undefined
    return scene.errorsShow || readEcho(first!.body) !== undefined ? `answered ${first!.status}` : undefined
  },
  switched: ({ answers }) => (answers.some(({ status }) => status === 101) ? 'answered 101' : undefined),
  interim: ({ answers, interim }) =>
    interim || answers.some((answer) => answer.interim.length > 0) ? 'an interim answer came' : undefined,
  'late-interim': ({ answers, interim }) =>
    (interim && answers.length > 0) || answers.slice(1).some((answer) => answer.interim.length > 0)
      ? 'an interim answer came behind the first final one'
      : undefined,
  // A server of HTTP/1.0 need not know of expectations.
  'no-interim': ({ noInterim, answers }) =>
    noInterim && answers.every(({ minor }) => minor === 1) ? 'nothing came until the time limit' : undefined,
  unbounded: ({ unbounded, accepted }) => (unbounded ? `${accepted} bytes were taken` : undefined),
  amplified: ({ received }, _scene, _entry, { whole }) =>
    whole !== undefined &&
    received.length > AMPLE_BYTES &&
    received.length > AMPLE_TIMES * whole.received.length
      ? `${received.length} bytes, against ${whole.received.length} for the twin`
      : undefined,
  memory: (_seen, _scene, _entry, { grown }) =>
    grown !== undefined && grown > FAR
      ? `the resident set grew by ${Math.round(grown / 2 ** 20)} MiB`
      : undefined,
  differs: (seen, scene, _entry, { whole }) => {
    if (whole === undefined || [...seen.answers, ...whole.answers].some(busy)) return undefined
    const [one, other] = [signature(whole, scene), signature(seen, scene)]
    // Refused, or waited for more of: both leave a malformed message unserved.
    if ([one, other].every((how) => how === 'refused' || how === 'silence')) return undefined
    return one === other ? undefined : `in one piece: ${one}; in pieces: ${other}`
  },
  hang: (seen) =>
    seen.complete && seen.end === 'open' && seen.waited && shortOf(seen) && !endedWithNotice(seen)
      ? `${finals(seen).length} of ${seen.due} answered, then silence`
      : undefined,
  unanswered: (seen) =>
    seen.complete && seen.end !== 'open' && shortOf(seen) && !endedWithNotice(seen)
      ? `${finals(seen).length} of ${seen.due} answered, then closed (${seen.end})`
      : undefined,
  refused: (seen) => {
    const bad = finals(seen)
      .slice(0, seen.due)
      .find((answer) => !isSuccess(answer) && !busy(answer) && answer.status < 500)
    if (bad !== undefined) return `answered ${bad.status}`
    if (seen.complete && seen.answers.length === 0 && seen.end !== 'open')
      return `closed (${seen.end}) without an answer`
    return undefined
  },
  malformed: ({ answers }) => (answers[0]?.status === 400 ? 'answered 400' : undefined),
  '5xx': ({ answers }) => {
    const bad = answers.find(({ status }) => status >= 500 && ![501, 503, 505].includes(status))
    return bad === undefined ? undefined : `answered ${bad.status}`
  },
  open: ({ end }) => (end === 'open' ? 'the connection stayed open' : undefined)
}
