/** Clients that go at chosen moments of an HTTP/2 connection, while others are served. */
import type { RandomStream } from '../../../kit/random.ts'
import { HpackEncoder } from '../../../wire/hpack.ts'
import { encodeFrame, FRAME, headerFrames, PREFACE } from '../../../wire/http2.ts'
import type { Connection } from '../../../wire/tcp.ts'
import { H2C_STAGES, stageCaseId, type H2cStage, type H2cWay } from '../../catalogue/h2c/index.ts'
import { wait, type Bench } from '../proof/bench.ts'
import type { Holding } from '../proof/holding.ts'
import type { Death } from '../proof/remains.ts'
import { inapplicable, inconclusive, KEPT, type Trial } from '../proof/trial.ts'
import { getFields, plain, postFields, type Ground } from './ground.ts'
import { Session } from './session.ts'
import { PLAIN_UPGRADE, readUpgrade, sessionBehind, upgradeBytes } from './upgrade.ts'
import { upgradeTwin, type UpgradeGround } from './upgrade-cases.ts'

const AFTER_FIN_MS = 30
/** Time for responses to fill the socket of a client that does not read, ms. */
const UNREAD_MS = 50

const figure = (name: string): number => H2C_STAGES.numbers[name]!

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
  stage: string,
  random: RandomStream
): Promise<Connection | undefined> {
  const { bench, prior } = ground
  if (stage === 'x-before-preface') return bench.connect()
  if (stage === 's3-half-preface' && prior !== undefined) {
    const connection = await bench.connect()
    return (await bench.write(connection, partOfPreface(random))) ? connection : undefined
  }
  const byUpgrade = ['s0-partial-request', 's1-before-101', 's2-after-101', 'x-half-preface-101']
  if (byUpgrade.includes(stage) || stage === 's3-half-preface') return reachUpgrade(ground, stage, random)
  const session = prior === undefined ? await upgraded(ground) : await Session.open(bench)
  return typeof session === 'object' ? reachSession(ground, session, stage, random) : undefined
}

const partOfPreface = (random: RandomStream): Buffer => PREFACE.subarray(0, random.int(1, PREFACE.length - 1))

async function reachUpgrade(
  { bench, upgrade }: KillGround,
  stage: string,
  random: RandomStream
): Promise<Connection | undefined> {
  const connection = await bench.connect()
  const bytes = upgradeBytes(bench, upgrade?.path ?? bench.path, PLAIN_UPGRADE)
  const part = stage === 's0-partial-request' ? bytes.subarray(0, random.int(10, bytes.length - 3)) : bytes
  if (stage === 's1-before-101') connection.pause()
  else bench.context.tally.add('h2c_sent')
  if (!(await bench.write(connection, part))) return undefined
  if (stage === 's0-partial-request' || stage === 's1-before-101') return connection
  if ((await readUpgrade(bench, connection)).kind !== 'upgraded') return undefined
  if (stage !== 's2-after-101' && !(await bench.write(connection, partOfPreface(random)))) return undefined
  return connection
}

/** HTTP/2 behind a 101, where the server does not speak it with prior knowledge. */
async function upgraded({ bench, upgrade }: KillGround): Promise<Session | undefined> {
  const connection = await bench.connect()
  bench.context.tally.add('h2c_sent')
  await bench.write(connection, upgradeBytes(bench, upgrade?.path ?? bench.path, PLAIN_UPGRADE))
  if ((await readUpgrade(bench, connection)).kind !== 'upgraded') return undefined
  const session = await sessionBehind(bench, connection)
  return (await session.greeted()) === undefined ? session : undefined
}

