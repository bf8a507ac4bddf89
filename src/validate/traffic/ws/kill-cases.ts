/** Clients that go in the middle of a frame or a message, while others are served. */
import type { RandomStream } from '../../../kit/random.ts'
import {
  WS_KILL_STAGES,
  WS_KILL_WAYS,
  WS_NUMBERS,
  type WsKillStage,
  type WsKillWay
} from '../../catalogue/ws/index.ts'
import { wait } from '../proof/bench.ts'
import type { Holding } from '../proof/holding.ts'
import { inconclusive, KEPT, type Trial } from '../proof/trial.ts'
import { twin, type Route } from './frame-cases.ts'
import { Session } from './session.ts'

/** How long a silent client stays, ms. */
const SILENT_MS = 500
const AFTER_FIN_MS = 30

/** One client to the stage and away. True where the stage was reached. */
async function die(
  { bench, path }: Route,
  holding: Holding,
  stage: WsKillStage,
  way: WsKillWay,
  random: RandomStream
): Promise<boolean> {
  const session = await Session.open(bench, path, random)
  if (!(session instanceof Session)) return false
  const { connection } = session
  holding.gone.add(connection.localPort)
  const whole = session.encode({ op: 2, fill: 300 })
  let reached = true
  if (stage === 'in-header') reached = await bench.write(connection, whole.subarray(0, random.int(1, 7)))
  if (stage === 'in-payload')
    reached = await bench.write(connection, whole.subarray(0, random.int(9, whole.length - 1)))
  if (stage === 'in-message') reached = await session.send({ op: 1, fin: false, text: 'half' })
  if (way === 'silence') await wait(SILENT_MS)
  if (way === 'fin') {
    connection.end()
    await wait(AFTER_FIN_MS)
    connection.destroy()
  } else connection.reset()
  return reached
}

export function killTrials(route: Route, holding: Holding, random: RandomStream): Trial[] {
  return WS_KILL_STAGES.flatMap((stage) =>
    WS_KILL_WAYS.map((way): Trial => ({
      id: `kill-${stage.id}-${way.id}`,
      group: 'kill',
      twin: () => twin(route, random),
      shoot: async () => {
        const all = await Promise.all(
          Array.from({ length: WS_NUMBERS.clients }, () => die(route, holding, stage.id, way.id, random))
        )
        return { verdict: all.some(Boolean) ? KEPT : inconclusive('the moment was not reached') }
      }
    }))
  )
}

export function killBatch(
  route: Route,
  holding: Holding,
  stage: WsKillStage,
  way: WsKillWay,
  random: RandomStream
): () => Promise<number> {
  return async () => {
    const all = await Promise.all(
      Array.from({ length: WS_NUMBERS.batch }, () => die(route, holding, stage, way, random))
    )
    return all.filter(Boolean).length
  }
}
