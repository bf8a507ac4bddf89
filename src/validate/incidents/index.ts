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
import { lastSent } from '../../wire/recent.ts'
import { hexOf } from './hex.ts'

export interface IncidentOptions {
  /** Folder of all incidents of the run. */
  folder: string
  finding: Finding
  draft: FindingDraft
  target: Target
  /** What was looked at before, oldest first: the newest samples of the property loop. */
  samples?: readonly object[]
  /** Facts for incident.json: seed, arch, suite version. */
  facts: Readonly<Record<string, string>>
}

/** For all that has to be asked of the server or the kernel. */
const WHOLE_MS = 10_000
const PIECE_MS = 4000
/** Processes of a server that are looked at one by one. */
const MOST_PROCESSES = 16
const MOST_BYTES = 8 << 20

class Missing extends Error {}

/** Makes a folder that was not there before; undefined where none can be made. */
export async function freshFolder(parent: string, finding: Finding): Promise<string | undefined> {
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-')
  const parts = [finding.predicate, finding.cell ?? 'cell', finding.id ?? 'f']
  const name = [stamp, ...parts.map((part) => part.replaceAll(/[^\w.-]/g, '_'))].join('-')
  for (let i = 1; i <= 100; i++) {
    const tried = i === 1 ? name : `${name}-${i}`
    try {
      await mkdir(parent, { recursive: true })
      await mkdir(join(parent, tried))
      return tried
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return undefined
    }
  }
  return undefined
}

/**
 * Writes the dossier. Never throws.
 * @returns the name of its folder below `folder`; undefined where no folder can be made
 */
export async function openIncident(options: IncidentOptions): Promise<string | undefined> {
  const { finding, draft, target } = options
  const name = await freshFolder(options.folder, finding)
  if (name === undefined) return undefined
  const folder = join(options.folder, name)
  // What went out until now; our own questions would push it out.
  const lastRequests = lastSent(target.port)
  let end = performance.now() + WHOLE_MS
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

  // What perishes first, first; the profiles at the same time, since a server that hangs keeps each of them waiting.
  await capture('sockets.txt', () => sockets(target.port))
  const { pid } = target
  const pids = await processes(target)
  await capture('census.json', async () => {
    const now = present(await target.census(), pid === undefined ? NO_PID : `process ${pid} is gone`)
    return `${JSON.stringify({ now, before: options.samples ?? [] }, null, 2)}\n`
  })
  for (const file of ['status', 'limits', 'wchan', 'stack', 'smaps_rollup', 'maps']) {
    await capture(`proc-${file}.txt`, () => procFiles(pids, file))
  }
  await capture('proc-fd.txt', async () => {
    if (pids.length === 0) throw new Missing(NO_PID)
    return (await Promise.all(pids.map((one) => descriptors(one, pids.length > 1)))).join('')
  })
  await capture('goroutine-stacks.txt', () => pprof(target, 'goroutine?debug=2'))
  await Promise.all([
    capture('heap.pprof', () => pprof(target, 'heap')),
    capture('debug-vars.json', () => side(target, '/debug/vars'))
  ])
  // What we hold ourselves costs no time and is not subject to the limit.
  end = Infinity
  await capture('refapp_output_tail.txt', async () => {
    const lines = target.output()
    if (lines.length === 0) throw new Missing('the server printed nothing, or is not ours')
    return `${lines.join('\n')}\n`
  })
  const sent = (): Buffer => present(draft.sent, 'the oracle holds no single message')
  const received = (): Buffer => present(draft.received, 'the oracle holds no single answer')
  await capture('sent.bin', async () => sent())
  await capture('sent.hex', async () => hexOf(sent()))
  await capture('received.bin', async () => received())
  await capture('received.hex', async () => hexOf(received()))
  await capture('transcript.txt', async () => present(draft.transcript, 'the oracle holds no transcript'))
  await capture('last_requests.txt', async () => present(lastRequests, 'nothing was sent to this server yet'))
  await capture('samples.json', async () => {
    const samples = options.samples ?? []
    if (samples.length === 0) throw new Missing('the property loop had not begun')
    return `${JSON.stringify(samples, null, 2)}\n`
  })
  await capture('incident.json', async () => {
    const document = {
      finding,
      ...options.facts,
      observed_at: finding.observed_at,
      pid: pid ?? null,
      exit: target.exit() ?? null
    }
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

const NO_PID = 'no process id is known'

/** The processes of the server, the launched one first; empty without a process id. */
async function processes(target: Target): Promise<readonly number[]> {
  if (target.pid === undefined) return []
  const census = await Promise.race([
    target.census().catch(() => undefined),
    new Promise<undefined>((resolve) => setTimeout(resolve, 1000, undefined).unref())
  ])
  return census?.pids.slice(0, MOST_PROCESSES) ?? [target.pid]
}

/** A file of /proc of each process; those that cannot be read say why, unless none can. */
async function procFiles(pids: readonly number[], file: string): Promise<string> {
  if (pids.length === 0) throw new Missing(NO_PID)
  let reason: unknown
  let read = 0
  const parts = await Promise.all(
    pids.map(async (pid) => {
      const title = pids.length > 1 ? `== process ${pid}\n` : ''
      try {
        const text = await readFile(`/proc/${pid}/${file}`, 'latin1')
        read += 1
        return `${title}${text.endsWith('\n') ? text : `${text}\n`}`
      } catch (error) {
        reason = error
        return `${title}${error instanceof Error ? error.message : String(error)}\n`
      }
    })
  )
  if (read === 0) throw reason instanceof Error ? reason : new Missing(String(reason))
  return parts.join('')
}

async function descriptors(pid: number, titled: boolean): Promise<string> {
  const names = await readdir(`/proc/${pid}/fd`)
  const lines = await Promise.all(
    names.map(async (name) => `${name} -> ${await readlink(`/proc/${pid}/fd/${name}`).catch(() => 'gone')}`)
  )
  return `${titled ? `== process ${pid}\n` : ''}${lines.join('\n')}\n`
}

/** From the side listener, or from the server itself where it has none: many mount their profiles there. */
async function side(target: Target, path: string): Promise<string> {
  const { host, port } = target.debug ?? target
  const where =
    target.debug === undefined ? 'the server itself, which has no side listener' : 'the side listener'
  const answer = await get(host, port, path, PIECE_MS - 200)
  if (answer.error !== undefined) throw new Missing(`GET ${path} of ${where}: ${answer.error}`)
  if (answer.status !== 200) throw new Missing(`GET ${path} of ${where}: status ${answer.status}`)
  return answer.body ?? ''
}

async function pprof(target: Target, profile: string): Promise<string> {
  return side(target, `/debug/pprof/${profile}`)
}
