import { runPost } from '../../src/kit/action.ts'
import { processesMarked } from '../../src/target/processes.ts'

/** Ends servers and backends that a main step, killed by the runner, could not end itself. */
export const validateMatrixPost = (): Promise<never> =>
  runPost(async ({ log, state }) => {
    const mark = state.read('run')
    if (mark === undefined) return
    for (const pid of processesMarked(mark)) {
      if (pid === process.pid) continue
      log.warn(`process ${pid} was left behind and is ended`)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself meanwhile.
      }
    }
  })
