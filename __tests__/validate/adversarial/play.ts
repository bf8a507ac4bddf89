/** Plays the adversarial slice. */
import type { Target } from '../../../src/target/types.ts'
import { adversarialSlice } from '../../../src/validate/traffic/adversarial/index.ts'
import * as any from '../play.ts'

export type Played = any.Played
type Options = any.PlayOptions

export const playFixture = (bugs: readonly string[], options: Options = {}): Promise<Played> =>
  any.playFixture(adversarialSlice, bugs, options)

export const playServer = (host: string, port: number, options: Options = {}): Promise<Played> =>
  any.playServer(adversarialSlice, host, port, options)

export const playTarget = (target: Target, options: Options = {}): Promise<Played> =>
  any.playTarget(adversarialSlice, target, options)
