/** From the start of an action to its first line. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Milliseconds, one figure a start. */
export async function measureStartup(stub: string, times: number): Promise<number[]> {
  const figures: number[] = []
  const folder = mkdtempSync(join(tmpdir(), 'probatorium-bench-'))
  try {
    // One more, not counted: the first reads the files from the disk.
    for (let i = 0; i <= times; i++) {
      const ms = await start(stub, folder)
      if (i > 0) figures.push(ms)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return figures
}

async function start(stub: string, folder: string): Promise<number> {
  const begun = performance.now()
  const child = spawn(process.execPath, [stub], {
    cwd: folder,
    env: {
      ...process.env,
      INPUT_REFAPPS: 'shop',
      INPUT_ENGINES: 'node-http',
      INPUT_DURATION: '10s',
      INPUT_OUT: join(folder, 'out'),
      'INPUT_UPLOAD-ARTIFACT': 'false'
    },
    stdio: ['ignore', 'pipe', 'ignore']
  })
  const ended = once(child, 'exit')
  const first = await Promise.race([
    once(child.stdout, 'data').then(() => performance.now() - begun),
    ended.then(() => undefined)
  ])
  child.stdout.resume()
  child.kill('SIGTERM')
  await ended
  if (first === undefined) throw new Error(`${stub} ended without a line`)
  return first
}
