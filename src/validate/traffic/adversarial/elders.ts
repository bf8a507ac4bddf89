/** Several at a time off one list, each beside a connection that was opened before and is asked afterwards. */
import { Elder } from '../../oracles/liveness.ts'
import type { Outages } from './outage.ts'
import type { Stage, Trial } from './trial.ts'

export interface Laned<T> {
  /** Nothing more is to be begun. */
  over(): boolean
  /** Books what is passed over. */
  passesOver(item: T): boolean
  /** Plays one; tells how the earlier connection fared. */
  play(item: T, elder: Elder | undefined): Promise<Trial['elder']>
}

/** Works off the list until it is over, or the process has ended. A connection that was not answered is opened anew. */
export async function besideElders<T>(
  { context, dialer, scene, limits }: Stage,
  outages: Outages,
  items: readonly T[],
  count: number,
  { over, passesOver, play }: Laned<T>
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    let elder: Elder | undefined
    const open = async (): Promise<void> => {
      elder?.close()
      elder = scene.capabilities.keepAlive ? await Elder.open(dialer, scene.control, limits) : undefined
    }
    await open()
    while (next < items.length && !over()) {
      const item = items[next++]!
      if (passesOver(item)) continue
      if (context.target.exit() !== undefined) {
        outages.died()
        break
      }
      if ((await play(item, elder)) !== 'answered' && !over()) await open()
    }
    elder?.close()
  }
  await Promise.all(Array.from({ length: Math.min(count, items.length) }, lane))
}
