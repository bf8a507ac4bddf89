/**
 * From what was seen to a verdict, by the class of the case. Pure: the same observation gives the same verdict.
 * A status is not enough: 2xx counts as served, 4xx and 501 or 505 as refused, 404 as neither.
 */
import type { Severity } from '../../../documents/finding.ts'
import type { HttpResponse } from '../../../wire/http1.ts'
import { render, type Conviction, type ProtocolCase, type Values } from '../../catalogue/http1/index.ts'
import { isSuccess } from '../../oracles/answers.ts'
import { fieldValues, readEcho, type Echo } from '../../oracles/echo.ts'
import type { Observation } from '../../oracles/exchange.ts'
import type { EchoKind, Nonces } from './scene.ts'

export type Verdict =
  /** A right answer, and which. */
  | { kind: 'right'; how: 'refused' | 'closed' | 'served' | 'waits' }
  | { kind: 'wrong'; predicate: string; severity: Severity; title: string; proof: boolean; note: string }
  /** Legal or not, nobody can tell from here; said and not judged. */
  | { kind: 'advisory'; text: string }
  | { kind: 'inapplicable'; reason: string }
  | { kind: 'inconclusive'; reason: string }

/** What is known of the place when the verdict is made. */
export interface Ground {
  values: Values
  nonces: Nonces
  /** What the route of the first request tells. */
  echo: EchoKind
  /** Answers to the canary tell their nonce. */
  canaryTells: boolean
  /** Errors do not come with 2xx. */
  errorsShow: boolean
}

/** Which request an answer belongs to. `stray`: to none that we sent. */
export type Owner = 'first' | 'canary' | 'evil' | 'follow' | 'stray'

/** Refused for what the message is. 404 and 405 say that it was routed; 401, 403, 407 and 429 are about the client. */
function isRefusal(status: number): boolean {
  if (status === 501 || status === 505) return true
  return status >= 400 && status < 500 && ![401, 404, 405, 407, 429].includes(status)
}

/** Says nothing of the message: the server waited too long for the next request, or is busy. */
const isNoise = (status: number): boolean => status === 408 || status === 429 || status === 503

/** Assigns each answer to a request: by its nonce where answers tell it, else by count and order. */
export function ownersOf(seen: Observation, entry: ProtocolCase, ground: Ground): Owner[] {
  const { nonces, canaryTells } = ground
  const hasCanary = entry.sends.includes('{CAN}')
  const hasEvil = entry.sends.includes('EVIL}')
  const told = (response: HttpResponse): Owner | undefined => {
    const target = readEcho(response.body)?.target ?? ''
    if (target.includes(nonces.evil)) return 'evil'
    if (target.includes(nonces.canary)) return 'canary'
    return target.includes(nonces.follow) ? 'follow' : undefined
  }
  const owners: Owner[] = seen.responses.map((response, i) => {
    if (canaryTells) return told(response) ?? (i === 0 ? 'first' : 'stray')
    return i === 0 ? 'first' : 'stray'
  })
  if (canaryTells) return owners
  const served = seen.responses.flatMap((response, i) => (i > 0 && isSuccess(response) ? [i] : []))
  const last = served.at(-1)
  if (seen.followUp === 'sent' && last !== undefined && last >= seen.beforeFollowUp) {
    owners[last] = 'follow'
    served.pop()
  }
  if (hasCanary && served.length > 0) owners[served.pop()!] = 'canary'
  if (hasEvil) for (const i of served) owners[i] = 'evil'
  return owners
}

const wrong = (by: Conviction, proof: boolean, note: string): Verdict => ({
  kind: 'wrong',
  predicate: by.predicate ?? 'I-ADV-ACCEPTED',
  severity: by.severity,
  title: by.says,
  proof,
  note
})

