/** Runs trials in parallel lanes, each between its twins, and repeats alone whatever went wrong before it is believed. */
import { recorded } from '../../../wire/recording.ts'
import type { Bench } from './bench.ts'
import { wait } from './bench.ts'
import { inLanes } from './lanes.ts'
import { coreFirst, tooLate } from './pass.ts'
import {
  bytesOf,
  inconclusive,
  isProof,
  passing,
  shotOf,
  twinOf,
  type Breach,
  type Shot,
  type Trial
} from './trial.ts'

/** Tries of a suspected breach; a rate below `BELIEVED` of `MOST_TRIES` is said and not believed. */
const TRIES = 3
const MOST_TRIES = 5
const BELIEVED = 3
/** How long a server that stopped answering is waited for, ms. */
const RECOVERY_MS = 8000
/** The same while cases beside it are on their way, which may hold what others need, ms. */
const BUSY_RECOVERY_MS = 16_000
const POLL_MS = 200
const RECHECK_LANES = 4
/** Longest time spent on suspects that must be tried alone, ms. */
const ALONE_MS = 20_000
/** A twin that is turned away like this tells of limits, not of a fault. */
const LIMITED = /\b(429|503)\b/

type Seen =
  | { kind: 'shot'; shot: Shot }
  /** The server stopped answering others; `since` is `performance.now()` of the first that was not served. */
  | { kind: 'outage'; what: string; shot: Shot; since: number }
  | { kind: 'twin'; what: string }

/** One try of a case and when it began, `performance.now()`. */
interface Try {
  trial: Trial
  from: number
  shot?: Shot
  state: 'shooting' | 'asking' | 'outage'
}

interface Suspect {
  trial: Trial
  seen: Seen
}

interface Outage {
  trial: Trial
  seen: Seen & { kind: 'outage' }
}

export class Conductor {
  readonly #bench: Bench
  /** Tries on their way, and those after which others were not served; of all others nothing is kept. */
  readonly #tries = new Set<Try>()
  /** Cases with a finding already; later rounds leave them out. */
  readonly #told = new Set<string>()
  /** Groups whose twin succeeded before: refused later, its cases are inconclusive, for they could be judged. */
  readonly #served: Set<string>
  #lost: string | undefined
  /** The outage that lasts, and whether the server or only the route serves nobody. */
  #gone: { suspect: Outage; whole: boolean } | undefined
  /** A look whether an outage lasts; no case is begun until it has ended. */
  #look: Promise<void> | undefined

  /** @param proven groups whose twin has succeeded already */
  constructor(bench: Bench, proven: Iterable<string> = []) {
    this.#bench = bench
    this.#served = new Set(proven)
  }

  /** The process has ended, or answers nobody any more. */
  get lost(): boolean {
    return this.#lost !== undefined
  }

