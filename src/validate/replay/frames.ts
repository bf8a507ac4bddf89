/** Plays a list of WebSocket frames, of the catalogue or made smaller, as the slice plays it. */
import type { Replay } from '../../documents/replay.ts'
import type { WsFrameCase } from '../catalogue/ws/index.ts'
import { Bench } from '../traffic/proof/bench.ts'
import { Conductor } from '../traffic/proof/conduct.ts'
import { frameTrial } from '../traffic/ws/frame-cases.ts'
import { learn } from '../traffic/ws/index.ts'
import { contextFor } from './context.ts'
import type { Server } from './server.ts'
import { tryOf } from './slice.ts'
import type { Player, Try } from './tries.ts'

export class WsFramesPlayer implements Player {
  readonly #server: Server
  readonly #replay: Replay
  readonly #signal: AbortSignal
  #spec: WsFrameCase
  #count = 0

  constructor(server: Server, replay: Replay, spec: WsFrameCase, signal: AbortSignal) {
    this.#server = server
    this.#replay = replay
    this.#spec = spec
    this.#signal = signal
  }

  /** Other frames, from now on. */
  change(spec: WsFrameCase): void {
    this.#spec = spec
  }

  async once(): Promise<Try> {
    const begun = performance.now()
    const kept = contextFor(this.#server, this.#replay, this.#signal, `${(this.#count += 1)}`)
    const bench = new Bench(kept.context, 'ws')
    const said = (outcome: Try['outcome'], text: string): Try => ({
      outcome,
      text,
      ms: performance.now() - begun
    })
    try {
      const path = this.#server.capabilities.routes.ws?.path
      if (path === undefined) {
        const why = this.#server.capabilities.missing.ws ?? 'not probed'
        return said('inapplicable', `no WebSocket route: ${why}`)
      }
      const refused = await bench.learn()
      if (refused !== undefined) return said('inconclusive', `the control request: ${refused}`)
      const route = await learn(bench, path)
      const proven = route.unfit === undefined ? [this.#spec.group] : []
      await new Conductor(bench, proven).run(
        [frameTrial(route, this.#spec, kept.context.random.stream('frames'))],
        1
      )
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
