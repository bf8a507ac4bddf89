/** Plays a list of frames, of the catalogue or made smaller, as its slice plays it. */
import type { Replay } from '../../documents/replay.ts'
import type { H2cFrameCase } from '../catalogue/h2c/index.ts'
import type { WsFrameCase } from '../catalogue/ws/index.ts'
import type { SliceContext } from '../contracts.ts'
import { frameTrial as h2cTrial } from '../traffic/h2c/frame-cases.ts'
import { learnPrior, named, noPrior } from '../traffic/h2c/index.ts'
import { Bench } from '../traffic/proof/bench.ts'
import { Conductor } from '../traffic/proof/conduct.ts'
import type { Trial } from '../traffic/proof/trial.ts'
import { frameTrial as wsTrial } from '../traffic/ws/frame-cases.ts'
import { learn } from '../traffic/ws/index.ts'
import { contextFor } from './context.ts'
import type { Server } from './server.ts'
import { tryOf } from './slice.ts'
import type { Player, Try } from './tries.ts'

/** The case on this server, and whether its twin has succeeded there already. */
interface Scene {
  trial: Trial
  proven: boolean
}

/** Why nothing can be tried. */
type Unfit = Pick<Try, 'outcome' | 'text'>

abstract class FramesPlayer<Spec extends { group: string }> implements Player {
  readonly #server: Server
  readonly #replay: Replay
  readonly #signal: AbortSignal
  #count = 0
  protected spec: Spec

  constructor(server: Server, replay: Replay, spec: Spec, signal: AbortSignal) {
    this.#server = server
    this.#replay = replay
    this.#signal = signal
    this.spec = spec
  }

  /** Other frames, from now on. */
  change(spec: Spec): void {
    this.spec = spec
  }

  protected abstract bench(context: SliceContext): Bench
  /** Learns the server. */
  protected abstract scene(bench: Bench): Promise<Scene | Unfit>

  async once(): Promise<Try> {
    const begun = performance.now()
    const kept = contextFor(this.#server, this.#replay, this.#signal, `${(this.#count += 1)}`)
    const bench = this.bench(kept.context)
    try {
      const scene = await this.scene(bench)
      if ('outcome' in scene) return { ...scene, ms: performance.now() - begun }
      await new Conductor(bench, scene.proven ? [this.spec.group] : []).run([scene.trial], 1)
      return { ...tryOf(kept, this.#replay), ms: performance.now() - begun }
    } finally {
      bench.close()
      kept.close()
    }
  }

  close(): void {
    // Each try closes what it opened.
  }
}

/** Whether the control request is answered over HTTP/1. */
async function controlled(bench: Bench): Promise<Unfit | undefined> {
  const refused = await bench.learn()
  return refused === undefined
    ? undefined
    : { outcome: 'inconclusive', text: `the control request: ${refused}` }
}

export class WsFramesPlayer extends FramesPlayer<WsFrameCase> {
  protected override bench(context: SliceContext): Bench {
    return new Bench(context, 'ws')
  }

  protected override async scene(bench: Bench): Promise<Scene | Unfit> {
    const { capabilities, random } = bench.context
    const path = capabilities.routes.ws?.path
    if (path === undefined) {
      const why = capabilities.missing.ws ?? 'not probed'
      return { outcome: 'inapplicable', text: `no WebSocket route: ${why}` }
    }
    const refused = await controlled(bench)
    if (refused !== undefined) return refused
    const route = await learn(bench, path)
    return {
      trial: wsTrial(route, this.spec, random.stream('frames')),
      proven: route.unfit === undefined
    }
  }
}

export class H2cFramesPlayer extends FramesPlayer<H2cFrameCase> {
  protected override bench(context: SliceContext): Bench {
    return new Bench(named(context), 'h2c')
  }

  protected override async scene(bench: Bench): Promise<Scene | Unfit> {
    const { capabilities, random } = bench.context
    if (!capabilities.h2cPrior) return { outcome: 'inapplicable', text: noPrior(capabilities) }
    const refused = capabilities.http1 ? await controlled(bench) : undefined
    if (refused !== undefined) return refused
    const ground = await learnPrior(bench)
    if (typeof ground === 'string') return { outcome: 'inconclusive', text: ground }
    return { trial: h2cTrial(ground, this.spec, random.stream('frames')), proven: true }
  }
}
