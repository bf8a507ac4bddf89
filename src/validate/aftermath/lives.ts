/**
 * The traffic of a cell over as many processes as it needs: a server that ends, or answers nobody any more, is started
 * again, the case that did it is looked for alone, and all that is left runs on.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../kit/log.ts'
import type { StopOutcome, Target } from '../../target/types.ts'
import type { CoverageBook, FindingBook, TallyBook } from '../collector.ts'
import type { FindingDraft, SliceName, Watch } from '../contracts.ts'
import type { PropertyLoop } from '../properties/index.ts'
import { DeathWatch } from './death-watch.ts'
import { Inquest } from './inquest.ts'
import { look, Looks, type Look } from './looks.ts'
import { play, type Ground } from './play.ts'
import { comesBack, endOf, successorOf, type End } from './pulse.ts'
import { accused, isAccusation, type Accusation } from './suspects.ts'
import { keyOf, Timeline } from './timeline.ts'

export interface LivesOptions {
  ground: Ground
  target: Target
  /** Launches the server once more. */
  start(signal: AbortSignal): Promise<Target>
  stopGraceMs: number
  trafficMs: number
  /** Past the deadline, how long the first pass of a slice may still take, ms. */
  graceMs: number
  wants(slice: SliceName, caseId: string): boolean
  tallies: Map<SliceName, TallyBook>
  ledgers: Map<SliceName, CoverageBook>
  findings: FindingBook
  notes: string[]
  watch: Watch
  /** The whole catalogue is played, however long it takes; else what the time allows beyond the core. */
  whole: boolean
  /** Begins the property loop of a process; its baseline is taken at once. */
  openLoop(target: Target, report: (draft: FindingDraft) => void): Promise<PropertyLoop>
  /** Captures what perishes; resolves when it is captured. */
  capture(draft: FindingDraft, slice: SliceName | 'properties', target: Target): Promise<void>
  /** Told once a process serves no more, before it is stopped. */
  onEnd(end: End): void
  log: Log
}

export interface Told {
  /** Wall time of the traffic, seconds. */
  seconds: number
  /** How often the server was started again, or came back by itself. */
  restarts: number
  /** The newest process and what was seen of it: at rest before the cases, and beside them. */
  timeline: Timeline
  before: Look | undefined
  looks: Looks
}

/** Starts after the first that go on with the cases, and in all. */
const MOST_LIVES = 8
const MOST_STARTS = 20
/** From the first death on, ms: no new process is started later. */
const LONGEST_MS = 120_000
/** Grace of a server that serves nobody, ms. */
const HUNG_GRACE_MS = 1000
/** How long a server that is not ours to start is waited for, ms. */
const COMEBACK_MS = 6000
/** An end may be noticed by us so much later than by those who are connected, ms. */
const LATE_NEWS_MS = 1500
/** How long the last words about an end are waited for, ms. */
const LAST_WORDS_MS = 250
/** A rest of the traffic time that is worth walkers of its own, ms. */
const LEAST_WALK_MS = 1000

export class Lives {
  readonly #options: LivesOptions
  readonly #begun = performance.now()
  readonly #deadline: number
  readonly #inquest: Inquest
  readonly #captured: Promise<void>[] = []
  #target: Target
  #starts = 0
  #restarts = 0
  #firstDeath: number | undefined
  /** Processes whose end was told. */
  readonly #told = new WeakSet<Target>()
  #loop: PropertyLoop | undefined

  constructor(options: LivesOptions) {
    this.#options = options
    this.#target = options.target
    this.#deadline = this.#begun + options.trafficMs
    this.#inquest = new Inquest(options, {
      fresh: async () => ((await this.#revive()) ? this.#target : undefined),
      told: (target) => void this.#told.add(target)
    })
  }

