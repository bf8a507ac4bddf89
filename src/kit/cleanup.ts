/** What must not outlive the process: children, listeners, temporary folders. */

export interface Cleanup {
  /** Says what is stopped, for the log. */
  readonly name: string
  /** Stops it in good order. */
  stop(): Promise<void> | void
  /** Stops it at once and without waiting, when there is no time left: SIGKILL of a process group. */
  kill?(): void
}

const registered = new Set<Cleanup>()

/** Registers what has to be stopped on every way out; the returned function takes it back. */
export function onCleanup(cleanup: Cleanup): () => void {
  registered.add(cleanup)
  return () => void registered.delete(cleanup)
}

/** Stops everything registered, the last first started, all side by side. Returns what failed, in words. */
export async function runCleanups(): Promise<string[]> {
  const batch = [...registered].reverse()
  registered.clear()
  const problems: string[] = []
  await Promise.all(
    batch.map(async (cleanup) => {
      // Until it has stopped in good order, a forced end must still be able to kill it.
      registered.add(cleanup)
      try {
        await cleanup.stop()
      } catch (error) {
        problems.push(`${cleanup.name}: ${error instanceof Error ? error.message : String(error)}`)
      } finally {
        registered.delete(cleanup)
      }
    })
  )
  return problems
}

/** Kills everything registered, synchronously. */
export function killAll(): void {
  for (const cleanup of registered) {
    try {
      cleanup.kill?.()
    } catch {
      // Already gone.
    }
  }
  registered.clear()
}
