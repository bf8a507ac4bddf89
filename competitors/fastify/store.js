const MAX_ENTRIES = 20_000
const MAX_BYTES = 32 * 1024 * 1024
const MAX_IDLE = 120_000

/** Forgets what was not used for two minutes, and the least recently used entries beyond its bounds. */
export function createStore() {
  // Map keeps insertion order and every use inserts again: the first entry is the least recently used.
  const entries = new Map()
  let bytes = 0

  const remove = (key) => {
    const entry = entries.get(key)
    if (entry === undefined) return false
    bytes -= entry.value.length
    return entries.delete(key)
  }
  const evict = () => {
    const idle = Date.now() - MAX_IDLE
    for (const [key, entry] of entries) {
      if (entries.size <= MAX_ENTRIES && bytes <= MAX_BYTES && entry.used >= idle) return
      remove(key)
    }
  }
  const timer = setInterval(evict, 5_000)
  timer.unref()

  return {
    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      entries.delete(key)
      entries.set(key, { value: entry.value, used: Date.now() })
      return entry.value
    },
    /** True when the key is new. */
    put(key, value) {
      const replaced = remove(key)
      entries.set(key, { value, used: Date.now() })
      bytes += value.length
      evict()
      return !replaced
    },
    delete: remove,
    close: () => clearInterval(timer)
  }
}
