/** Plays one HTTP/1 message between its twins, judged as the slice judges it. */
import type { Replay } from '../../documents/replay.ts'
import type { ProtocolCase } from '../catalogue/http1/index.ts'
import { limitsFor, stalled, type Limits } from '../oracles/deadline.ts'
import { Dialer } from '../oracles/dialer.ts'
import { Elder, exitOf, isAlive } from '../oracles/liveness.ts'
import { Comparison } from '../traffic/adversarial/compare.ts'
import { obstacle, setScene, type Scene } from '../traffic/adversarial/scene.ts'
import { SEGMENTATIONS, type Segmentation } from '../traffic/adversarial/segments.ts'
import { play, playTwin, type Stage, type Trial } from '../traffic/adversarial/trial.ts'
import { Turn } from '../traffic/adversarial/turn.ts'
import { contextFor, type Kept } from './context.ts'
import { SEGMENT } from './record.ts'
import type { Server } from './server.ts'
import type { Player, Try } from './tries.ts'

interface Place {
  kept: Kept
  dialer: Dialer
  limits: Limits
  scene: Scene
}

export class Http1Player implements Player {
  readonly #server: Server
  readonly #replay: Replay
  readonly #signal: AbortSignal
  #entry: ProtocolCase
  #how: Segmentation
  #place: Place | undefined
  #count = 0

  constructor(server: Server, replay: Replay, entry: ProtocolCase, signal: AbortSignal) {
    this.#server = server
    this.#replay = replay
    this.#signal = signal
    this.#entry = entry
    const sent = replay.judge.kind === 'http1' ? replay.judge.sent_as : 'whole'
    this.#how = SEGMENTATIONS.find((one) => one === sent) ?? 'whole'
  }

  get how(): Segmentation {
    return this.#how
  }

  /** Another message, from now on. */
  change(entry: ProtocolCase, how: Segmentation = this.#how): void {
    this.#entry = entry
    this.#how = how
  }

  /** Routes and nonces of the server; a string says why nothing can be judged there. */
  async scene(): Promise<Scene | string> {
    const place = await this.#ground()
    return typeof place === 'string' ? place : place.scene
  }