  /** Runs all trials once, then the suspects again and alone. */
  async run(trials: readonly Trial[], lanes: number): Promise<void> {
    const { context } = this.#bench
    const { ledger } = context
    for (const trial of trials) ledger.plan(trial.id, trial.group)
    const suspects: Suspect[] = []
    await inLanes(
      coreFirst(
        context,
        trials.filter(({ id }) => !this.#told.has(id))
      ),
      lanes,
      async (trial) => {
        await this.#look
        if (tooLate(context, trial.id)) return ledger.leaveOut(trial.id)
        if (this.#bench.aborted || this.lost) return ledger.inconclusive(trial.id, this.#why())
        const seen = await this.#once(trial)
        if (this.#settle(trial, seen)) return
        suspects.push({ trial, seen })
        if (seen.kind === 'outage') await this.#watch({ trial, seen })
      }
    )
    this.#tellLost()
    // What touches others first and one at a time: beside it nothing else can be judged.
    const end = performance.now() + ALONE_MS
    for (const suspect of suspects.filter(touchesOthers)) {
      const { trial, seen } = suspect
      if (performance.now() > end) ledger.inconclusive(trial.id, `not tried again: ${told(seen)}`)
      else if (seen.kind === 'outage') await this.#recheckOutage(suspect)
      else await this.#recheck(suspect)
    }
    const others = suspects.filter((suspect) => !touchesOthers(suspect))
    await inLanes(others, RECHECK_LANES, (suspect) => this.#recheck(suspect))
  }

  #why(): string {
    return this.#lost ?? 'stopped before it was reached'
  }

  /** One try between its twins, with an elder connection across it. */
  async #once(trial: Trial): Promise<Seen> {
    const bench = this.#bench
    const since = performance.now()
    const { value: before, wire } = await recorded(async () => (await twinOf(trial)) && (await twinOf(trial)))
    if (before) return { kind: 'twin', what: this.#lost ?? before }
    this.#served.add(trial.group)
    const elder = await bench.elder().catch(passing)
    const one: Try = { trial, from: performance.now(), state: 'shooting' }
    bench.context.began?.(trial.id)
    this.#tries.add(one)
    const shot = await shotOf(trial, wire)
    one.shot = shot
    one.state = 'asking'
    const asked = performance.now()
    const [old, fresh] = await Promise.all([elder?.ask() ?? 'closed', this.#fresh(trial)])
    elder?.close()
    if (fresh === undefined) this.#tries.delete(one)
    else one.state = 'outage'
    if (this.lost && !isProof(shot))
      return { kind: 'shot', shot: { ...shot, verdict: inconclusive(this.#why()) } }
    if (bench.stalled(since) && !isProof(shot)) {
      if (shot.verdict.kind === 'kept') return { kind: 'shot', shot }
      const verdict = inconclusive('this machine was too busy to keep the time')
      return { kind: 'shot', shot: { ...shot, verdict } }
    }
    const outage = (what: string): Seen => ({ kind: 'outage', what, shot, since: asked })
    if (fresh !== undefined) return outage(`a fresh connection: ${fresh}`)
    if (typeof old === 'object') return outage(`a connection opened before: ${old.wrong}`)
    return { kind: 'shot', shot }
  }

  /** After the case: twin and control, on fresh connections. */
  async #fresh(trial: Trial): Promise<string | undefined> {
    let seen: string | undefined
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (this.#bench.ended() !== undefined) return `the process has ended (${this.#bench.ended()!})`
      seen = (await this.#bench.control()) ?? (await twinOf(trial))
      if (seen === undefined || this.#bench.aborted) return undefined
      if (this.lost) break
    }
    return seen
  }

  /** Does an outage last? The look is shared; where it lasts, whoever waits for the server is woken. */
  #watch(suspect: Outage): Promise<void> {
    this.#look ??= this.#lasts(suspect).finally(() => (this.#look = undefined))
    return this.#look
  }

  async #lasts(suspect: Outage): Promise<void> {
    const bench = this.#bench
    const { since } = suspect.seen
    for (;;) {
      if (bench.aborted || this.lost) return
      if (bench.ended() !== undefined) break
      const whole = (await bench.control()) !== undefined
      if (!whole && (await twinOf(suspect.trial)) === undefined) return this.#acquit()
      const shooting = [...this.#tries].some(({ state }) => state === 'shooting')
      if (performance.now() >= since + (shooting ? BUSY_RECOVERY_MS : RECOVERY_MS)) {
        if (bench.stalled(since)) return
        this.#gone = { suspect, whole }
        break
      }
      await wait(POLL_MS)
    }
    this.#gone ??= { suspect, whole: true }
    this.#lost = `the server stopped to serve others since ${suspect.trial.id}`
    bench.abandon()
  }

  /** The server is back: what it did not serve then says nothing of a later death. */
  #acquit(): void {
    for (const one of this.#tries) if (one.state === 'outage') this.#tries.delete(one)
  }

  /** Tells what the look found, once nothing else is on its way. */
  #tellLost(): void {
    if (this.#gone === undefined || this.#bench.aborted) return
    const { suspect, whole } = this.#gone
    if (whole) this.#reportLost(suspect.trial, suspect.seen)
    else this.#routeLost(suspect.trial, suspect.seen)
    this.#gone = undefined
  }

  /** Books what needs no second look. False for a suspect. */
  #settle(trial: Trial, seen: Seen): boolean {
    const { ledger } = this.#bench.context
    if (seen.kind !== 'shot') return false
    const { verdict } = seen.shot
    if (verdict.kind === 'kept') ledger.exercised(trial.id)
    else if (verdict.kind === 'inapplicable') ledger.inapplicable(trial.id, verdict.reason)
    else return false
    return true
  }

  async #recheck({ trial, seen }: Suspect): Promise<void> {
    const { ledger } = this.#bench.context
    let shot = seen.kind === 'shot' ? seen.shot : undefined
    let breach: Breach | undefined
    let k = 0
    let n = 0
    let reason = seen.kind === 'twin' ? `twin refused: ${seen.what}` : ''
    let refused = seen.kind === 'twin'
    if (shot?.verdict.kind === 'broken') {
      k = n = 1
      breach = shot.verdict.breach
    }
    while (n < (k > 0 && k < n ? MOST_TRIES : TRIES)) {
      if (this.#bench.aborted || this.lost) break
      const again = await this.#once(trial)
      n += 1
      if (again.kind === 'outage') return this.#recheckOutage({ trial, seen: again })
      if (again.kind === 'twin') {
        reason = `twin refused: ${again.what}`
        continue
      }
      refused = false
      const { verdict } = again.shot
      if (verdict.kind === 'broken') {
        k += 1
        if (breach === undefined || again.shot.transcript !== undefined)
          [breach, shot] = [verdict.breach, again.shot]
      } else if (k === 0 && this.#settle(trial, again)) return
      else if (verdict.kind === 'inconclusive') reason = verdict.reason
    }
    if (breach !== undefined && (k >= BELIEVED || breach.proof === true)) {
      return this.#report(trial, breach, shot, { k, n })
    }
    if (k > 0) {
      const text = `${breach!.title}: seen ${k} of ${n} times`
      this.#bench.context.note(`${trial.id}: ${text}`)
      return ledger.inconclusive(trial.id, text)
    }
    const fit = refused && !this.lost && !this.#served.has(trial.group)
    if (fit && (await this.#bench.control()) === undefined) return ledger.inapplicable(trial.id, reason)
    ledger.inconclusive(trial.id, reason === '' ? this.#why() : reason)
  }

  async #recheckOutage({ trial, seen }: Suspect): Promise<void> {
    if (seen.kind !== 'outage') return
    const { ledger } = this.#bench.context
    if (this.lost || this.#bench.aborted) return ledger.inconclusive(trial.id, this.#why())
    let last = seen
    let k = 1
    let n = 1
    let after: Seen = seen
    while (n < TRIES) {
      if (!(await this.#recovered(this.#bench.control))) return this.#reportLost(trial, last)
      if (!(await this.#recovered(() => twinOf(trial)))) return this.#routeLost(trial, last)
      after = await this.#once(trial)
      n += 1
      if (after.kind === 'outage') [k, last] = [k + 1, after]
    }
    if (k >= TRIES) {
      return this.#report(
        trial,
        outage(`while ${trial.id} ran or after it, the server did not serve others: ${last.what}`),
        last.shot,
        { k, n }
      )
    }
    // Alone it did not come again, so it was not this case; what the case itself showed is judged as ever.
    if (!this.#settle(trial, after)) await this.#recheck({ trial, seen: after })
    this.#bench.context.note(`${trial.id}: ${last.what} (${k} of ${n} times, not believed)`)
  }

  /** Asks until it succeeds or time is up. */
  async #recovered(ask: () => Promise<string | undefined>): Promise<boolean> {
    const end = performance.now() + RECOVERY_MS
    do {
      if (this.#bench.ended() !== undefined) return false
      if ((await ask()) === undefined) return true
      // The end of a process is told a moment after its connections break.
      await wait(POLL_MS)
    } while (performance.now() < end && !this.#bench.aborted)
    return false
  }

  /** The server lives, and the route of the case serves nobody any more. */
  #routeLost(trial: Trial, seen: Seen & { kind: 'outage' }): void {
    if (this.#bench.aborted) return
    if (this.#bench.ended() !== undefined) return this.#reportLost(trial, seen)
    if (LIMITED.test(seen.what)) {
      this.#lost = `the valid twin was turned away: ${seen.what}`
      return this.#bench.context.ledger.inconclusive(trial.id, this.#lost)
    }
    this.#lost = `the route serves nobody since ${trial.id}: ${seen.what}`
    this.#report(trial, this.#among(outage(this.#lost), trial), seen.shot, { k: 1, n: 1 })
  }

  #reportLost(trial: Trial, seen: Seen & { kind: 'outage' }): void {
    this.#lost = 'the server had stopped answering'
    const ended = this.#bench.ended()
    const once = { k: 1, n: 1 }
    if (ended === undefined) {
      const what = `the server answers nobody since ${trial.id}: ${seen.what}`
      return this.#report(trial, this.#among(outage(what), trial), seen.shot, once)
    }
    this.#lost = `the server process had ended: ${ended}`
    const [culprit, ...beside] = this.#lastTries()
    const { trial: killer, shot } = culprit ?? { trial, shot: seen.shot }
    const among = beside.length === 0 ? '' : `, or one of ${beside.length} cases beside it`
    const breach = outage(`the server process ended during ${killer.id}${among}: ${ended}`)
    this.#report(killer, this.#among(breach, killer), shot, once)
  }

  /** Tries after which others were not served, the one that began last first: all that may have done it. */
  #lastTries(): Try[] {
    return [...this.#tries].filter(({ state }) => state === 'outage').sort((a, b) => b.from - a.from)
  }

  /** Names the other cases that were on their way. */
  #among(breach: Breach, culprit: Trial): Breach {
    const beside = this.#lastTries().filter(({ trial }) => trial !== culprit)
    if (beside.length === 0) return breach
    return { ...breach, evidence: { also_in_flight: beside.map(({ trial }) => trial.id).join(' ') } }
  }

  /** For a step that is no trial of its own: true where nobody is served any more after it, which is told as of this trial. */
  async lostDuring(trial: Trial): Promise<boolean> {
    const since = performance.now()
    const what = await this.#fresh(trial)
    if (what === undefined || this.#bench.aborted) return false
    const seen = { kind: 'outage', what, shot: { verdict: inconclusive(what) }, since } as const
    await this.#watch({ trial, seen })
    if (this.lost) this.#tellLost()
    else await this.#recheckOutage({ trial, seen })
    return this.lost
  }

  #report(trial: Trial, breach: Breach, shot: Shot | undefined, repeats: { k: number; n: number }): void {
    const { context } = this.#bench
    context.ledger.exercised(trial.id)
    this.#told.add(trial.id)
    context.report({
      predicate: breach.predicate,
      severity: breach.severity,
      case: trial.id,
      title: breach.title,
      standard: breach.standard,
      symptom: breach.symptom,
      repeats,
      ...(breach.evidence === undefined ? {} : { evidence: breach.evidence }),
      ...bytesOf(shot)
    })
  }
}

/** Its evidence is that others were not served. */
function touchesOthers({ seen }: Suspect): boolean {
  if (seen.kind !== 'shot') return seen.kind === 'outage'
  return seen.shot.verdict.kind === 'broken' && seen.shot.verdict.breach.predicate === 'I-LIVENESS'
}

function told(seen: Seen): string {
  if (seen.kind !== 'shot') return seen.what
  return seen.shot.verdict.kind === 'broken' ? seen.shot.verdict.breach.title : 'nothing was learned'
}

function outage(title: string): Breach {
  return {
    predicate: 'I-LIVENESS',
    severity: 'HIGH',
    title,
    standard: 'availability',
    symptom: 'others not served'
  }
}
