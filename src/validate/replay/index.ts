/** Replays a finding: so many tries, each between its twins, judged as the suite judges. */
import type { Replay } from '../../documents/replay.ts'
import { H2cFramesPlayer, WsFramesPlayer } from './frames.ts'
import { Http1Player } from './http1.ts'
import { PassivePlayer } from './passive.ts'
import { framesRecord, http1Record } from './read.ts'
import type { Server } from './server.ts'
import { SlicePlayer } from './slice.ts'
import { judgeTries, type Judged, type Player, type Try } from './tries.ts'

export { readReplay } from './read.ts'
export { scriptOf, LANGUAGES, type Language } from './script.ts'
export { choiceFor, Server, type ServerChoice } from './server.ts'
export type { Judged, Try } from './tries.ts'

export function playerFor(server: Server, replay: Replay, signal: AbortSignal): Player {
  if (replay.judge.kind === 'http1') return new Http1Player(server, replay, http1Record(replay), signal)
  if (replay.judge.kind === 'passive') return new PassivePlayer(server, replay, signal)
  // Only what was made smaller is not the case of that name.
  if (replay.judge.kind !== 'frames' || replay.shrunk === undefined)
    return new SlicePlayer(server, replay, signal)
  const { protocol, spec } = framesRecord(replay)
  return protocol === 'ws'
    ? new WsFramesPlayer(server, replay, spec, signal)
    : new H2cFramesPlayer(server, replay, spec, signal)
}

/** Plays the tries. @param onTry told after each */
export async function replayFinding(
  server: Server,
  replay: Replay,
  options: { tries: number; signal: AbortSignal; onTry?: (one: Try, index: number) => void }
): Promise<{ judged: Judged; tries: Try[] }> {
  const { tries: count, signal, onTry } = options
  const player = playerFor(server, replay, signal)
  const tries: Try[] = []
  try {
    for (let i = 0; i < count && !signal.aborted; i++) {
      const ended = server.target.exit() !== undefined
      if (ended && !server.launched) break
      if (ended) await server.restart()
      const one = await player.once()
      tries.push(one)
      onTry?.(one, i)
      // What does not apply once does not apply later.
      if (one.outcome === 'inapplicable') break
    }
  } finally {
    player.close()
  }
  return { judged: judgeTries(tries), tries }
}
