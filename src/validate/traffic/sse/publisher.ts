/** Looks for a route that has a text of ours come as an event of the stream. */
import type { RandomStream } from '../../../kit/random.ts'
import { formatRequest } from '../../../wire/http1.ts'
import { ConnectFailed } from '../../../wire/tcp.ts'
import type { SseEvent } from '../../../wire/sse.ts'
import { SSE_PUBLISH } from '../../catalogue/sse/index.ts'
import { inLanes } from '../proof/lanes.ts'
import type { Stream } from './stream.ts'
import type { Subscription } from './subscription.ts'

export const PLACES = ['data', 'event', 'id'] as const
/** Where a published text stands in its event. */
export type Place = (typeof PLACES)[number]
type Texts = Record<Place, string>

/** Longest wait for a text to come back while a route is looked for, ms. */
const COMES_BACK_MS = 600
const LANES = 4

export interface Published {
  status: number | undefined
  /** Sees the events from before the text was published on. */
  reader: Subscription
  /** Ends the reader where it was opened for this text alone. */
  done: () => void
}

interface Form {
  method: 'GET' | 'POST'
  path: string
  type?: string
  template: string
  encode: 'none' | 'json' | 'form'
}

export class Publisher {
  readonly #stream: Stream
  readonly #form: Form
  /** Parts of an event that hold what is published. */
  readonly places: readonly Place[]

  constructor(stream: Stream, form: Form, places: readonly Place[]) {
    this.#stream = stream
    this.#form = form
    this.places = places
  }

  /** `POST /publish with text/plain` */
  get title(): string {
    const { method, path, type, template } = this.#form
    return method === 'GET' ? `GET ${path}?${template}` : `POST ${path} with ${type ?? 'no type'}`
  }

  /** Publishes a text at a place, plain words at the others. @throws ConnectFailed */
  publish(place: Place, text: string, plain: string): Promise<Published> {
    const texts: Texts = { data: plain, event: plain.slice(0, 8), id: plain.slice(0, 8) }
    texts[place] = text
    return play(this.#stream, this.#form, texts)
  }
}

/** Does this event hold the text, at whatever place. */
export function holds(event: SseEvent, text: string): boolean {
  return event.data.includes(text) || event.event.includes(text) || event.id.includes(text)
}

function fill(template: string, encode: Form['encode'], texts: Texts): string {
  const coded = (text: string): string =>
    encode === 'json' ? JSON.stringify(text) : encode === 'form' ? encodeURIComponent(text) : text
  return template.replace(/\{(data|event|id)\}/g, (_, place: Place) => coded(texts[place]))
}

async function play(stream: Stream, form: Form, texts: Texts): Promise<Published> {
  const { bench } = stream
  const { authority } = bench.context.target
  const filled = fill(form.template, form.encode, texts)
  if (form.method === 'GET') {
    const mark = form.path.includes('?') ? '&' : '?'
    const reader = await stream.open(undefined, { path: `${form.path}${mark}${filled}` })
    await reader.head(bench.patienceMs)
    return { status: reader.response?.status, reader, done: () => reader.close() }
  }
  const reader = await stream.witness()
  const body = Buffer.from(filled, 'utf8')
  const headers: [string, string][] = [
    ['Host', authority],
    ...(form.type === undefined ? [] : [['Content-Type', form.type] as [string, string]]),
    ['Content-Length', String(body.length)],
    ['Connection', 'close']
  ]
  const connection = await bench.connect()
  try {
    await bench.write(connection, formatRequest({ method: 'POST', target: form.path, headers, body }))
    const { responses } = await bench.responses(connection, ['POST'])
    return { status: responses[0]?.status, reader, done: () => undefined }
  } finally {
    connection.destroy()
  }
}

interface Found {
  places: Place[]
  /** Parts that are the text and nothing else count twice: there it stands unescaped. */
  score: number
}

/** Where the nonces came back. */
async function placesOf(stream: Stream, form: Form, random: RandomStream): Promise<Found | 'absent'> {
  const nonce = (): string => `p${random.hex(15)}`
  const texts: Texts = { data: nonce(), event: nonce(), id: nonce() }
  const { reader, status, done } = await play(stream, form, texts)
  try {
    if (status === undefined || status === 404 || status === 405) return 'absent'
    const none = { places: [], score: 0 }
    if (form.method === 'POST' && status >= 400) return none
    const mine = (): SseEvent | undefined =>
      reader.events.find((event) => PLACES.some((place) => holds(event, texts[place])))
    await reader.until(() => mine() !== undefined, COMES_BACK_MS)
    const event = mine()
    if (event === undefined) return none
    const places = PLACES.filter((place) => event[place].includes(texts[place]))
    const exact = places.filter((place) => event[place] === texts[place])
    return { places, score: places.length + exact.length }
  } finally {
    done()
  }
}

/** The route that puts a text into the most parts of an event, or why there is none. */
export async function findPublisher(stream: Stream, random: RandomStream): Promise<Publisher | string> {
  const { routes } = stream.bench.context.capabilities
  const place = (path: string): string[] => {
    const post = routes.echo?.path ?? routes.post?.path
    if (path.includes('{post}') && post === undefined) return []
    return [path.replace('{sse}', stream.path.split('?', 1)[0]!).replace('{post}', post ?? '')]
  }
  const paths = [...new Set(SSE_PUBLISH.paths.flatMap(place))]
  const found: { order: number; score: number; publisher: Publisher }[] = []
  const attempt = async (order: number, form: Form): Promise<boolean> => {
    try {
      const seen = await placesOf(stream, form, random)
      if (seen === 'absent') return false
      const { places, score } = seen
      if (places.includes('data'))
        found.push({ order, score, publisher: new Publisher(stream, form, places) })
      return true
    } catch (error) {
      if (error instanceof ConnectFailed) return false
      throw error
    }
  }
  await inLanes([...paths.entries()], LANES, async ([order, path]) => {
    for (const { type, body, encode } of SSE_PUBLISH.bodies) {
      const there = await attempt(order, { method: 'POST', path, type, template: body, encode })
      if (!there) return
    }
  })
  if (found.length === 0) {
    for (const template of SSE_PUBLISH.queries)
      await attempt(paths.length, { method: 'GET', path: stream.path, template, encode: 'form' })
  }
  const [first] = found.sort((a, b) => b.score - a.score || a.order - b.order)
  return (
    first?.publisher ??
    `no route has a text of ours come as an event (POST to ${paths.join(', ')}; GET ${stream.path} with a query)`
  )
}