async function reachSession(
  { bench, prior, upgrade }: KillGround,
  session: Session,
  stage: string,
  random: RandomStream
): Promise<Connection | undefined> {
  const { connection } = session
  const get = { path: prior?.get.path ?? upgrade?.path ?? bench.path, status: 0, body: undefined }
  const fields = getFields({ authority: bench.context.target.authority, get })
  const post = prior?.post === undefined ? undefined : postFields(prior)
  let reached = true
  if (stage === 's5-in-headers') {
    const block = new HpackEncoder().encode(fields)
    const id = prior === undefined ? 3 : 1
    const cut = random.int(1, block.length - 1)
    const head = encodeFrame({ type: FRAME.HEADERS, stream: id, payload: block.subarray(0, cut) })
    // Either the frame ends early or the block does.
    const bytes =
      random.int(0, 1) === 0 ? head : headerFrames(id, block, { endStream: true }).subarray(0, 9 + cut)
    reached = await session.write(bytes)
  }
  if (stage === 'x-in-body') {
    if (post === undefined) return undefined
    const data = encodeFrame({ type: FRAME.DATA, stream: 1, payload: Buffer.alloc(100) })
    reached = await session.write(
      headerFrames(1, new HpackEncoder().encode(post), { endStream: false }),
      data
    )
  }
  if (stage === 's6-open-streams' || stage === 's7-goaway') {
    if (stage === 's6-open-streams') connection.pause()
    const count = Math.min(figure('streams'), session.inbound.peer.streams)
    for (let i = 0; i < count; i++)
      if (post === undefined) session.request(fields)
      else session.request(post, { body: Buffer.alloc(1000, 0x61) })
    if (stage === 's7-goaway') session.goaway()
    await wait(UNREAD_MS)
  }
  return reached ? connection : undefined
}

/** One client to the stage and away. True where the stage was reached. */
async function die(
  ground: KillGround,
  stage: string,
  way: H2cWay['id'],
  random: RandomStream
): Promise<boolean> {
  const connection = await reach(ground, stage, random)
  if (connection === undefined) return false
  ground.holding.gone.add(connection.localPort)
  if (way === 'pause') await wait(figure('pauseMs'))
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
function missing({ prior, upgrade }: KillGround, { id, over }: H2cStage): string | undefined {
  const upgrades = upgrade?.upgrades === true
  if (over === 'upgrade') return upgrades ? undefined : 'the server never upgrades to h2c'
  if (prior === undefined) {
    if (over === 'either' && upgrades) return undefined
    return 'the server does not speak HTTP/2 with prior knowledge'
  }
  return id === 'x-in-body' && prior.post === undefined ? prior.noBody : undefined
}

export function killTrials(ground: KillGround, random: RandomStream): Trial[] {
  const { stages, ways } = H2C_STAGES
  return stages.flatMap((stage) =>
    ways.map((way): Trial => {
      const reason = missing(ground, stage)
      const byUpgrade = stage.over === 'upgrade' || ground.prior === undefined
      return {
        id: stageCaseId(stage.id, way.id),
        group: stage.group,
        twin: () => {
          if (reason !== undefined) return Promise.resolve(undefined)
          return byUpgrade ? upgradeTwin(ground.upgrade!) : plain(ground.prior!)
        },
        shoot: async () => {
          if (reason !== undefined) return { verdict: inapplicable(reason) }
          const all = await Promise.all(
            Array.from({ length: figure('clients') }, () => die(ground, stage.id, way.id, random))
          )
          return { verdict: all.some(Boolean) ? KEPT : inconclusive('the moment was not reached') }
        }
      }
    })
  )
}

/** The deaths after which nothing may remain, for the search of a leak. */
export function deathsOf(ground: KillGround): Death[] {
  const { stages, ways } = H2C_STAGES
  return stages
    .filter((stage) => missing(ground, stage) === undefined)
    .flatMap((stage) =>
      ways
        .filter(({ id }) => id !== 'pause')
        .map((way) => ({
          id: stageCaseId(stage.id, way.id),
          title: `${stage.title} ${way.title}`,
          batch: (random: RandomStream) => async () => {
            const all = await Promise.all(
              Array.from({ length: figure('batch') }, () => die(ground, stage.id, way.id, random))
            )
            return all.filter(Boolean).length
          }
        }))
    )
}
