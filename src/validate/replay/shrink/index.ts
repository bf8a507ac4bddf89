/** Makes a finding smaller while everything that makes it a finding still holds. */
import type { Judging, Replay } from '../../../documents/replay.ts'
import { UserError } from '../../../kit/errors.ts'
import { RandomStreams } from '../../../kit/random.ts'
import { noncesOf, valuesOf } from '../../traffic/adversarial/scene.ts'
import { H2cFramesPlayer, WsFramesPlayer } from '../frames.ts'
import { Http1Player } from '../http1.ts'
import { framesRecord, http1Record } from '../read.ts'
import type { Server } from '../server.ts'
import { exchangeOf, placesOf } from '../steps.ts'
import type { Player, Try } from '../tries.ts'
import { framesObstacle, shrinkFrames } from './frames.ts'
import { h2cObstacle, shrinkH2c } from './h2c-frames.ts'
import { shrinkMessage, type Candidate } from './message.ts'
import type { FramesSearch, FramesShrunk } from './search.ts'

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
  const search = new Search(server, replay, options)
  const { judge, small } = await (replay.judge.kind === 'frames'
    ? ofFrames(server, replay, options, search)
    : ofMessage(server, replay, options, search))
  const { bytesBefore, bytesAfter, claim } = small
  const { tries, last } = search
  const exchange = last?.wire === undefined ? undefined : exchangeOf(last.wire)
  const twin = last?.twin === undefined ? undefined : exchangeOf(last.twin)
  const { authority } = server.target
  const routes = Object.entries(server.capabilities.routes).map(([kind, { path }]) => [kind, path])
  return {
    ...{ bytesBefore, bytesAfter, tries, claim },
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
      judge,
      shrunk: { bytes_before: bytesBefore, bytes_after: bytesAfter, tries, claim }
    }
  }
}

interface Small {
  judge: Judging
  small: { bytesBefore: number; bytesAfter: number; claim: string }
}

async function ofMessage(
  server: Server,
  replay: Replay,
  { signal }: ShrinkOptions,
  search: Search
): Promise<Small> {
  const entry = http1Record(replay)
  const player = new Http1Player(server, replay, entry, signal)
  try {
    const scene = await player.scene()
    if (typeof scene === 'string')
      throw new UserError({ where: server.name, what: scene, fix: 'name the routes: --route KIND=PATH' })
    const start: Candidate = { entry, how: player.how }
    const holds = (candidate: Candidate): Promise<boolean> => {
      player.change(candidate.entry, candidate.how)
      return search.holds(player)
    }
    await search.mustHold(() => holds(start))
    const values = valuesOf(scene, noncesOf(new RandomStreams(replay.seed).stream('shrink')))
    const small = await shrinkMessage(start, { values, holds, ...search.bounds })
    return { small, judge: { kind: 'http1', record: { ...small.entry }, sent_as: small.how } }
  } finally {
    player.close()
  }
}

async function ofFrames(
  server: Server,
  replay: Replay,
  { signal }: ShrinkOptions,
  search: Search
): Promise<Small> {
  const { protocol, spec } = framesRecord(replay)
  const small =
    protocol === 'ws'
      ? await smallest(new WsFramesPlayer(server, replay, spec, signal), spec, shrinkFrames, search)
      : await smallest(new H2cFramesPlayer(server, replay, spec, signal), spec, shrinkH2c, search)
  return { small, judge: { kind: 'frames', protocol, record: { ...small.spec } } }
}

async function smallest<Spec>(
  player: Player & { change(spec: Spec): void },
  first: Spec,
  shrink: (first: Spec, search: FramesSearch<Spec>) => Promise<FramesShrunk<Spec>>,
  search: Search
): Promise<FramesShrunk<Spec>> {
  const holds = (candidate: Spec): Promise<boolean> => {
    player.change(candidate)
    return search.holds(player)
  }
  await search.mustHold(() => holds(first))
  return shrink(first, { holds, ...search.bounds })
}

/** Counts the tries and keeps the last that showed the finding. */
class Search {
  readonly #server: Server
  readonly #replay: Replay
  readonly #options: ShrinkOptions
  #bytes = 0
  tries = 0
  last: Try | undefined

  constructor(server: Server, replay: Replay, options: ShrinkOptions) {
    this.#server = server
    this.#replay = replay
    this.#options = options
  }

  get bounds(): { over(): boolean; onSmaller(bytes: number): void } {
    const { tries, signal } = this.#options
    return {
      over: () => this.tries >= tries || signal.aborted,
      onSmaller: (bytes) => void (this.#bytes = bytes)
    }
  }

  /** One sighting where the bytes prove it, else so many in a row. A server that has ended is started again. */
  async holds(player: Player): Promise<boolean> {
    const { signal, onTry } = this.#options
    let last: Try | undefined
    for (let i = 0; i < UNPROVEN_TRIES && last?.proof !== true; i++) {
      if (signal.aborted) return false
      if (this.#server.target.exit() !== undefined) await this.#server.restart()
      this.tries += 1
      last = await player.once()
      onTry?.(this.tries, this.#bytes)
      if (last.outcome !== 'reproduced' || last.severity !== this.#replay.severity) return false
    }
    this.last = last
    return true
  }

  async mustHold(start: () => Promise<boolean>): Promise<void> {
    for (let i = 0; i < FIRST_TRIES; i++) if (await start()) return
    throw new UserError({
      where: this.#replay.case,
      what: `the finding does not show itself on ${this.#server.name}: there is nothing to make smaller`,
      fix: 'name the server on which replay reproduces it'
    })
  }
}

const obstacleOf = ({ protocol, spec }: ReturnType<typeof framesRecord>): string | undefined =>
  protocol === 'ws' ? framesObstacle(spec) : h2cObstacle(spec)

/** @throws UserError for a case that has no message of its own, or whose message is all that it is */
export function refuseProgram(replay: Replay): void {
  const { kind } = replay.judge
  if (kind === 'http1') return
  const reason =
    kind === 'frames'
      ? obstacleOf(framesRecord(replay))
      : kind === 'passive'
        ? 'it is about the answer and not about the request'
        : 'it is a case of several steps, or a program of the suite, and not one message'
  if (reason === undefined) return
  throw new UserError({
    where: replay.case,
    what: `it cannot be made smaller: ${reason}`,
    fix: 'replay it as it is'
  })
}