  get target(): Target {
    return this.#target
  }
  get loop(): PropertyLoop | undefined {
    return this.#loop
  }
  get #aborted(): boolean {
    return this.#options.ground.signal.aborted
  }

  /** Everything, until nothing is left or nothing can be started any more; the loop of the last process goes on. */
  async run(): Promise<Told> {
    const { notes, onEnd } = this.#options
    let undone = Infinity
    for (let life = 0; ; life++) {
      const { accusations, timeline, before, looks, end, diedAt, stopped } = await this.#live(life)
      const told = (): Told => ({
        seconds: (performance.now() - this.#begun) / 1000,
        restarts: this.#restarts,
        timeline,
        before,
        looks
      })
      if (end === undefined) {
        this.#inquest.release(accusations, undefined)
        // A silence ended the play, and then the silence ended: what is left is played on, as long as it gets less.
        const left = this.#undone().size
        if (!stopped || this.#aborted || left === 0 || left >= undone || life >= MOST_LIVES) return told()
        undone = left
        notes.push('the server served nobody for a while; when it did again, what was left was played on')
        continue
      }
      this.#firstDeath ??= performance.now()
      onEnd(end)
      await Promise.all(this.#captured)
      // A slice that plays what it was not to play would do so for ever.
      const again = accused(accusations).some((suspect) => this.#inquest.culprits.has(keyOf(suspect)))
      if (again || life >= MOST_LIVES || this.#undone().size === 0 || !(await this.#again())) {
        this.#inquest.release(accusations, end)
        this.#abandonRest(end)
        return told()
      }
      const named = await this.#inquest.name(accusations, timeline, diedAt, end)
      notes.push(
        `the server served nobody any more (${end.how})${named}; it was started again for what was left`
      )
      if (!(await this.#revive())) {
        this.#abandonRest(end)
        return told()
      }
    }
  }

  /** One process and all that is still to be played on it. */
  async #live(life: number): Promise<{
    accusations: Accusation[]
    timeline: Timeline
    before: Look | undefined
    looks: Looks
    end: End | undefined
    diedAt: number
    /** Before all was played, for nobody was served. */
    stopped: boolean
  }> {
    const { ground, findings, notes, tallies, ledgers, graceMs, log } = this.#options
    const accusations: Accusation[] = []
    const timeline = new Timeline()
    const target = this.#target
    let diedAt: number | undefined
    const watch = new DeathWatch(target, ground)
    void target.exited.then(() => (diedAt = performance.now()))
    const report = (slice: SliceName | 'properties', draft: FindingDraft): void => {
      if (!isAccusation(slice, draft)) return findings.report(slice, draft)
      accusations.push({ slice, draft, at: performance.now() })
      if (draft.severity !== 'HIGH') return
      this.#captured.push(this.#options.capture(draft, slice, target))
      if (slice !== 'markov') watch.look()
    }
    this.#loop?.abandon()
    this.#loop = await this.#options.openLoop(target, (draft) => report('properties', draft))
    const looks = new Looks(target)
    const before = target.pid === undefined ? undefined : await look(target)
    this.#loop.phase('load')
    looks.start()
    const undone = life === 0 ? undefined : this.#undone()
    const ticker = setInterval(() => {
      const sent = tallies.get('markov')?.get('requests_sent') ?? 0
      const left = Math.max(0, Math.ceil((this.#deadline - performance.now()) / 1000))
      log.progress(`${ground.cell}: ${sent.toLocaleString('en-US')} requests, ${left} s left`)
    }, 1000)
    try {
      const cut = await play(ground, {
        target,
        only: (slice) => undone === undefined || this.#isWorth(slice, undone),
        wants: (slice, id) =>
          this.#options.wants(slice, id) && (undone === undefined || undone.has(keyOf({ slice, id }))),
        deadline: this.#deadline,
        graceMs,
        tally: (slice) => tallies.get(slice)!,
        ledger: (slice) => ledgers.get(slice)!,
        watch: this.#options.watch,
        ...(this.#options.whole ? {} : { coreAfter: this.#deadline }),
        report,
        note: (slice, text) => void notes.push(`${slice}: ${text}`),
        timeline,
        stop: watch.stop
      })
      if (cut) notes.push('a slice was cut at the hard end of the cell')
    } finally {
      clearInterval(ticker)
      looks.stop()
    }
    const stopped = watch.stop.aborted
    const end = this.#aborted ? undefined : await this.#lasting(watch, accusations)
    if (end !== undefined) {
      this.#told.add(target)
      // The property loop has a word for it, too, a moment later.
      await delay(LAST_WORDS_MS)
    }
    const at = diedAt ?? accusations[0]?.at ?? performance.now()
    // What was told while the process lived on is no matter of its end.
    const fatal = accusations.filter((one) => end?.kind !== 'ended' || one.at >= at - LATE_NEWS_MS)
    for (const one of accusations) if (!fatal.includes(one)) findings.report(one.slice, one.draft)
    return { accusations: fatal, timeline, before, looks, end, diedAt: at, stopped }
  }

  /** The end of a process; a silence that no slice told of is waited out. */
  async #lasting(watch: DeathWatch, accusations: readonly Accusation[]): Promise<End | undefined> {
    const { capabilities, signal } = this.#options.ground
    const end = await watch.end()
    if (end === undefined || end.kind === 'ended') return end
    const accused = accusations.some(({ slice, draft }) => slice !== 'markov' && draft.severity === 'HIGH')
    return !accused && (await comesBack(this.#target, capabilities, COMEBACK_MS, signal)) ? undefined : end
  }

  #isWorth(slice: SliceName, undone: ReadonlySet<string>): boolean {
    if (slice === 'markov' && this.#deadline - performance.now() > LEAST_WALK_MS) return true
    return [...undone].some((key) => key.startsWith(`${slice}/`))
  }

  /** Cases that were planned and never judged, without those that ended a process. */
  #undone(): Set<string> {
    const left = new Set<string>()
    for (const [slice, ledger] of this.#options.ledgers) {
      for (const id of ledger.cases()) {
        const key = keyOf({ slice, id })
        if (!ledger.isDone(id) && !this.#inquest.culprits.has(key)) left.add(key)
      }
    }
    return left
  }

  /** Another process in the place of the one that is gone; false where there can be none. */
  async #again(): Promise<boolean> {
    const { ground, start, stopGraceMs, notes } = this.#options
    const late = performance.now() - (this.#firstDeath ?? performance.now()) > LONGEST_MS
    if (this.#aborted || late || this.#starts >= MOST_STARTS) return false
    if (this.#target.origin === 'attached') {
      if (!(await comesBack(this.#target, ground.capabilities, COMEBACK_MS, ground.signal))) return false
      this.#target = successorOf(this.#target)
    } else {
      await this.#target.stop(Math.min(stopGraceMs, HUNG_GRACE_MS))
      try {
        this.#target = await start(ground.signal)
      } catch (error) {
        if (!this.#aborted)
          notes.push(
            `the server could not be started again: ${error instanceof Error ? error.message : String(error)}`
          )
        return false
      }
    }
    this.#starts += 1
    this.#restarts += 1
    return true
  }

  /** A process to try on: the living one, or another. */
  async #revive(): Promise<boolean> {
    const { ground } = this.#options
    if ((await endOf(this.#target, ground.capabilities, ground.vitals)) === undefined) return true
    return this.#again()
  }

  /** Whatever was never judged says why. */
  #abandonRest({ how }: End): void {
    for (const key of this.#undone()) {
      const at = key.indexOf('/')
      const slice = key.slice(0, at) as SliceName
      this.#options.ledgers.get(slice)?.inconclusive(key.slice(at + 1), `the server is gone (${how})`)
    }
  }

  /** Ends the newest process. `told`: its end was told already. */
  async stop(): Promise<{ outcome: StopOutcome; told: boolean }> {
    this.#loop?.abandon()
    await Promise.all(this.#captured)
    return { outcome: await this.#target.stop(this.#options.stopGraceMs), told: this.#told.has(this.#target) }
  }
}