  async #ground(): Promise<Place | string> {
    if (this.#place !== undefined) return this.#place
    const { target, capabilities } = this.#server
    if (!capabilities.http1) return 'the port does not answer HTTP/1.1'
    const { host, port } = target
    const kept = contextFor(this.#server, this.#replay, this.#signal, 'http1')
    const dialer = new Dialer({ host, port, signal: this.#signal })
    const limits = limitsFor(capabilities.baselineMs)
    const random = kept.context.random.stream('scene')
    const scene = await setScene(dialer, capabilities, target.authority, random, limits)
    if (typeof scene === 'string') {
      dialer.dispose()
      kept.close()
      return scene
    }
    this.#place = { kept, dialer, limits, scene }
    return this.#place
  }

  async once(): Promise<Try> {
    const begun = performance.now()
    const place = await this.#ground()
    const said = (outcome: Try['outcome'], text: string): Try => ({
      outcome,
      text,
      ms: performance.now() - begun
    })
    if (typeof place === 'string') return said('inconclusive', place)
    const { scene, limits, dialer, kept } = place
    const lacking = obstacle(scene, this.#entry)
    if (lacking !== undefined) return said('inapplicable', lacking)
    const stage: Stage = { context: kept.context, dialer, limits, scene, turn: new Turn() }
    const random = kept.context.random.stream(`${this.#entry.id}/${(this.#count += 1)}`)
    if (this.#replay.predicate === SEGMENT) return this.#compare(stage, begun)
    const elder = this.#ofElders ? await Elder.open(dialer, scene.control, limits) : undefined
    const trial = await play(stage, this.#entry, this.#how, random, elder)
    elder?.close()
    const bytes = wireOf(trial)
    const own = this.#judge(trial)
    if (own.outcome === 'reproduced') return { ...said('reproduced', own.text), ...bytes, ...own }
    const outage = await this.#outage(stage, trial, begun)
    if (outage !== undefined) {
      const same = outage.predicate === this.#replay.predicate || this.#tellsOthers
      return { ...said(same ? 'reproduced' : 'other', outage.text), severity: 'HIGH', ...bytes }
    }
    if (this.#ofElders && (trial.elder === 'silent' || trial.elder === 'closed')) {
      const beside = await Elder.open(dialer, scene.control, limits)
      const twin = await playTwin(stage, this.#entry, this.#how, random)
      const control = await beside?.ask()
      beside?.close()
      if (twin.ok && control === 'answered')
        return {
          ...said('reproduced', `a connection opened earlier: ${trial.elder}`),
          severity: 'HIGH',
          ...bytes
        }
    }
    return { ...said(own.outcome, own.text), ...bytes, ...own }
  }

  /** The same bytes in one segment and cut: the difference is the finding. */
  async #compare(stage: Stage, begun: number): Promise<Try> {
    const entry = this.#entry
    const stream = `${entry.id}/${this.#count}`
    const again = (how: Segmentation): Promise<Trial> =>
      play(stage, entry, how, stage.context.random.stream(stream), undefined)
    const comparison = new Comparison(stage)
    const whole = await again('whole')
    comparison.keep(entry, whole)
    const cut = await again(this.#how)
    const kept = this.#place!.kept
    const differs = await comparison.differs({ entry, how: this.#how, stream }, cut)
    const finding = kept.findings.pop()
    const ms = performance.now() - begun
    if (differs && finding !== undefined) {
      const wire = finding.wire === undefined ? {} : { wire: finding.wire }
      return { outcome: 'reproduced', text: finding.title, severity: finding.severity, ms, ...wire }
    }
    const bytes = wireOf(cut)
    if (cut.outcome === undefined || whole.outcome === undefined)
      return { outcome: 'inconclusive', text: 'what it came to cannot be told', ms, ...bytes }
    const same = cut.outcome.key === whole.outcome.key
    const text = same ? 'treated in the same way as in one segment' : 'a difference that did not come again'
    return { outcome: same ? 'right' : 'inconclusive', text, ms, ...bytes }
  }

  /** The finding is about others that were not served. */
  get #tellsOthers(): boolean {
    const { predicate, severity } = this.#replay
    return predicate === 'I-LIVENESS' || (predicate === 'I-ADV-HANG' && severity === 'HIGH')
  }

  get #ofElders(): boolean {
    return this.#replay.evidence?.['earlier_connection_beside_the_twin'] !== undefined
  }

  #judge({ verdict }: Trial): Pick<Try, 'outcome' | 'text' | 'severity' | 'proof'> {
    switch (verdict.kind) {
      case 'right':
        return { outcome: 'right', text: RIGHT[verdict.how] }
      case 'advisory':
        return { outcome: 'right', text: verdict.text }
      case 'inapplicable':
        return { outcome: 'inapplicable', text: verdict.reason }
      case 'inconclusive':
        return { outcome: 'inconclusive', text: verdict.reason }
      case 'wrong': {
        const same = verdict.predicate === this.#replay.predicate && !this.#tellsOthers
        const text = `${verdict.title} (${verdict.note})`
        return {
          outcome: same ? 'reproduced' : 'other',
          text: same ? text : `${verdict.predicate}: ${text}`,
          severity: verdict.severity,
          proof: verdict.proof
        }
      }
    }
  }

  /** Nobody else is served any more, or the process has ended. The server is started anew where it is ours. */
  async #outage(
    { dialer, scene, limits, context }: Stage,
    trial: Trial,
    begun: number
  ): Promise<{ predicate: string; text: string } | undefined> {
    if (!trial.outage && !this.#tellsOthers) return undefined
    const asked = await isAlive(dialer, scene.control, limits)
    if (asked.alive || stalled(context.vitals, begun, limits.answerMs)) return undefined
    const exit = await exitOf(context.target)
    await this.#again()
    if (exit !== undefined) {
      const how = exit.signal ?? `exit code ${exit.code ?? 'unknown'}`
      return { predicate: 'I-LIVENESS', text: `the server process ended (${how})` }
    }
    const refused = /ECONNREFUSED|ECONNRESET/.test(asked.seen)
    return {
      predicate: refused ? 'I-LIVENESS' : 'I-ADV-HANG',
      text: `nobody else is served: ${asked.seen}`
    }
  }

  async #again(): Promise<void> {
    if (!this.#server.launched) return
    this.close()
    await this.#server.restart()
  }

  close(): void {
    this.#place?.dialer.dispose()
    this.#place?.kept.close()
    this.#place = undefined
  }
}

const RIGHT = {
  refused: 'refused, as it must be',
  closed: 'the connection was closed, as it may be',
  served: 'served, as it may or must be',
  waits: 'the server waits for more, as it may'
} as const

function wireOf({ seen, before }: Trial): Pick<Try, 'wire' | 'twin'> {
  return {
    ...(seen === undefined ? {} : { wire: [seen.transcript] }),
    ...(before?.ok === true && before.transcript !== undefined ? { twin: [before.transcript] } : {})
  }
}
