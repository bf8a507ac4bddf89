/** Streams, settings, pings, windows and GOAWAY on living connections. */
import type { RandomStream } from '../../../kit/random.ts'
import { DEFAULT_FRAME, SETTING } from '../../../wire/http2.ts'
import { H2C_CHURN_CASES } from '../../catalogue/h2c/index.ts'
import { inapplicable, type Trial, type Verdict } from '../proof/trial.ts'
import { churnTrial, type Asked, type Churn } from './churn.ts'
import { getFields, postFields, toldStream, type Ground } from './ground.ts'

/** How long a closed window is watched, ms. */
const WATCHED_MS = 150
/** First window of the cases that open it by hand. */
const FIRST_WINDOW = H2C_CHURN_CASES.find(({ id }) => id === 'settings-window')!.numbers['first']!
/** Shortest response that can show how windows are kept. */
const SHORTEST = 8

export function churnTrials(ground: Ground, random: RandomStream): Trial[] {
  const noBody = ground.noBody
  const withBody =
    (run: (churn: Churn) => Promise<Verdict | void>) =>
    (churn: Churn): Promise<Verdict | void> =>
      churn.ground.post === undefined ? Promise.resolve(inapplicable(noBody)) : run(churn)
  const window = (size: number) => ({ settings: { [SETTING.INITIAL_WINDOW_SIZE]: size }, refill: false })
  return [
    churnTrial(ground, random, 'churn-streams', shortStreams, { compress: true }),
    churnTrial(ground, random, 'churn-bodies', withBody(bodies)),
    churnTrial(ground, random, 'churn-cancel', cancel, { compress: true }),
    churnTrial(ground, random, 'stream-limit', withBody(streamLimit)),
    churnTrial(ground, random, 'ping-same', pings),
    churnTrial(ground, random, 'settings-acks', settingsAcks),
    churnTrial(ground, random, 'settings-table', settingsTable, { compress: true }),
    churnTrial(ground, random, 'settings-window', settingsWindow, window(FIRST_WINDOW)),
    churnTrial(ground, random, 'settings-frame-size', withBody(frameSize)),
    churnTrial(ground, random, 'window-zero', windowZero, window(0)),
    churnTrial(ground, random, 'window-tiny', windowTiny, window(0)),
    churnTrial(ground, random, 'window-upload', withBody(upload)),
    churnTrial(ground, random, 'goaway-client', goaway)
  ]
}

/** Requests with a body of their own where the server takes one; their echo tells whose answer it is. */
function shortStreams(churn: Churn): Promise<void> {
  const bodies = churn.ground.post?.echo === true
  return churn.stream(churn.n('streams'), churn.n('most'), (i) =>
    bodies && i % 2 === 0 ? churn.post(churn.body(churn.random.int(1, 64))) : churn.get()
  )
}

function bodies(churn: Churn): Promise<void> {
  return churn.stream(churn.n('bodies'), churn.n('bodies'), (i) =>
    churn.post(churn.body(i === 0 ? 0 : churn.random.int(1, churn.n('body'))))
  )
}

/** What was written leaves in a segment of its own. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Every second stream is reset by us, some before and some after its body; the others must not notice. */
async function cancel(churn: Churn): Promise<void> {
  const { session, random, ground } = churn
  const room = Math.max(1, Math.floor(churn.room(churn.n('most')) / 2))
  for (let sent = 0; sent < churn.n('cancels'); sent += room) {
    const kept: Asked[] = []
    for (let i = 0; i < room; i++) {
      kept.push(ground.post === undefined ? churn.get() : churn.post(churn.body(random.int(1, 500))))
      await turn()
      const gone = session.request(getFields(ground))
      await turn()
      session.cancel(gone)
      await turn()
    }
    await churn.settle(kept)
  }
}