/** The verdict over one exchange; its twin was served just before. */
export function judge(entry: ProtocolCase, seen: Observation, ground: Ground): Verdict {
  const first = seen.responses[0]
  if (seen.early && first !== undefined && isSuccess(first)) {
    return { kind: 'inconclusive', reason: 'answered before all bytes were written' }
  }
  if (first === undefined) return judgeNoAnswer(entry, seen)
  const owners = ownersOf(seen, entry, ground)
  const extra = judgeExtra(entry, seen, owners)
  if (extra !== undefined) return extra
  if (
    owners.some(
      (owner, i) =>
        owner === 'stray' && isNoise(seen.responses[i]!.status) && seen.responses[i]!.status !== 408
    )
  ) {
    return { kind: 'inconclusive', reason: 'the server was busy or limits the rate' }
  }
  if (entry.judge.anyStatus === true) return { kind: 'right', how: isSuccess(first) ? 'served' : 'refused' }
  if (isSuccess(first)) return judgeServed(entry, seen, owners, ground, first)
  return judgeRefused(entry, seen, owners, first)
}

function judgeNoAnswer(entry: ProtocolCase, seen: Observation): Verdict {
  const { judge: rule } = entry
  if (seen.unblocked && rule.unblock !== undefined)
    return wrong(rule.unblock, true, 'answered only after more bytes')
  if (seen.error !== undefined)
    return { kind: 'inconclusive', reason: `the answer is no HTTP/1: ${seen.error.message}` }
  if (seen.incomplete) return { kind: 'inconclusive', reason: 'the first answer never ended' }
  if (seen.end !== 'open') {
    if (rule.accepted !== 'must') return { kind: 'right', how: 'closed' }
    return refusedValid(entry, `closed (${seen.end}) without an answer`)
  }
  if (!seen.complete)
    return {
      kind: 'inconclusive',
      reason: `only ${seen.accepted} bytes were taken, and nothing was answered`
    }
  if (rule.silence === 'allowed') return { kind: 'right', how: 'waits' }
  const says = `${entry.title}: neither answered nor closed until the time limit, while the valid twin is answered`
  return wrong({ severity: 'LOW', predicate: 'I-ADV-HANG', says }, false, 'silence')
}

function refusedValid(entry: ProtocolCase, note: string): Verdict {
  const says = entry.judge.refused ?? `${entry.title}: a valid message was refused`
  return wrong(
    { severity: entry.strength === 'MUST' ? 'MED' : 'LOW', predicate: 'I-ADV-REFUSED', says },
    true,
    note
  )
}

/** Answers beyond the first: to a request within a body, behind the message, or to leftover bytes. */
function judgeExtra(entry: ProtocolCase, seen: Observation, owners: readonly Owner[]): Verdict | undefined {
  const { foreign, canary } = entry.judge
  const first = seen.responses[0]!
  if (owners.includes('evil')) return wrong(foreign, true, 'a request within the message was answered')
  if (owners.includes('canary') && canary !== undefined && canary !== 'allowed') {
    return wrong(canary, true, 'the request behind the message was answered')
  }
  const stray = owners.findIndex((owner, i) => owner === 'stray' && !isNoise(seen.responses[i]!.status))
  if (stray < 0) return undefined
  const note = `an answer ${seen.responses[stray]!.status} that no request of ours asked for`
  if (isSuccess(first) || (entry.judge.anyStatus === true && !isRefusal(seen.responses[0]!.status)))
    return wrong(foreign, true, note)
  const says = `${entry.title}: after the refusal the rest of the message was read as a request`
  return wrong({ severity: 'MED', predicate: 'I-ADV-OPEN', says }, true, note)
}

