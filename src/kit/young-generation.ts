/**
 * A bound for the young generation of the heap.
 *
 * V8 doubles it up to 128 MiB while much is made and dropped, as under load, and keeps it; that is most of the memory
 * of this process. The flags of the command line do not reach an action, and its size is read only at the start;
 * the factor of its growth is read at every growth.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** Beyond this, more room saves next to no time. */
const ENOUGH = 16 << 20
const EVERY_MS = 20

/** Stops the growth where it is enough, and lets it go on where V8 has shrunk it since. The timer holds no process. */
export function boundYoungGeneration(): void {
  let grows = true
  const look = (): void => {
    const size =
      getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0
    if (grows === size < ENOUGH) return
    grows = size < ENOUGH
    setFlagsFromString(`--semi-space-growth-factor=${grows ? 2 : 1}`)
  }
  setInterval(look, EVERY_MS).unref()
}
