/** Makes a list of HTTP/2 frames smaller: streams, frames, repeats, payloads, fields. */
import { readSettings, SETTING } from '../../../wire/http2.ts'
import type { H2cBlock, H2cExpectation, H2cFrame, H2cFrameCase } from '../../catalogue/h2c/index.ts'
import { h2cBytes, h2cClaim, readClient } from './h2c-claim.ts'
import { fewer, shorter, Shrinking, type FramesSearch, type FramesShrunk } from './search.ts'

type Take<T> = (candidate: T) => Promise<boolean>

/** Of these no rule needs to be broken. */
const RIGHT: readonly H2cExpectation[] = ['answered', 'any']

/** Why frames of a case cannot be made smaller; undefined where they can. */
export function h2cObstacle(spec: H2cFrameCase): string | undefined {
  // What the reader does not see could go unnoticed.
  if (!RIGHT.includes(spec.expect) && ['valid', 'unfinished'].includes(h2cClaim(spec)))
    return 'the strict reader of HTTP/2 frames does not see what is wrong with these'
  return undefined
}

export async function shrinkH2c(
  first: H2cFrameCase,
  search: FramesSearch<H2cFrameCase>
): Promise<FramesShrunk<H2cFrameCase>> {
  const bytes = (spec: H2cFrameCase): number => h2cBytes(spec).length
  const small = new Shrinking(first, { claim: h2cClaim, bytes, keeps: essence(first) }, search)
  const put = (frames: H2cFrame[]): Promise<boolean> => small.take({ ...small.best, frames })
  await small.take({ ...first, bytewise: false })
  return small.run(async () => {
    for (const id of new Set(small.best.frames.map(({ stream }) => stream)))
      if (id !== 0) await small.take(withoutStream(small.best, id))
    for (let at = small.best.frames.length - 1; at >= 0; at--) await put(small.best.frames.toSpliced(at, 1))
    for (let at = 0; at < small.best.frames.length; at++)
      await smallerFrame(
        () => small.best.frames[at]!,
        (frame) => put(small.best.frames.with(at, frame))
      )
  })
}

const withoutStream = (spec: H2cFrameCase, id: number): H2cFrameCase => ({
  ...spec,
  answers: spec.answers.filter((one) => one !== id),
  frames: spec.frames.filter(({ stream }) => stream !== id)
})

/** @param now the frame as it is by then */
async function smallerFrame(now: () => H2cFrame, take: Take<H2cFrame>): Promise<void> {
  await take({ ...now(), after: undefined })
  const { times, before, hex, block } = now()
  if (times !== undefined) await fewer(times, (count) => take({ ...now(), times: count }))
  await shorterHex(before, (text) => take({ ...now(), before: text }))
  await shorterHex(hex, (text) => take({ ...now(), hex: text }))
  if (block !== undefined)
    await smallerBlock(
      () => now().block!,
      (one) => take({ ...now(), block: one })
    )
}

async function smallerBlock(now: () => H2cBlock, take: Take<H2cBlock>): Promise<void> {
  for (const list of ['add', 'first', 'twice', 'late'] as const) {
    for (let at = (now()[list]?.length ?? 0) - 1; at >= 0; at--) {
      const left = [...now()[list]!].toSpliced(at, 1)
      await take({ ...now(), [list]: left.length === 0 ? undefined : left })
    }
  }
  for (const list of ['add', 'first'] as const) {
    for (const [at, [name, value]] of (now()[list] ?? []).entries())
      await shorterValue(value, (part) => take({ ...now(), [list]: now()[list]!.with(at, [name, part]) }))
  }
  const { head, hex, times } = now()
  if (times !== undefined) await fewer(times, (count) => take({ ...now(), times: count }))
  await shorterHex(head, (text) => take({ ...now(), head: text }))
  await shorterHex(hex, (text) => take({ ...now(), hex: text }))
}

/** Bytes as they stand there; those that are made for each server have no length yet. */
async function shorterHex(text: string | undefined, take: Take<string | undefined>): Promise<void> {
  if (text === undefined || text.includes('{')) return
  await shorter(text.length / 2, (length) => take(length === 0 ? undefined : text.slice(0, 2 * length)))
}

async function shorterValue(value: string, take: Take<string>): Promise<void> {
  const run = /\{a:(\d+)\}/.exec(value)
  if (run !== null) await fewer(Number(run[1]), (count) => take(value.replace(run[0], `{a:${count}}`)))
  else if (!value.includes('{')) await shorter(value.length, (length) => take(value.slice(0, length)))
}

/** What must stay: without it a right server would do what the finding says, or nothing could be judged. */
function essence(first: H2cFrameCase): (spec: H2cFrameCase) => boolean {
  const { claim, bodies } = readClient(first)
  const same = (part: (spec: H2cFrameCase) => unknown): ((spec: H2cFrameCase) => boolean) => {
    const had = JSON.stringify(part(first))
    return (spec) => JSON.stringify(part(spec)) === had
  }
  const rules = [
    ({ answers }: H2cFrameCase) => answers.length > 0 || first.answers.length === 0,
    (spec: H2cFrameCase) => spec.answers.every((id) => !opens(first, id) || opens(spec, id))
  ]
  // The judge looks for this field in the echo.
  if (first.expect === 'field') rules.push(same(offending))
  // The echo must give back the same body.
  if (first.expect === 'answered')
    rules.push((spec) => {
      const now = readClient(spec).bodies
      return spec.answers.every((id) => now.get(id)?.equals(bodies.get(id)!) !== false)
    })
  if (first.expect === 'answered' || claim === 'valid') {
    rules.push(same(({ frames, pong }) => frames.filter(({ type, hex }) => type === 'PING' && hex === pong)))
    // A server that is given no window rightly sends nothing.
    if (first.window !== undefined || first.frames.some(setsWindow)) rules.push(same(windows))
  }
  return (spec) => rules.every((rule) => rule(spec))
}

const opens = ({ frames }: H2cFrameCase, id: number): boolean =>
  frames.some(({ type, stream }) => type === 'HEADERS' && stream === id)

const offending = ({ frames: [frame] }: H2cFrameCase): unknown =>
  frame?.block?.add?.[0] ?? frame?.block?.first?.[0]

const setsWindow = ({ type, hex = '' }: H2cFrame): boolean =>
  type === 'SETTINGS' &&
  readSettings(Buffer.from(hex, 'hex')).some(([id]) => id === SETTING.INITIAL_WINDOW_SIZE)

const windows = ({ frames }: H2cFrameCase): unknown =>
  frames.filter(({ type }) => type === 'SETTINGS' || type === 'WINDOW_UPDATE')