function judgeServed(
  entry: ProtocolCase,
  seen: Observation,
  owners: readonly Owner[],
  ground: Ground,
  first: HttpResponse
): Verdict {
  const { judge: rule } = entry
  const echo = echoOfFirst(first, ground)
  for (const read of rule.reads ?? []) {
    if (echo?.body.toString('latin1') === render(read.body, ground.values))
      return wrong(read, true, 'the echo shows the body')
  }
  for (const field of ground.echo === 'document' ? (rule.fields ?? []) : []) {
    if (echo !== undefined && fieldValues(echo, field.name).some((value) => value.includes(field.has))) {
      return wrong(field, true, `the echo shows it in ${field.name}`)
    }
  }
  // Error pages that come with 200 look like service; an echo route that did not run tells them apart.
  const ran = ground.echo === 'document' && echo !== undefined
  const sure = ran || ground.errorsShow
  const { accepted } = rule
  if (accepted === 'must') {
    const text = `answered ${first.status}, and errors come with 2xx here`
    if (!sure)
      return ground.echo === 'document' ? refusedValid(entry, text) : { kind: 'inconclusive', reason: text }
    if (ground.echo === 'document' && !ran) {
      return {
        kind: 'advisory',
        text: `${entry.title}: answered ${first.status}, and not by the route that it names`
      }
    }
    const wanted = entry.delivers === undefined ? undefined : render(entry.delivers, ground.values)
    if (wanted !== undefined && echo !== undefined && echo.body.toString('latin1') !== wanted) {
      return refusedValid(entry, 'the echo shows another body')
    }
    return judgeClose(entry, seen, owners) ?? { kind: 'right', how: 'served' }
  }
  if (!sure && ground.echo === 'document') {
    return judgeClose(entry, seen, owners, true) ?? { kind: 'right', how: 'refused' }
  }
  if (!sure) {
    return { kind: 'inconclusive', reason: 'answered with 2xx, and on this server errors come with 2xx too' }
  }
  if (accepted === 'sanitised') return judgeSanitised(entry, echo, ground)
  if (accepted === 'advisory')
    return {
      kind: 'advisory',
      text: `${entry.title}: answered ${first.status}, and nothing shows how it was read`
    }
  if (accepted === 'allowed') return judgeClose(entry, seen, owners) ?? { kind: 'right', how: 'served' }
  return wrong(accepted, true, `answered ${first.status}`)
}

function echoOfFirst(first: HttpResponse, { echo, nonces }: Ground): Echo | undefined {
  if (echo === 'none') return undefined
  if (echo === 'body') return { method: '', target: '', headers: [], body: first.body }
  const told = readEcho(first.body)
  return told !== undefined && !told.target.includes(nonces.evil) ? told : undefined
}

function judgeSanitised(entry: ProtocolCase, echo: Echo | undefined, ground: Ground): Verdict {
  const { sanitised } = entry.judge
  if (ground.echo !== 'document' || echo === undefined || sanitised === undefined) {
    return {
      kind: 'inapplicable',
      reason: 'served, which is legal when it was repaired; no echo route shows the fields'
    }
  }
  const values = fieldValues(echo, sanitised.name)
  if (values.some((value) => value.trim() === sanitised.value)) return { kind: 'right', how: 'served' }
  return { kind: 'advisory', text: `${entry.title}: served, and the handler saw ${JSON.stringify(values)}` }
}

function judgeRefused(
  entry: ProtocolCase,
  seen: Observation,
  owners: readonly Owner[],
  first: HttpResponse
): Verdict {
  const { status } = first
  if (status === 429 || status === 503)
    return { kind: 'inconclusive', reason: `answered ${status}: busy, or the rate is limited` }
  if (entry.judge.accepted === 'must') return refusedValid(entry, `answered ${status}`)
  if (status >= 500 && !isRefusal(status)) {
    const says = `${entry.title}: answered ${status}, as if the fault were the server's`
    return wrong({ severity: 'LOW', predicate: 'I-ADV-5XX', says }, true, `answered ${status}`)
  }
  if (!isRefusal(status))
    return {
      kind: 'inconclusive',
      reason: `answered ${status}, which tells neither that it was refused nor served`
    }
  return judgeClose(entry, seen, owners) ?? { kind: 'right', how: 'refused' }
}

/** Close proof: the connection must have ended, and a second request must not have been answered. */
function judgeClose(
  entry: ProtocolCase,
  seen: Observation,
  owners: readonly Owner[],
  refused = !isSuccess(seen.responses[0])
): Verdict | undefined {
  const { close } = entry.judge
  if (close === 'no' || (close === 'rejected' && !refused)) return undefined
  // A close that came only after the next request had been served is no close.
  const used = owners.includes('follow')
  if (seen.end !== 'open' && !used) return undefined
  const what = used ? 'served the next request on' : 'neither closed nor used'
  const says = `${entry.title}: the server ${what} a connection that it must close`
  return wrong(
    { severity: used && !refused ? 'MED' : 'LOW', predicate: 'I-ADV-OPEN', says },
    used,
    'the connection stayed open'
  )
}
