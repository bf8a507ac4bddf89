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
const isNoise = (status: number): boolean => status === 408 || isBusy(status)
/** The server turns clients away for a while. */
export const isBusy = (status: number): boolean => status === 429 || status === 503

/** Assigns each answer to a request: by its nonce where answers tell it, else by count and order. */
export function ownersOf(seen: Observation, entry: ProtocolCase, ground: Ground): Owner[] {
  const { nonces, canaryTells } = ground
  const hasCanary = entry.sends.includes('{CAN}')
  const hasEvil = entry.sends.includes('EVIL}')
  const told = (response: HttpResponse): Owner | undefined => {
    const target = readEcho(response.body)?.target ?? ''
    if (target.includes(nonces.evil)) return 'evil'
    if (target.includes(nonces.canary)) return 'canary'
    if (target.includes(nonces.follow)) return 'follow'
    return target.includes(nonces.own) ? 'first' : undefined
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
  const { unblock } = entry.judge
  if (seen.unblocked && unblock !== undefined) return wrong(unblock, true, 'answered only after more bytes')
  const first = seen.responses[0]
  if (first === undefined) return judgeNoAnswer(entry, seen)
  const owners = ownersOf(seen, entry, ground)
  if (seen.early && isSuccess(first)) {
    // Whenever it was given: an answer to a request that stands within a body, all of which was sent, proves itself.
    if (seen.complete && ground.canaryTells && owners.includes('evil'))
      return judgeExtra(entry, seen, owners)!
    return { kind: 'inconclusive', reason: 'answered before all bytes were written' }
  }
  const extra = judgeExtra(entry, seen, owners)
  if (extra !== undefined) return extra
  if (isBusy(first.status)) {
    return { kind: 'inconclusive', reason: `answered ${first.status}: busy, or the rate is limited` }
  }
  if (owners.some((owner, i) => owner === 'stray' && isBusy(seen.responses[i]!.status))) {
    return { kind: 'inconclusive', reason: 'the server was busy or limits the rate' }
  }
  if (entry.judge.anyStatus === true) return { kind: 'right', how: isSuccess(first) ? 'served' : 'refused' }
  if (isSuccess(first)) return judgeServed(entry, seen, owners, ground, first)
  return judgeRefused(entry, seen, owners, first)
}

function judgeNoAnswer(entry: ProtocolCase, seen: Observation): Verdict {
  const { judge: rule } = entry
  if (seen.error !== undefined || seen.incomplete) {
    // To a request of HTTP/0.9 the answer is the bare content, and to CONNECT a tunnel.
    if (entry.class === 'MAY') return { kind: 'right', how: 'served' }
    const text =
      seen.error === undefined
        ? 'the first answer never ended'
        : `the answer is no HTTP/1: ${seen.error.message}`
    if (entry.class === 'SHD') return { kind: 'advisory', text: `${entry.title}: ${text}` }
    return { kind: 'inconclusive', reason: text }
  }
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
  const second = owners.indexOf('canary')
  if (second >= 0 && (owners.indexOf('first') > second || (canary === 'must' && second === 0))) {
    const says = `${entry.title}: the answers came in another order than the requests`
    return wrong(
      { severity: 'HIGH', predicate: 'I-ADV-ORDER', says },
      true,
      'the second request was answered first'
    )
  }
  if (owners.includes('evil')) return wrong(foreign, true, 'a request within the message was answered')
  if (owners.includes('canary') && typeof canary === 'object') {
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
  const shown = echo === undefined ? undefined : judgeEcho(entry, echo, ground)
  if (shown !== undefined) return shown
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
      const says = `${entry.title}: served, and the handler saw another body`
      const told = `${echo.body.length} bytes in place of ${wanted.length}, or others`
      return wrong({ severity: 'HIGH', predicate: 'I-ADV-BODY', says }, true, told)
    }
    if (rule.canary === 'must' && !owners.includes('canary') && first.keepAlive)
      return refusedValid(entry, 'the first answer announces no close, and no second one came')
    return judgeClose(entry, seen, owners) ?? { kind: 'right', how: 'served' }
  }
  if (!sure && ground.echo === 'document') {
    return judgeClose(entry, seen, owners, true) ?? { kind: 'right', how: 'refused' }
  }
  if (!sure) {
    return { kind: 'inconclusive', reason: 'answered with 2xx, and on this server errors come with 2xx too' }
  }
  if (accepted === 'sanitised') return judgeSanitised(entry, echo, ground)
  if (accepted === 'advisory') {
    const told = entry.class === 'SHD' ? 'which it should refuse' : 'and nothing shows how it was read'
    return { kind: 'advisory', text: `${entry.title}: answered ${first.status}, ${told}` }
  }
  if (accepted === 'allowed') return judgeClose(entry, seen, owners) ?? { kind: 'right', how: 'served' }
  return wrong(accepted, true, `answered ${first.status}`)
}

