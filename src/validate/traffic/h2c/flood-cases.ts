/** Abuse in bounds: the server may answer, refuse or end the connection; the others are served all the while. */
import type { RandomStream } from '../../../kit/random.ts'
import { encodeInteger, HpackEncoder } from '../../../wire/hpack.ts'
import {
  encodeFrame,
  FLAG,
  FRAME,
  headerFrames,
  pingFrame,
  rstStream,
  SETTING,
  settingsFrame,
  windowUpdate
} from '../../../wire/http2.ts'
import { H2C_FLOOD_CASES, H2C_NUMBERS, type H2cFloodId } from '../../catalogue/h2c/index.ts'
import { wait } from '../proof/bench.ts'
import {
  broken,
  inapplicable,
  inconclusive,
  KEPT,
  type Shot,
  type Trial,
  type Verdict
} from '../proof/trial.ts'
import { getFields, plain, postFields, toldStream, type Ground } from './ground.ts'
import { Session, type SessionOptions } from './session.ts'

/** Frames between two turns of our own loop. */
const BURST = 50
const STALLED_MS = 300

interface Flood {
  /** Sends; may return a verdict where nothing can be sent. */
  send(session: Session, ground: Ground): Promise<Verdict | void>
  /** The connection must serve on, or end; undefined where nothing more can be sent on it. */
  after: boolean
  options?: SessionOptions
}

/** So many units in bursts, as long as the server takes them. */
async function burst(session: Session, units: number, unit: (i: number) => Buffer): Promise<void> {
  for (let i = 0; i < units && session.open && session.inbound.goaway === undefined; i += BURST) {
    const frames = Array.from({ length: Math.min(BURST, units - i) }, (_, j) => unit(i + j))
    if (!(await session.write(...frames))) return
    await session.until(() => false, 1)
  }
}

/** The next stream of ours, opened by the frames of the flood. */
function next(session: Session, method = 'GET'): number {
  const id = Math.max(-1, ...session.inbound.streams.keys()) + 2
  session.expect(id, method)
  return id
}

const FLOODS: Record<H2cFloodId, Flood> = {
  'rapid-reset': {
    after: true,
    send: (session, ground) => {
      const block = new HpackEncoder().encode(getFields(ground))
      return burst(session, H2C_NUMBERS.resets, () => {
        const id = next(session)
        session.inbound.streams.get(id)!.cancelled = true
        return Buffer.concat([headerFrames(id, block, { endStream: true }), rstStream(id, 8)])
      })
    }
  },
  'reset-by-server': {
    after: true,
    send: async (session, ground) => {
      if (ground.post === undefined) return inapplicable(ground.noBody)
      const block = new HpackEncoder().encode(postFields(ground))
      await burst(session, H2C_NUMBERS.badStreams, () => {
        const id = next(session, 'POST')
        return Buffer.concat([headerFrames(id, block, { endStream: false }), windowUpdate(id, 0)])
      })
    }
  },
  'ping-flood': {
    after: true,
    send: (session) =>
      burst(session, H2C_NUMBERS.flood, (i) => pingFrame(Buffer.from(i.toString().padStart(8, '0'))))
  },
  'settings-flood': {
    after: true,
    send: (session) =>
      burst(session, H2C_NUMBERS.flood, (i) => {
        const values = { [SETTING.INITIAL_WINDOW_SIZE]: 65_535 - (i % 2) }
        session.inbound.offer(values)
        return settingsFrame(values)
      })
  },
  'empty-data': {
    after: true,
    send: async (session, ground) => {
      if (ground.post === undefined) return inapplicable(ground.noBody)
      const id = next(session, 'POST')
      await session.write(
        headerFrames(id, new HpackEncoder().encode(postFields(ground)), { endStream: false })
      )
      await burst(session, H2C_NUMBERS.flood, () => encodeFrame({ type: FRAME.DATA, stream: id }))
    }
  },
  'continuation-flood': {
    after: false,
    send: async (session, ground) => {
      const id = next(session)
      const block = new HpackEncoder().encode(getFields(ground))
      await session.write(
        encodeFrame({ type: FRAME.HEADERS, flags: FLAG.END_STREAM, stream: id, payload: block })
      )
      await burst(session, H2C_NUMBERS.continuations, (i) => {
        // A literal that is not indexed (RFC 7541 6.2.2), so that every frame can be decoded.
        const name = Buffer.from(`x-flood-${i}`)
        const value = Buffer.alloc(400, 0x61)
        const payload = Buffer.concat([
          Buffer.from([0]),
          encodeInteger(name.length, 7),
          name,
          encodeInteger(value.length, 7),
          value
        ])
        return encodeFrame({ type: FRAME.CONTINUATION, stream: id, payload })
      })
    }
  },
  'window-stall': {
    after: false,
    options: { settings: { [SETTING.INITIAL_WINDOW_SIZE]: 0 }, refill: false },
    send: async (session, ground) => {
      const count = Math.min(H2C_NUMBERS.stalled, session.inbound.peer.streams)
      for (let i = 0; i < count; i++) {
        if (ground.post === undefined) session.request(getFields(ground))
        else session.request(postFields(ground), { body: Buffer.alloc(20_000, 0x61) })
      }
      await session.until(() => session.over, STALLED_MS)
    }
  }
}

export function floodTrials(ground: Ground, random: RandomStream): Trial[] {
  return random.shuffle(H2C_FLOOD_CASES).map(({ id, title }) => ({
    id,
    group: 'flood',
    twin: () => plain(ground),
    shoot: () => shoot(ground, id, title)
  }))
}

async function shoot(ground: Ground, id: H2cFloodId, title: string): Promise<Shot> {
  const flood = FLOODS[id]
  const session = await Session.open(ground.bench, flood.options)
  if (typeof session === 'string') return { verdict: inconclusive(session) }
  const { transcript } = session.connection
  try {
    const early = await flood.send(session, ground)
    if (early !== undefined) return { verdict: early, transcript }
    await wait(0)
    if (!flood.after) return { verdict: KEPT, transcript }
    return { verdict: await goesOn(session, ground, title), transcript }
  } finally {
    session.destroy()
  }
}

/** After the flood the connection serves on, refuses, or ends; it does not fall silent. */
async function goesOn(session: Session, ground: Ground, title: string): Promise<Verdict> {
  const stream = session.request(getFields(ground))
  await session.settle([stream])
  if (session.fault !== undefined) {
    const { fault } = session
    return broken({
      predicate: 'I-H2C-FRAMING',
      severity: 'MED',
      standard: fault.standard,
      title: `${title}: ${fault.title}`,
      symptom: fault.symptom,
      proof: true
    })
  }
  if (session.settled(stream) || session.inbound.goaway !== undefined) return KEPT
  return broken({
    predicate: 'I-H2C-HANG',
    severity: 'MED',
    standard: 'RFC 9113 5.4',
    title: `after ${title} the connection is neither served nor ended: ${toldStream(session, stream)}`,
    symptom: 'silence after flood'
  })
}