/** A stream above the limit must be refused, and those below it must not suffer. */
async function streamLimit(churn: Churn): Promise<Verdict | void> {
  const { session, ground } = churn
  const limit = session.inbound.peer.streams
  if (limit > churn.n('limit')) {
    const text =
      limit === Infinity ? 'the server sets no limit of streams' : `the server allows ${limit} streams`
    await churn.stream(churn.n('limit'), churn.n('limit'), () => churn.get())
    churn.ground.bench.context.tally.max('h2c_stream_limit', Number.isFinite(limit) ? limit : 0)
    return inapplicable(`${text}: one more was not tried`)
  }
  const open = Array.from({ length: limit }, () => session.request(postFields(ground), { endStream: false }))
  const more = session.request(getFields(ground))
  // A limit that is announced binds from our acknowledgement on; the pong tells that it has been read.
  session.ping(Buffer.from('is limit'))
  await session.until(() => session.settled(more) || session.inbound.pongs.length > 0)
  await session.until(() => session.settled(more), WATCHED_MS)
  const answered = more.answered && more.status! < 400
  const body = churn.body(10)
  for (const stream of open) session.finish(stream, body)
  if (answered) {
    churn.breach('above the limit', '', { evidence: { limit } })
  }
  // The connection may be ended for it (5.4.2).
  if (session.over || session.inbound.goaway !== undefined) return
  await churn.settle(open.map((stream) => ({ stream, body })))
}

async function pings(churn: Churn): Promise<void> {
  const { session, random } = churn
  const sent: string[] = []
  const asked: Asked[] = []
  for (let i = 0; i < churn.n('pings'); i++) {
    const payload = random.bytes(8)
    sent.push(payload.toString('hex'))
    session.ping(payload)
    if (i % 5 === 0) asked.push(churn.get())
  }
  await churn.settle(asked)
  await session.until(() => session.inbound.pongs.length >= sent.length)
  churn.framing()
  const { pongs } = session.inbound
  const foreign = pongs.find((payload) => !sent.includes(payload))
  if (foreign !== undefined) {
    const told = `a PING is answered with other octets: ${foreign}`
    churn.breach('framing', told, { symptom: 'other octets', proof: true })
  }
  if (pongs.length === sent.length) return
  churn.breach('silence', `(${pongs.length} of ${sent.length} PINGs are answered; ${session.ending})`)
}

async function settingsAcks(churn: Churn): Promise<void> {
  const { session, random } = churn
  // In one segment: each is acknowledged for itself, however fast they come.
  session.settings(
    ...Array.from({ length: churn.n('settings') }, () => ({
      [SETTING.INITIAL_WINDOW_SIZE]: random.int(20_000, 90_000),
      [SETTING.MAX_HEADER_LIST_SIZE]: 65_536
    }))
  )
  await churn.settle([churn.get()])
  const due = churn.n('settings') + 1
  await session.until(() => session.inbound.settingsAcks >= due)
  churn.framing()
  if (session.inbound.settingsAcks >= due) return
  const { settingsAcks: acks } = session.inbound
  churn.breach('silence', `(${acks} of ${due} SETTINGS are acknowledged; ${session.ending})`)
}

/** Responses must stay readable while the table goes; the decoder is strict. */
async function settingsTable(churn: Churn): Promise<void> {
  const { session } = churn
  for (const size of [4096, 0, 64, 4096]) {
    const acks = session.inbound.settingsAcks
    session.settings({ [SETTING.HEADER_TABLE_SIZE]: size })
    await churn.settle([churn.get(), churn.get()])
    await session.until(() => session.inbound.settingsAcks > acks)
    await churn.settle([churn.get(), churn.get(), churn.get()])
  }
}

/** A response of which more than the window is due: the longest that can be had. */
function longRequest(churn: Churn, bytes: number): Asked | undefined {
  const { ground } = churn
  if (ground.post?.echo === true) return churn.post(churn.body(bytes))
  return (ground.get.body?.length ?? 0) >= SHORTEST ? churn.get() : undefined
}

