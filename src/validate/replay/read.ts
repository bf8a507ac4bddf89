/** Reads a replay file that somebody named, and the case in it. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { parseReplay, ReplayProblem, type Replay } from '../../documents/replay.ts'
import { UserError } from '../../kit/errors.ts'
import { codeOf } from '../../kit/files.ts'
import type { H2cFrameCase } from '../catalogue/h2c/index.ts'
import { frameCaseSchema } from '../catalogue/h2c/schema.ts'
import type { ProtocolCase } from '../catalogue/http1/index.ts'
import type { WsFrameCase } from '../catalogue/ws/index.ts'
import { framesSchema } from '../catalogue/ws/schema.ts'
import { caseSchema } from '../catalogue/http1/schema.ts'

const WHY: Record<string, string> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder, not a file',
  EACCES: 'cannot be read: permission denied'
}
const NAME_ONE = 'name a findings/NN-case.replay.json of an output folder'

/**
 * Reads the file; the finding beside it may be named too.
 * @throws UserError naming the file, what is wrong with it, and the fix
 */
export async function readReplay(path: string): Promise<Replay> {
  const beside = path.replace(/\.json$/, '.replay.json')
  const chosen = !path.endsWith('.replay.json') && beside !== path && existsSync(beside) ? beside : path
  let text: string
  try {
    text = await readFile(chosen, 'utf8')
  } catch (error) {
    const code = codeOf(error) ?? 'unknown'
    throw new UserError({ where: chosen, what: WHY[code] ?? `cannot be read (${code})`, fix: NAME_ONE })
  }
  try {
    return parseReplay(text)
  } catch (error) {
    if (error instanceof ReplayProblem)
      throw new UserError({ where: chosen, what: error.message, fix: error.fix })
    throw error
  }
}

function recordOf<T>(schema: z.ZodType<T>, replay: Replay, value: unknown): T {
  const read = schema.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new UserError({
    where: `${replay.case}: judge.record`,
    what: `the case is not as this suite knows cases: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
    why: `the file is of version ${replay.suite_version}`,
    fix: 'use the suite that wrote it, or run validate again'
  })
}

/** The HTTP/1 case of a file. @throws UserError */
export function http1Record(replay: Replay): ProtocolCase {
  if (replay.judge.kind !== 'http1') throw new TypeError('no HTTP/1 case')
  const read = recordOf(caseSchema, replay, replay.judge.record)
  const { accepted = 'allowed', close = 'no', silence = 'hang', foreign } = read.judge
  return {
    ...read,
    judge: {
      ...read.judge,
      accepted,
      close,
      silence,
      foreign: foreign ?? {
        severity: 'HIGH',
        says: 'bytes of one message were answered as a request of their own'
      }
    }
  }
}

/** The list of frames of a file. @throws UserError */
export function framesRecord(
  replay: Replay
): { protocol: 'ws'; spec: WsFrameCase } | { protocol: 'h2c'; spec: H2cFrameCase } {
  if (replay.judge.kind !== 'frames') throw new TypeError('no list of frames')
  const { protocol, record } = replay.judge
  return protocol === 'ws'
    ? { protocol, spec: recordOf(framesSchema, replay, record) }
    : { protocol, spec: recordOf(frameCaseSchema, replay, record) }
}
