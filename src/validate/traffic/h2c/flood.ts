/** A flood of frames on one connection: so many units until the server reacts, or the bounds are reached (O15). */
import { errorName, FLAG, readSettings } from '../../../wire/http2.ts'
import {
  H2C_FLOOD_MS,
  type H2cFloodCase,
  type H2cFrame,
  type H2cUnitFrame
} from '../../catalogue/h2c/index.ts'
import { wait } from '../proof/bench.ts'
import { frameBytes, methodOf, repeated, type Making } from './frames.ts'
import { getFields, type Ground } from './ground.ts'
import type { Stream } from './inbound.ts'
import { Session } from './session.ts'

/** Units and bytes between two turns of our own loop. */
const MOST_BURST = 200
const BURST_BYTES = 64 * 1024
/** How many times the patience a flood may take until the request behind it is answered. */
const WORKED_OFF = 3

export interface Plan {
  opens: readonly H2cFrame[]
  unit: readonly H2cUnitFrame[]
  units: number
  ends: readonly H2cFrame[]
  reads: boolean
  paced?: boolean
  ms?: number | undefined
}

export interface Flooded {
  session: Session
  /** Units that left before the server reacted. */
  units: number
  bytes: number
  /** `GOAWAY ENHANCE_YOUR_CALM`, `closed: reset`, `none`. */
  reaction: string
  /** Streams that the units belong to. */
  streams: Stream[]
  /** The request that must be answered behind the flood, where one could still be sent. */
  last: Stream | undefined
}

export const planOf = (spec: H2cFloodCase): Plan => spec

/** So few units that they must be served. */
export const controlOf = (spec: H2cFloodCase): Plan => ({
  ...spec,
  unit: spec.control.unit ?? spec.unit,
  units: spec.control.units,
  reads: true
})

/** How the server has reacted, in words. */
export function reactionOf(session: Session): string {
  const { goaway } = session.inbound
  if (goaway !== undefined) return `GOAWAY ${errorName(goaway.code)}`
  return session.open ? 'none' : `closed: ${session.connection.state}`
}

/** Makes the units: bytes that do not change are made once, and get their stream. */
class Units {
  readonly #session: Session
  readonly #making: Making
  readonly #unit: readonly H2cUnitFrame[]
  readonly #fixed: (Buffer | undefined)[]
  readonly #opens: boolean
  readonly #cancels: boolean
  readonly streams: Stream[] = []

  constructor(session: Session, making: Making, unit: readonly H2cUnitFrame[]) {
    this.#session = session
    this.#making = making
    this.#unit = unit
    this.#opens = unit.some(({ stream }) => stream === 'new')
    this.#cancels = unit.some(({ type }) => type === 'RST_STREAM')
    this.#fixed = unit.map((frame) => (changes(frame) ? undefined : frameBytes(making, frame)))
  }

  make(n: number): Buffer {
    const id = this.#opens ? this.#open() : 0
    return Buffer.concat(
      this.#unit.map((frame, i) => {
        const fixed = this.#fixed[i]
        if (fixed === undefined)
          return frameBytes({ ...this.#making, n }, frame, frame.stream === 'new' ? id : frame.stream)
        if (frame.stream !== 'new') return fixed
        const bytes = Buffer.from(fixed)
        bytes.writeUInt32BE(id, 5)
        return bytes
      })
    )
  }

  #open(): number {
    const block = this.#unit.find((frame) => frame.block !== undefined)?.block
    const stream = this.#session.expectNext(methodOf(block))
    stream.cancelled = this.#cancels
    this.streams.push(stream)
    return stream.id
  }
}

/** Its bytes differ from unit to unit, or hold the stream. */
function changes({ hex, block }: H2cUnitFrame): boolean {
  return (
    (hex ?? '').includes('{stream}') || (block?.add ?? []).some(([name, value]) => /\{n\}/.test(name + value))
  )
}

/** @returns text where no connection was to be had */
export async function flood(ground: Ground, plan: Plan): Promise<Flooded | string> {
  const session = await Session.open(ground.bench)
  if (typeof session === 'string') return session
  const making: Making = { ground, most: session.inbound.peer.frame }
  const opened = plan.opens.map(({ stream, block }) => session.expect(stream, methodOf(block)))
  await session.write(...plan.opens.map((frame) => frameBytes(making, frame)))
  const units = new Units(session, making, plan.unit)
  const reacted = (): boolean => session.over || session.inbound.goaway !== undefined
  for (const frame of plan.unit) offered(session, frame, plan.units)
  const end = performance.now() + (plan.ms ?? H2C_FLOOD_MS)
  if (!plan.reads) session.connection.pause()
  let sent = 0
  let bytes = 0
  let most = 1
  while (sent < plan.units && !reacted() && performance.now() < end) {
    const burst: Buffer[] = []
    let size = 0
    while (burst.length < most && sent + burst.length < plan.units && size < BURST_BYTES) {
      burst.push(units.make(sent + burst.length))
      size += burst.at(-1)!.length
    }
    // Whoever reads nothing any more holds us back: that is a reaction, too, and ends with the time.
    const left = Math.max(1, end - performance.now())
    const written = await Promise.race([session.write(...burst), wait(left)])
    if (written !== true) break
    sent += burst.length
    bytes += size
    // Few at first, so that an early reaction is counted well.
    most = Math.min(MOST_BURST, most * 2)
    if (plan.paced === true) {
      most = Math.min(most, Math.max(1, session.inbound.peer.streams))
      await session.settle(units.streams.slice(-burst.length), left)
    } else if (plan.reads) await session.until(reacted, 0)
  }
  if (!plan.reads) session.connection.resume()
  await session.until(reacted, 0)
  const flooded = {
    session,
    units: sent,
    bytes,
    streams: plan.unit.some(({ stream }) => stream === 'new') ? units.streams : opened
  }
  if (reacted()) return { ...flooded, reaction: reactionOf(session), last: undefined }
  const last = plan.ends.length === 0 ? session.request(getFields(ground)) : opened[0]!
  if (plan.ends.length > 0) void session.write(...plan.ends.map((frame) => frameBytes(making, frame)))
  // The server may first work off what it was sent.
  await session.settle([last], WORKED_OFF * ground.bench.patienceMs)
  return { ...flooded, reaction: reactionOf(session), last }
}

/** Settings of ours are acknowledged one by one; they are all the same. */
function offered(session: Session, { type, flags, hex, times }: H2cUnitFrame, units: number): void {
  if (type !== 'SETTINGS' || (flags & FLAG.ACK) !== 0) return
  const payload = Buffer.from(repeated(hex ?? '', times ?? 1), 'hex')
  session.inbound.offer(Object.fromEntries(readSettings(payload)))
  session.inbound.spareAcks += units
}