const SHORT = 'no response that is long enough to fill a window'

/** Bytes of the body so far, while the window is what it is. */
async function stands(churn: Churn, { stream }: Asked, at: number): Promise<void> {
  const { session } = churn
  await session.until(() => stream.counted >= at || session.settled(stream))
  await session.until(() => session.settled(stream), WATCHED_MS)
  churn.framing()
}

/** Down to nothing while the response waits, then up: the windows of open streams move with it (6.9.2). */
async function settingsWindow(churn: Churn): Promise<Verdict | void> {
  const { session } = churn
  const asked = longRequest(churn, 1000)
  if (asked === undefined) return inapplicable(SHORT)
  await stands(churn, asked, FIRST_WINDOW)
  if (asked.stream.ended) return churn.check(asked)
  const move = async (size: number): Promise<void> => {
    const acks = session.inbound.settingsAcks
    session.settings({ [SETTING.INITIAL_WINDOW_SIZE]: size })
    await session.until(() => session.inbound.settingsAcks > acks)
  }
  await move(0)
  // The window is below nothing now: this grant must not let a byte through.
  session.grant(asked.stream.id, FIRST_WINDOW / 2)
  await stands(churn, asked, FIRST_WINDOW + 1)
  await move(FIRST_WINDOW * 3)
  await stands(churn, asked, FIRST_WINDOW * 3.5)
  await move(65_535)
  await churn.settle([asked])
}

async function frameSize(churn: Churn): Promise<void> {
  const { session } = churn
  for (const size of [DEFAULT_FRAME * 4, DEFAULT_FRAME]) {
    const acks = session.inbound.settingsAcks
    session.settings({ [SETTING.MAX_FRAME_SIZE]: size })
    await session.until(() => session.inbound.settingsAcks > acks)
    await churn.settle([churn.post(churn.body(churn.n('body')))])
  }
}

async function windowZero(churn: Churn): Promise<Verdict | void> {
  const { session } = churn
  const asked = longRequest(churn, 500)
  if (asked === undefined) return inapplicable(SHORT)
  const { stream } = asked
  await stands(churn, asked, 1)
  if (stream.ended) return churn.check(asked)
  session.grant(stream.id, 65_535)
  await churn.settle([asked])
}

async function windowTiny(churn: Churn): Promise<Verdict | void> {
  const { session } = churn
  const asked = longRequest(churn, 200)
  if (asked === undefined) return inapplicable(SHORT)
  const { stream } = asked
  for (let i = 0; i < churn.n('tiny') && !session.settled(stream); i++) {
    session.grant(stream.id, 1)
    const came = await session.until(() => stream.counted > i || session.settled(stream))
    churn.framing()
    if (!came) {
      churn.breach('silence', `(nothing comes through after ${stream.counted} bytes)`)
    }
  }
  session.grant(stream.id, 65_535)
  await churn.settle([asked])
}

/** The server must open its windows again, or a long body never ends. */
async function upload(churn: Churn): Promise<void> {
  const { session } = churn
  const asked = churn.post(churn.body(churn.n('upload')))
  await session.settle([asked.stream])
  churn.check(asked)
}

/** Streams from before the GOAWAY are finished, or the connection ends (6.8). */
async function goaway(churn: Churn): Promise<void> {
  const { session, random } = churn
  const asked = Array.from({ length: churn.room(churn.n('streams')) }, () =>
    churn.ground.post === undefined ? churn.get() : churn.post(churn.body(random.int(1, 2000)))
  )
  session.goaway()
  await session.settle(asked.map(({ stream }) => stream))
  churn.framing()
  for (const { stream } of asked) {
    if (session.settled(stream)) continue
    churn.breach('silence', `(an open stream is neither finished nor ended: ${toldStream(session, stream)})`)
  }
  for (const one of asked) if (one.stream.answered) churn.check(one)
}
