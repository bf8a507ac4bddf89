/** The part of the adversarial slice that sends one message a case: what the switches of the messages flip. */
import { http1Cases } from '../../../src/validate/catalogue/http1/index.ts'
import type { Target } from '../../../src/target/types.ts'
import type { Slice } from '../../../src/validate/contracts.ts'
import { adversarialSlice } from '../../../src/validate/traffic/adversarial/index.ts'
import * as any from '../play.ts'

export const messageIds: ReadonlySet<string> = new Set(http1Cases.map(({ id }) => id))

/** With every segmentation. */
export const messageSlice: Slice = {
  name: adversarialSlice.name,
  run: (context) =>
    adversarialSlice.run({ ...context, wants: (id) => messageIds.has(id) && context.wants(id) })
}

/** In one segment, where there is no time beyond the first pass. */
export const wholeSlice: Slice = {
  name: adversarialSlice.name,
  run: (context) => messageSlice.run({ ...context, pass: { core: () => true, ends: 0 } })
}

export type Played = any.Played

export const playFixture = (bugs: readonly string[], options: any.PlayOptions = {}): Promise<Played> =>
  any.playFixture(wholeSlice, bugs, options)

export const playServer = (host: string, port: number, options: any.PlayOptions = {}): Promise<Played> =>
  any.playServer(wholeSlice, host, port, options)

export const playTarget = (target: Target, options: any.PlayOptions = {}): Promise<Played> =>
  any.playTarget(wholeSlice, target, options)
