/** Clients that go in the middle of a frame or a message, while others are served. */
import type { RandomStream } from '../../../kit/random.ts'
import { wsCases, type WsKillCase } from '../../catalogue/ws/index.ts'
import { wait } from '../proof/bench.ts'
import type { Holding } from '../proof/holding.ts'
import type { Death } from '../proof/remains.ts'
import { inconclusive, KEPT, type Trial } from '../proof/trial.ts'
import { twin, type Route } from './route.ts'
import { Session } from './session.ts'

/** How long a silent client stays, ms. */
const SILENT_MS = 500
const AFTER_FIN_MS = 30

/** One client to the stage and away. True where the stage was reached. */
async function die(
  { bench, path }: Route,
  holding: Holding,
  { stage, way }: WsKillCase,
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

async function many(
  route: Route,
  holding: Holding,
  spec: WsKillCase,
  clients: number,
  random: RandomStream
): Promise<number> {
  const all = await Promise.all(Array.from({ length: clients }, () => die(route, holding, spec, random)))
  return all.filter(Boolean).length
}

export function killTrials(route: Route, holding: Holding, random: RandomStream): Trial[] {
  return wsCases('kill').map((spec) => ({
    id: spec.id,
    group: spec.group,
    twin: () => twin(route, random),
    shoot: async () => {
      const died = await many(route, holding, spec, spec.clients, random)
      return { verdict: died > 0 ? KEPT : inconclusive('the moment was not reached') }
    }
  }))
}

/** The kinds of death among which a leak is searched. */
export function deathsOf(route: Route, holding: Holding): Death[] {
  return wsCases('kill').flatMap((spec) =>
    spec.batch === undefined
      ? []
      : [
          {
            id: spec.id,
            title: spec.title.replace(/^clients that go /, ''),
            batch: (random: RandomStream) => () => many(route, holding, spec, spec.batch!, random)
          }
        ]
  )
}
