/**
 * Forensics of the first HIGH: what perishes soonest is captured first, before anything is stopped.
 * What could not be captured leaves `NAME.missing` with the reason; nothing aborts the dossier.
 */
import { execa } from 'execa'
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finding } from '../../documents/finding.ts'
import type { Target } from '../../target/types.ts'
import type { FindingDraft } from '../contracts.ts'
import { redact } from '../../kit/secrets.ts'
import { get } from '../properties/probe.ts'

export interface IncidentOptions {
  /** Folder of all incidents of the run. */
  folder: string
  finding: Finding
  draft: FindingDraft
  target: Target
  /** Facts for incident.json: seed, arch, suite version. */
  facts: Readonly<Record<string, string>>
}

const WHOLE_MS = 10_000
const PIECE_MS = 5000
const MOST_BYTES = 8 << 20

class Missing extends Error {}

/** Writes the dossier; returns the name of its folder below `folder`. Never throws. */
export async function openIncident(options: IncidentOptions): Promise<string> {
  const { finding, draft, target } = options
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-')
  const cell = (finding.cell ?? 'cell').replaceAll('/', '_')
  const name = `${stamp}-${finding.predicate}-${cell}-${finding.id ?? 'f'}`
  const folder = join(options.folder, name)
  try {
    await mkdir(folder, { recursive: true })
  } catch {
    return name
  }
  const end = performance.now() + WHOLE_MS
  const tried: string[] = []
  const capture = async (file: string, piece: () => Promise<string | Buffer>): Promise<void> => {
    const begun = performance.now()
    let state = 'captured'
    try {
      if (begun >= end) throw new Missing('the time for forensics was used up')
      const limit = Math.min(PIECE_MS, end - begun)
      const content = await Promise.race([
        piece(),
        new Promise<never>((_, reject) =>
          setTimeout(
            () => reject(new Missing(`not done within ${(limit / 1000).toFixed(1)} s`)),
            limit
          ).unref()
        )
      ])
      const kept = content.length > MOST_BYTES ? content.slice(0, MOST_BYTES) : content
      await writeFile(join(folder, file), typeof kept === 'string' ? redact(kept) : kept)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      state = `missing: ${reason.split('\n')[0]}`
      await writeFile(join(folder, `${file}.missing`), `${redact(reason)}\n`).catch(() => undefined)
    }
    tried.push(`${file}  ${state}  ${Math.round(performance.now() - begun)} ms`)
  }

  await capture('sockets.txt', () => sockets(target.port))
  const { pid } = target
  for (const file of ['status', 'limits', 'wchan', 'stack', 'smaps_rollup', 'maps']) {
    await capture(`proc-${file}.txt`, () => procFile(pid, file))
  }
  await capture('proc-fd.txt', () => descriptors(pid))
  await capture('goroutine-stacks.txt', () => pprof(target, 'goroutine?debug=2'))
  await capture('heap.pprof', () => pprof(target, 'heap'))
  await capture('debug-vars.json', () => side(target, '/debug/vars'))
  await capture('refapp_output_tail.txt', async () => {
    const lines = target.output()
    if (lines.length === 0) throw new Missing('the server printed nothing, or is not ours')
    return `${lines.join('\n')}\n`
  })
  await capture('sent.bin', async () => present(draft.sent, 'the oracle holds no single message'))
  await capture('received.bin', async () => present(draft.received, 'the oracle holds no single answer'))
  await capture('transcript.txt', async () => present(draft.transcript, 'the oracle holds no transcript'))
  await capture('incident.json', async () => {
    const document = { finding, ...options.facts, observed_at: finding.observed_at, pid: pid ?? null }
    return `${JSON.stringify(document, null, 2)}\n`
  })
  await writeFile(join(folder, 'forensics_status.txt'), `${tried.join('\n')}\n`).catch(() => undefined)
  return name
}

function present<T>(value: T | undefined, otherwise: string): T {
  if (value === undefined) throw new Missing(otherwise)
  return value
}

async function sockets(port: number): Promise<string> {
  const filter = ['(', 'sport', '=', `:${port}`, 'or', 'dport', '=', `:${port}`, ')']
  try {
    const { stdout } = await execa('ss', ['-tanpi', ...filter], { timeout: PIECE_MS, maxBuffer: MOST_BYTES })
    return `${stdout}\n`
  } catch {
    const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
    const lines = (await readFile('/proc/net/tcp', 'latin1')).split('\n')
    return `${lines.filter((line, i) => i === 0 || line.includes(hex)).join('\n')}\n`
  }
}

async function procFile(pid: number | undefined, file: string): Promise<string> {
  if (pid === undefined) throw new Missing('no process id is known')
  return readFile(`/proc/${pid}/${file}`, 'latin1')
}

async function descriptors(pid: number | undefined): Promise<string> {
  if (pid === undefined) throw new Missing('no process id is known')
  const names = await readdir(`/proc/${pid}/fd`)
  const lines = await Promise.all(
    names.map(async (name) => `${name} -> ${await readlink(`/proc/${pid}/fd/${name}`).catch(() => 'gone')}`)
  )
  return `${lines.join('\n')}\n`
}

async function side(target: Target, path: string): Promise<string> {
  if (target.debug === undefined) throw new Missing('the server has no side listener')
  const answer = await get(target.debug.host, target.debug.port, path, PIECE_MS)
  if (answer.error !== undefined) throw new Missing(`GET ${path}: ${answer.error}`)
  if (answer.status !== 200) throw new Missing(`GET ${path}: status ${answer.status}`)
  return answer.body ?? ''
}

function pprof(target: Target, profile: string): Promise<string> {
  return side(target, `/debug/pprof/${profile}`)
}
