/** Clients that go at chosen moments of an HTTP/2 connection, while others are served. */
import type { RandomStream } from '../../../kit/random.ts'
import { HpackEncoder } from '../../../wire/hpack.ts'
import { encodeFrame, FRAME, headerFrames, PREFACE } from '../../../wire/http2.ts'
import type { Connection } from '../../../wire/tcp.ts'
import {
  H2C_KILL_STAGES,
  H2C_KILL_WAYS,
  H2C_NUMBERS,
  type H2cKillStage,
  type H2cKillWay
} from '../../catalogue/h2c/index.ts'
import { wait, type Bench } from '../proof/bench.ts'
import type { Holding } from '../proof/holding.ts'
import type { Death } from '../proof/remains.ts'
import { inapplicable, inconclusive, KEPT, type Trial } from '../proof/trial.ts'
import { getFields, plain, postFields, type Ground } from './ground.ts'
import { Session } from './session.ts'
import { PLAIN_UPGRADE, readUpgrade, upgradeBytes } from './upgrade.ts'
import { upgradeTwin, type UpgradeGround } from './upgrade-cases.ts'

/** How long a silent client stays, ms. */
const SILENT_MS = 500
const AFTER_FIN_MS = 30
/** Time for responses to fill the socket of a client that does not read, ms. */
const UNREAD_MS = 50

export interface KillGround {
  bench: Bench
  /** Known where the server speaks HTTP/2 with prior knowledge. */
  prior: Ground | undefined
  upgrade: UpgradeGround | undefined
  holding: Holding
}

/** Brings a client to the stage: its connection, or undefined where the stage was not reached. */
async function reach(
  ground: KillGround,
  stage: H2cKillStage,
  random: RandomStream
): Promise<Connection | undefined> {
  const { bench, prior } = ground
  switch (stage) {
    case 'before-preface':
      return bench.connect()
    case 'in-preface': {
      const connection = await bench.connect()
      return (await bench.write(connection, PREFACE.subarray(0, random.int(1, PREFACE.length - 1))))
        ? connection
        : undefined
    }
    case 'up-in-request':
    case 'up-unread':
    case 'up-after-101':
    case 'up-in-preface':
      return reachUpgrade(ground, stage, random)
    default:
      return prior === undefined ? undefined : reachSession(prior, stage, random)
  }
}

async function reachUpgrade(
  { bench, upgrade }: KillGround,
  stage: H2cKillStage,
  random: RandomStream
): Promise<Connection | undefined> {
  const connection = await bench.connect()
  const bytes = upgradeBytes(bench, upgrade?.path ?? bench.path, PLAIN_UPGRADE)
  const part = stage === 'up-in-request' ? bytes.subarray(0, random.int(10, bytes.length - 3)) : bytes
  if (stage === 'up-unread') connection.pause()
  else bench.context.tally.add('h2c_sent')
  if (!(await bench.write(connection, part))) return undefined
  if (stage === 'up-in-request' || stage === 'up-unread') return connection
  if ((await readUpgrade(bench, connection)).kind !== 'upgraded') return undefined
  if (stage === 'up-in-preface') await bench.write(connection, PREFACE.subarray(0, random.int(1, 23)))
  return connection
}

async function reachSession(
  ground: Ground,
  stage: H2cKillStage,
  random: RandomStream
): Promise<Connection | undefined> {
  const session = await Session.open(ground.bench)
  if (typeof session === 'string') return undefined
  const { connection } = session
  const block = new HpackEncoder().encode(getFields(ground))
  let reached = true
  if (stage === 'in-headers') {
    const cut = random.int(1, block.length - 1)
    const head = encodeFrame({ type: FRAME.HEADERS, stream: 1, payload: block.subarray(0, cut) })
    // Either the frame ends early or the block does.
    const bytes =
      random.int(0, 1) === 0 ? head : headerFrames(1, block, { endStream: true }).subarray(0, 9 + cut)
    reached = await session.write(bytes)
  }
  if (stage === 'in-body' && ground.post !== undefined) {
    const post = new HpackEncoder().encode(postFields(ground))
    const data = encodeFrame({ type: FRAME.DATA, stream: 1, payload: Buffer.alloc(100) })
    reached = await session.write(headerFrames(1, post, { endStream: false }), data)
  } else if (stage === 'in-body') return undefined
  if (stage === 'unread' || stage === 'after-goaway') {
    if (stage === 'unread') connection.pause()
    const count = Math.min(H2C_NUMBERS.unread, session.inbound.peer.streams)
    for (let i = 0; i < count; i++)
      if (ground.post === undefined) session.request(getFields(ground))
      else session.request(postFields(ground), { body: Buffer.alloc(5000, 0x61) })
    if (stage === 'after-goaway') session.goaway()
    await wait(UNREAD_MS)
  }
  return reached ? connection : undefined
}

/** One client to the stage and away. True where the stage was reached. */
async function die(
  ground: KillGround,
  stage: H2cKillStage,
  way: H2cKillWay,
  random: RandomStream
): Promise<boolean> {
  const connection = await reach(ground, stage, random)
  if (connection === undefined) return false
  ground.holding.gone.add(connection.localPort)
  if (way === 'silence') await wait(SILENT_MS)
  if (way === 'fin') {
    connection.end()
    await wait(AFTER_FIN_MS)
    connection.destroy()
  } else {
    connection.reset()
    ground.bench.context.tally.add('h2c_intentional_rst')
  }
  return true
}

/** Why a stage cannot be reached on this server. */
function missing(
  { prior, upgrade }: KillGround,
  id: H2cKillStage,
  over: 'prior' | 'upgrade'
): string | undefined {
  if (over === 'upgrade') return upgrade?.upgrades === true ? undefined : 'the server never upgrades to h2c'
  if (prior === undefined) return 'the server does not speak HTTP/2 with prior knowledge'
  return id === 'in-body' && prior.post === undefined ? prior.noBody : undefined
}

export function killTrials(ground: KillGround, random: RandomStream): Trial[] {
  return H2C_KILL_STAGES.flatMap((stage) =>
    H2C_KILL_WAYS.map((way): Trial => {
      const reason = missing(ground, stage.id, stage.over)
      return {
        id: `kill-${stage.id}-${way.id}`,
        group: 'kill',
        twin: () => {
          if (reason !== undefined) return Promise.resolve(undefined)
          return stage.over === 'prior' ? plain(ground.prior!) : upgradeTwin(ground.upgrade!)
        },
        shoot: async () => {
          if (reason !== undefined) return { verdict: inapplicable(reason) }
          const all = await Promise.all(
            Array.from({ length: H2C_NUMBERS.clients }, () => die(ground, stage.id, way.id, random))
          )
          return { verdict: all.some(Boolean) ? KEPT : inconclusive('the moment was not reached') }
        }
      }
    })
  )
}

/** The deaths after which nothing may remain, for the search of a leak. */
export function deathsOf(ground: KillGround): Death[] {
  return H2C_KILL_STAGES.filter(({ id, over }) => missing(ground, id, over) === undefined).flatMap((stage) =>
    H2C_KILL_WAYS.filter(({ id }) => id !== 'silence').map((way) => ({
      id: `kill-${stage.id}-${way.id}`,
      title: `${stage.title} with ${way.title}`,
      batch: (random: RandomStream) => async () => {
        const all = await Promise.all(
          Array.from({ length: H2C_NUMBERS.batch }, () => die(ground, stage.id, way.id, random))
        )
        return all.filter(Boolean).length
      }
    }))
  )
}
