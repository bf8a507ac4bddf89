/** Slice 2 of tier 1: malformed HTTP/1.1, each message beside its valid twin. */
import { http1Cases } from '../../catalogue/http1/index.ts'
import type { Slice, SliceContext } from '../../contracts.ts'
import { limitsFor } from '../../oracles/deadline.ts'
import { Dialer } from '../../oracles/dialer.ts'
import { Conductor } from './conduct.ts'
import { setScene } from './scene.ts'
import { planSteps } from './steps/index.ts'
import { Turn } from './turn.ts'

const COUNTERS = [
  'adv_sent',
  'adv_well_rejected',
  'adv_wrong_accepted',
  'adv_hang_until_timeout',
  'adv_inconclusive',
  'adv_inapplicable',
  'adv_advisory',
  'adv_segments_differ',
  'adv_crashed',
  'adv_connections'
]

async function run(context: SliceContext): Promise<void> {
  const { capabilities, ledger, target, tally, signal } = context
  const all: { id: string; group: string }[] = http1Cases.filter(({ id }) => context.wants(id))
  for (const { id, group } of all) ledger.plan(id, group)
  all.push(...planSteps(context))
  for (const counter of COUNTERS) tally.add(counter, 0)
  if (!capabilities.http1) {
    for (const { id } of all) {
      if (capabilities.h2cPrior) ledger.inapplicable(id, 'the port speaks HTTP/2 only')
      else ledger.inconclusive(id, 'the port does not answer HTTP/1.1')
    }
    return
  }
  const { host, port } = target
  const dialer = new Dialer({ host, port, signal, onOpen: () => tally.add('adv_connections') })
  try {
    const limits = limitsFor(capabilities.baselineMs)
    const scene = await setScene(
      dialer,
      capabilities,
      target.authority,
      context.random.stream('scene'),
      limits
    )
    if (typeof scene === 'string') {
      for (const { id } of all) ledger.inconclusive(id, scene)
      return
    }
    await new Conductor({ context, dialer, limits, scene, turn: new Turn() }).run()
  } finally {
    dialer.dispose()
  }
}

/**
 * Plays the HTTP/1.1 cases of the catalogue. The first pass is finished past the deadline; then rounds in seeded
 * order and seeded segmentation follow until the deadline. Throws InfraError where this machine cannot connect.
 */
export const adversarialSlice: Slice = { name: 'adversarial', run }
