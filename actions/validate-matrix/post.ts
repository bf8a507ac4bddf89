import { readdir, readFile } from 'node:fs/promises'
import { runPost } from '../../src/kit/action.ts'

/** Marks every process of a run, so that the post step finds what the main step left behind. */
const MARK = 'PROBATORIUM_RUN'

/** Ends servers and backends that a main step, killed by the runner, could not end itself. */
export const validateMatrixPost = (): Promise<never> =>
  runPost(async ({ log, state }) => {
    const started = state.read('started')
    if (started === undefined) return
    const left = await leftBehind(`${MARK}=${started}`)
    for (const pid of left) {
      log.warn(`process ${pid} was left behind and is ended`)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself meanwhile.
      }
    }
  })

async function leftBehind(mark: string): Promise<number[]> {
  const names = (await readdir('/proc').catch(() => [] as string[])).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    names.map(async (name) => {
      const environ = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '')
      return environ.split('\0').includes(mark) && Number(name) !== process.pid ? [Number(name)] : []
    })
  )
  return found.flat()
}