/** What the handler saw and must not have seen. */
function judgeEcho(entry: ProtocolCase, echo: Echo, ground: Ground): Verdict | undefined {
  const { judge: rule, delivers } = entry
  const body = echo.body.toString('latin1')
  const read = rule.reads?.find((one) => body === render(one.body, ground.values))
  if (read !== undefined) return wrong(read, true, 'the echo shows the body')
  if (ground.echo !== 'document') return undefined
  const field = rule.fields?.find(({ name, has }) =>
    fieldValues(echo, name).some((value) => value.includes(has))
  )
  if (field !== undefined) return wrong(field, true, `the echo shows it in ${field.name}`)
  const name = rule.names?.find(({ has }) => echo.headers.some(([key]) => key.includes(has)))
  if (name !== undefined) return wrong(name, true, 'the echo shows it in a field name')
  const target = rule.target?.find(({ has }) => echo.target.includes(has))
  if (target !== undefined) return wrong(target, true, 'the echo shows it in the target')
  if (rule.misread !== undefined && delivers !== undefined && body !== render(delivers, ground.values))
    return wrong(rule.misread, true, `the echo shows a body of ${body.length} bytes`)
  return undefined
}

function echoOfFirst(first: HttpResponse, { echo, nonces }: Ground): Echo | undefined {
  if (echo === 'none') return undefined
  if (echo === 'body') return { method: '', target: '', headers: [], body: first.body, coded: '' }
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
  const { name, value: repaired } = sanitised
  // As many spaces as it likes may stand for what was replaced.
  const legal =
    repaired === undefined
      ? values.length === 0
      : values.some((value) => value.trim().replaceAll(/ +/g, ' ') === repaired)
  if (legal) return { kind: 'right', how: 'served' }
  const what = values.length === 0 ? `no ${name}` : `${name} as ${values.map(shown).join(' and ')}`
  const due = repaired === undefined ? 'leaving it out' : `handing over ${shown(repaired)}`
  const says = `${entry.title}: the handler saw ${what}, and refusing it or ${due} is right`
  return wrong({ severity: 'MED', says }, true, 'the echo shows it changed in another way')
}

const shown = (value: string): string => JSON.stringify(value.slice(0, 60))

function judgeRefused(
  entry: ProtocolCase,
  seen: Observation,
  owners: readonly Owner[],
  first: HttpResponse
): Verdict {
  const { status } = first
  const { accepted, error5xx } = entry.judge
  if (accepted === 'must') return refusedValid(entry, `answered ${status}`)
  if (status >= 500 && !isRefusal(status) && error5xx !== 'allowed') {
    const says = `${entry.title}: answered ${status}, as if the fault were the server's`
    return wrong(error5xx ?? { severity: 'LOW', predicate: 'I-ADV-5XX', says }, true, `answered ${status}`)
  }
  // Where service is no fault, an answer that is neither service nor refusal (a redirect, a 404) is none either.
  const free = accepted === 'allowed' || entry.class === 'SHD'
  if (!isRefusal(status) && !free)
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
