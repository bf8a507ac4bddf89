/** From the templates of a case to its bytes, with a nonce in each request, so that each answer can be told to its request. */
import type { RandomStream } from '../../../../kit/random.ts'
import type { Form } from '../../../catalogue/http1/steps/index.ts'
import { render } from '../../../catalogue/http1/index.ts'
import { noncesOf, valuesOf, type Nonces, type Scene } from '../scene.ts'

/** A request that was sent, in the order of sending. */
export interface Asked {
  nonce: string
  /** Body that its handler must see. */
  body?: Buffer
}

export interface Variant {
  /** Stands for `{each}`. */
  each?: string
  /** `{UNITS}`: this text, `{each}` times. */
  unit?: string
  /** What the twin took just before, ms. */
  twinMs?: number
  /** What a pour may send, bytes. */
  budget?: number
  /** Target of the place that was found, for `{place}`. */
  place?: string
}

const RUN = /\{(.)\*(\d+)\}/gs
/** `{REQ}`: a whole GET; `{POST:N}` and `{CHUNKED:N}`: a whole POST of N bytes, by length and in one chunk. */
const WHOLE = /\{(REQ|POST:\d+|CHUNKED:\d+|G|P|get|post)\}/g

const runs = (text: string): string =>
  text.replace(RUN, (_, character: string, times: string) => character.repeat(Number(times)))

export class Filler {
  readonly asked: Asked[] = []
  readonly nonces: Nonces
  readonly #scene: Scene
  readonly #random: RandomStream
  readonly #variant: Variant

  constructor(scene: Scene, random: RandomStream, variant: Variant = {}) {
    this.#scene = scene
    this.#random = random
    this.#variant = variant
    this.nonces = noncesOf(random)
  }

  /** Bytes of a template; the requests in it are noted. @throws Error for an unknown placeholder */
  fill(template: string): Buffer {
    const { each, place } = this.#variant
    const values = valuesOf(this.#scene, this.nonces)
    const parts: string[] = []
    let at = 0
    const text = each === undefined ? template : template.replaceAll('{each}', each)
    // Requests are noted where they stand; what is between them is filled in without a look at its content.
    for (const { 0: whole, 1: name, index } of text.matchAll(WHOLE)) {
      parts.push(text.slice(at, index), this.#whole(name!) ?? whole)
      at = index + whole.length
    }
    parts.push(text.slice(at))
    const joined = parts.map((part, i) => {
      if (i % 2 === 1 && part[0] !== '{') return part
      const filled = place === undefined ? part : part.replaceAll('{place}', place)
      return filled
        .split('{UNITS}')
        .map((between) => render(runs(between), values))
        .join(this.#units())
    })
    return Buffer.from(joined.join(''), 'latin1')
  }

  /** A POST with a body that is taken as it stands. */
  form({ form, body }: Form): Buffer {
    const { each = '' } = this.#variant
    const content = runs(body.replaceAll('{each}', each)).split('{UNITS}').join(this.#units())
    return Buffer.from(this.#post(`Content-Type: ${form}\r\n`, content, false), 'latin1')
  }

  #units(): string {
    const { each, unit } = this.#variant
    if (unit === undefined) return ''
    const text = runs(unit)
    return Array.from({ length: Number(each) }, (_, n) => text.replaceAll('{n}', String(n))).join('')
  }

  /** A whole request, or undefined for one that the template goes on with. */
  #whole(name: string): string | undefined {
    const scene = this.#scene
    if (name === 'REQ') {
      const canary = this.#random.hex(10)
      this.asked.push({ nonce: canary })
      return valuesOf(scene, { ...this.nonces, canary }).canary
    }
    const [kind, size] = name.split(':')
    if (size !== undefined)
      return this.#post(
        scene.post?.type ?? '',
        bodyOf(scene.post?.type ?? '', Number(size)),
        kind === 'CHUNKED'
      )
    if (!this.asked.some(({ nonce }) => nonce === this.nonces.own))
      this.asked.push({ nonce: this.nonces.own })
    return undefined
  }

  #post(type: string, body: string, chunked: boolean): string {
    const own = this.#random.hex(10)
    const { post, host } = valuesOf(this.#scene, { ...this.nonces, own })
    this.asked.push({ nonce: own, body: Buffer.from(body, 'latin1') })
    const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`
    const content = chunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body
    return `POST ${post} HTTP/1.1\r\nHost: ${host}\r\n${type}${framing}\r\n\r\n${content}`
  }
}

/** A body of so many bytes that a route of this type takes. */
function bodyOf(type: string, size: number): string {
  if (size < 3) return '1'.repeat(size)
  if (type.includes('json')) return `{${' '.repeat(size - 2)}}`
  return type.includes('urlencoded') ? `a=${'b'.repeat(size - 2)}` : 'a'.repeat(size)
}
