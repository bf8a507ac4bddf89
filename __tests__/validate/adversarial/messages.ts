/** The part of the adversarial slice that sends one message a case: what the switches of the messages flip. */
import { http1Cases } from '../../../src/validate/catalogue/http1/index.ts'
import type { Slice } from '../../../src/validate/contracts.ts'
import { adversarialSlice } from '../../../src/validate/traffic/adversarial/index.ts'

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
