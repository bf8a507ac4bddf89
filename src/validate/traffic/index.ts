/** The slices of tier 1 by name. */
import type { Capabilities, Slice, SliceName } from '../contracts.ts'
import { adversarialSlice } from './adversarial/index.ts'
import { h2cSlice } from './h2c/index.ts'
import { sseSlice } from './sse/index.ts'
import { wsSlice } from './ws/index.ts'
import { defaultModel, loadMarkov, markovSlice } from './markov/index.ts'

/**
 * The named slices, in the order of the design.
 * @param markov path of the walkers' model; without it one is made from the routes that the preflight found
 */
export function slicesFor(
  names: readonly SliceName[],
  capabilities: Capabilities,
  markov: string | undefined
): Slice[] {
  const make: Partial<Record<SliceName, () => Slice>> = {
    markov: () => markovSlice(markov === undefined ? defaultModel(capabilities) : loadMarkov(markov)),
    adversarial: () => adversarialSlice,
    h2c: () => h2cSlice,
    ws: () => wsSlice,
    sse: () => sseSlice
  }
  return names.flatMap((name) => make[name]?.() ?? [])
}
