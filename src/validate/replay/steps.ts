/** From transcripts to the steps of a replay file, and back to the bytes. */
import type { Replay, RecordedExchange, Step } from '../../documents/replay.ts'
import type { Transcript, TranscriptEntry } from '../../wire/transcript.ts'

/** Between two of our own steps, a gap that is kept as a pause, ms; shorter ones are our own slowness. */
const LEAST_PAUSE_MS = 8
/** Bound of a barrier: a busy machine is slower than the one that recorded, ms. */
const BARRIER_MS = 5000
/** Of what came, so much of each connection is kept. */
const MOST_RECEIVED = 64 * 1024

interface Timed {
  conn: number
  /** Microseconds on the clock of the process. */
  at: number
  entry: TranscriptEntry
}

function inOrder(wire: readonly Transcript[]): Timed[] {
  const all = wire.flatMap((transcript, conn) => {
    const begun = Number(transcript.begun / 1000n)
    return transcript.entries.map((entry): Timed => ({ conn, at: begun + entry.at, entry }))
  })
  return all.sort((a, b) => a.at - b.at)
}

/** What was done, in order; undefined where no connection was made. */
export function exchangeOf(wire: readonly Transcript[]): RecordedExchange | undefined {
  const connected = wire.filter(({ entries }) => entries.some(({ what }) => what === 'connect'))
  if (connected.length === 0) return undefined
  const steps: Step[] = []
  const unread = new Set<number>()
  const over = new Map<number, 'fin' | 'rst' | 'us'>()
  let last: number | undefined
  /** Puts a step, behind the barrier that it waited for. */
  const put = (step: Step, at: number): void => {
    if (unread.delete(step.conn)) {
      steps.push({ conn: step.conn, op: 'read-until', barrier: 'answer', ms: BARRIER_MS })
    } else if (last !== undefined && (at - last) / 1000 >= LEAST_PAUSE_MS && step.op !== 'connect') {
      steps.push({ conn: step.conn, op: 'pause', ms: Math.round((at - last) / 1000) })
    }
    steps.push(step)
    last = at
  }
  for (const { conn, at, entry } of inOrder(connected)) {
    if (over.get(conn) === 'us') continue
    if (entry.kind === 'received') unread.add(conn)
    else if (entry.kind === 'sent') put({ conn, op: 'send', bytes_b64: entry.bytes!.toString('base64') }, at)
    else if (entry.what === 'connect') put({ conn, op: 'connect' }, at)
    else if (entry.what === 'fin') put({ conn, op: 'fin' }, at)
    else if (entry.what === 'rst') {
      put({ conn, op: 'rst' }, at)
      over.set(conn, 'us')
    } else if (entry.what === 'close') over.set(conn, over.get(conn) ?? 'us')
    else if (entry.what === 'peer-fin') over.set(conn, 'fin')
    else if (entry.what === 'peer-rst') over.set(conn, 'rst')
  }
  const reset = new Set(steps.flatMap(({ op, conn }) => (op === 'rst' ? [conn] : [])))
  for (const conn of connected.keys()) {
    if (reset.has(conn)) continue
    const closed = over.get(conn) === 'fin' || over.get(conn) === 'rst'
    steps.push({ conn, op: 'read-until', barrier: closed ? 'close' : 'answer', ms: BARRIER_MS })
  }
  const lost = connected.reduce((sum, { dropped }) => sum + dropped.sent, 0)
  return {
    steps,
    received_b64: connected.map((one) => one.receivedBytes().subarray(0, MOST_RECEIVED).toString('base64')),
    ended: connected.map((_, conn) => {
      const how = over.get(conn)
      return how === 'fin' || how === 'rst' ? how : 'open'
    }),
    ...(lost > 0 ? { sent_not_kept: lost } : {})
  }
}

/** Where the authority of the server stands in the bytes that were sent. */
export function placesOf(
  authority: string,
  parts: { case?: RecordedExchange | undefined; twin?: RecordedExchange | undefined }
): Replay['authority_at'] {
  const found: Replay['authority_at'] = []
  for (const part of ['case', 'twin'] as const) {
    for (const [step, entry] of (parts[part]?.steps ?? []).entries()) {
      if (entry.op !== 'send') continue
      const bytes = Buffer.from(entry.bytes_b64, 'base64')
      for (let at = bytes.indexOf(authority); at >= 0; at = bytes.indexOf(authority, at + authority.length))
        found.push({ part, step, at, length: authority.length })
    }
  }
  return found
}

/** All bytes of the send steps, in order. */
export function bytesSent(exchange: RecordedExchange | undefined): Buffer {
  return Buffer.concat(
    (exchange?.steps ?? []).flatMap((step) =>
      step.op === 'send' ? [Buffer.from(step.bytes_b64, 'base64')] : []
    )
  )
}

export function bytesReceived(exchange: RecordedExchange | undefined): Buffer {
  return Buffer.concat((exchange?.received_b64 ?? []).map((one) => Buffer.from(one, 'base64')))
}

/**
 * The steps for another server: the authority is written anew in the heads of requests. In bodies and in frames it
 * stays, for a length stands before it.
 */
export function readdressed(replay: Replay, part: 'case' | 'twin', authority: string): Step[] {
  const steps = (part === 'case' ? replay.exchange : replay.twin)?.steps ?? []
  const heads = new Set<number>()
  return steps.map((step, i): Step => {
    if (step.op !== 'send' || heads.has(step.conn)) return step
    let bytes = Buffer.from(step.bytes_b64, 'base64')
    const end = bytes.indexOf('\r\n\r\n')
    if (end >= 0 || bytes.indexOf('\0') >= 0) heads.add(step.conn)
    const places = replay.authority_at.filter((one) => one.part === part && one.step === i)
    for (const { at, length } of places.sort((a, b) => b.at - a.at)) {
      const before = bytes.toString('latin1', Math.max(0, at - 8), at)
      if (!/(Host:[ \t]*|https?:\/\/)$/i.test(before) || (end >= 0 && at > end)) continue
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(authority), bytes.subarray(at + length)])
    }
    return { ...step, bytes_b64: bytes.toString('base64') }
  })
}
