/** Makes a finding smaller while everything that makes it a finding still holds. */
import type { Replay } from '../../../documents/replay.ts'
import { UserError } from '../../../kit/errors.ts'
import { noncesOf, valuesOf } from '../../traffic/adversarial/scene.ts'
import { RandomStreams } from '../../../kit/random.ts'
import { Http1Player } from '../http1.ts'
import { http1Record } from '../read.ts'
import type { Server } from '../server.ts'
import { exchangeOf, placesOf } from '../steps.ts'
import type { Player, Try } from '../tries.ts'
import { shrinkMessage, type Candidate } from './message.ts'

/** Of a finding whose evidence is a silence or an outage, so many sightings in a row. */
const UNPROVEN_TRIES = 3
/** A finding that comes now and then is looked for so often before it is given up. */
const FIRST_TRIES = 5

export interface ShrinkOptions {
  /** Most candidates that are played. */
  tries: number
  signal: AbortSignal
  onTry?: (tried: number, bytes: number) => void
}

export interface ShrinkResult {
  replay: Replay
  bytesBefore: number
  bytesAfter: number
  tries: number
  claim: string
}

/**
 * @throws UserError where the case is a program, or the finding does not show itself here
 */
export async function shrinkFinding(
  server: Server,
  replay: Replay,
  options: ShrinkOptions
): Promise<ShrinkResult> {
  refuseProgram(replay)
  const entry = http1Record(replay)
  const player = new Http1Player(server, replay, entry, options.signal)
  try {
    const scene = await player.scene()
    if (typeof scene === 'string')
      throw new UserError({ where: server.name, what: scene, fix: 'name the routes: --route KIND=PATH' })
    const start: Candidate = { entry, how: player.how }
    let tries = 0
    let bytes = 0
    let last: Try | undefined
    const holds = async (candidate: Candidate): Promise<boolean> => {
      player.change(candidate.entry, candidate.how)
      const seen = await stillThere(player, replay, options.signal, () => (tries += 1))
      if (seen !== undefined) last = seen
      options.onTry?.(tries, bytes)
      return seen !== undefined
    }
    let found = false
    for (let i = 0; i < FIRST_TRIES && !found; i++) found = await holds(start)
    if (!found) throw notHere(replay, server)
    const values = valuesOf(scene, noncesOf(new RandomStreams(replay.seed).stream('shrink')))
    const shrunk = await shrinkMessage(start, {
      values,
      holds,
      over: () => tries >= options.tries || options.signal.aborted,
      onSmaller: (size) => void (bytes = size)
    })
    const { bytesBefore, bytesAfter, claim } = shrunk
    const exchange = last?.wire === undefined ? undefined : exchangeOf(last.wire)
    const twin = last?.twin === undefined ? undefined : exchangeOf(last.twin)
    const { authority } = server.target
    const routes = Object.entries(server.capabilities.routes).map(([kind, { path }]) => [kind, path])
    return {
      bytesBefore,
      bytesAfter,
      tries,
      claim,
      replay: {
        ...replay,
        server: {
          ...replay.server,
          url: `http://${authority}`,
          authority,
          routes: Object.fromEntries(routes) as Record<string, string>
        },
        ...(exchange === undefined ? {} : { exchange }),
        ...(twin === undefined ? {} : { twin }),
        authority_at: placesOf(authority, { case: exchange, twin }),
        judge: { kind: 'http1', record: { ...shrunk.entry }, sent_as: shrunk.how },
        shrunk: { bytes_before: bytesBefore, bytes_after: bytesAfter, tries, claim }
      }
    }
  } finally {
    player.close()
  }
}

/** @throws UserError for a case that has no message of its own */
export function refuseProgram(replay: Replay): void {
  if (replay.judge.kind === 'http1') return
  throw new UserError({
    where: replay.case,
    what: 'it is a program of the suite and not one message: it cannot be made smaller',
    fix: 'replay it as it is'
  })
}

/** The last of the tries that show it; undefined where one of them does not. */
async function stillThere(
  player: Player,
  { severity }: Replay,
  signal: AbortSignal,
  tried: () => void
): Promise<Try | undefined> {
  for (let i = 0; i < UNPROVEN_TRIES; i++) {
    if (signal.aborted) return undefined
    tried()
    const one = await player.once()
    if (one.outcome !== 'reproduced' || one.severity !== severity) return undefined
    if (one.proof === true || i === UNPROVEN_TRIES - 1) return one
  }
  return undefined
}

function notHere(replay: Replay, server: Server): UserError {
  return new UserError({
    where: replay.case,
    what: `the finding does not show itself on ${server.name}: there is nothing to make smaller`,
    fix: 'name the server on which replay reproduces it'
  })
}
