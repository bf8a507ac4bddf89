/**
 * Bounds for the memory of this process. The flags of the command line do not reach an action, so they are set here.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** Beyond this much young generation, more room saves next to no time. */
const ENOUGH = 16 << 20
const EVERY_MS = 20
/** Few bytes that are kept hold the whole slab of Node's pool that they are a part of. */
const SLAB = 8 << 10

/**
 * Stops the growth of the young generation where it is enough, and lets it go on where V8 has shrunk it since: V8
 * doubles it up to 128 MiB while much is made and dropped, as under load, and keeps it; its size is read only at the
 * start, the factor of its growth at every growth. The timer holds no process.
 */
export function boundMemory(): void {
  Buffer.poolSize = SLAB
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

/**
 * Has the heap collected early, for a third more processor time: for work that is bounded by what it waits for, and not
 * for load.
 */
export function saveMemory(): void {
  setFlagsFromString('--optimize-for-size')
}
