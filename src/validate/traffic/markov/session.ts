/** What one walker knows: its name, its cookies, the values it saved, the tokens it made. */
import type { RandomStream } from '../../../kit/random.ts'
import type { HttpResponse } from '../../../wire/http1.ts'
import { decodeContent } from './coding.ts'
import type { Source, Step } from './model.ts'
import { inJson, type Values } from './template.ts'
import { Validators } from './validators.ts'

/** Every token of a run: whose it is stands in it, so that a stranger's token is known at sight. */
const TOKEN = /\bpt(\d{1,3})-[0-9a-f]{10}\b/y
const TOKEN_START = 'pt'
const TOKEN_START_BYTES = Buffer.from(TOKEN_START)

export class Session {
  readonly index: number
  readonly values: Values
  /** What it knows of the ETags of what it read. */
  readonly validators = new Validators()
  readonly #random: RandomStream
  readonly #mark: string
  readonly #cookies = new Map<string, string>()
  #cookieLine = ''
  #seq = 0

  constructor(index: number, random: RandomStream) {
    this.index = index
    this.#random = random
    this.#mark = `pt${index}-`
    const walker = this.#token()
    this.values = Object.assign(Object.create(null) as Values, { walker, secret: `s3cret-${random.hex(12)}` })
  }

  #token(): string {
    return this.#mark + this.#random.hex(10)
  }

  /** A fresh token for a request. */
  fresh(): string {
    const token = this.#token()
    this.values['token'] = token
    this.values['seq'] = String((this.#seq += 1))
    return token
  }

  /** The token and number of a request again, for the time in which its answer is judged. */
  recall({ token, seq }: { token: string; seq: string }): void {
    if (this.values['token'] === token) return
    this.values['token'] = token
    this.values['seq'] = seq
  }

  /** Forgets everything but who it is. */
  restart(): void {
    const { walker, secret } = this.values
    for (const key of Object.keys(this.values)) delete this.values[key]
    Object.assign(this.values, { walker, secret })
    this.#cookies.clear()
    this.#cookieLine = ''
  }

  /** The request as latin1 text. */
  request(step: Step, authority: string, token: string): string {
    const { values } = this
    let head = `${step.method} ${step.path.fill(values, inPath)} HTTP/1.1\r\nHost: ${authority}\r\n`
    head += step.fields.fill(values)
    if (!step.ownCookies) head += this.#cookieLine
    let body: string | undefined
    if (step.bytes !== undefined)
      body = token.repeat(Math.ceil(step.bytes / token.length)).slice(0, step.bytes)
    else if (step.body !== undefined) body = latin1(step.body.fill(values, ESCAPES[step.bodyIs]))
    if (body === undefined) {
      return step.method === 'GET' || step.method === 'HEAD' || step.method === 'DELETE'
        ? `${head}\r\n`
        : `${head}Content-Length: 0\r\n\r\n`
    }
    return `${head}Content-Length: ${body.length}\r\n\r\n${body}`
  }

  /** Takes the cookies of an answer (RFC 6265 5.2, one host and one path). */
  takeCookies(response: HttpResponse): void {
    for (const line of response.headerValues('set-cookie')) {
      const [pair, ...attributes] = line.split(';')
      const at = pair!.indexOf('=')
      if (at <= 0) continue
      const name = pair!.slice(0, at).trim()
      const value = pair!.slice(at + 1).trim()
      if (attributes.some(expired)) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    this.#cookieLine =
      this.#cookies.size === 0
        ? ''
        : `Cookie: ${[...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')}\r\n`
  }

  /** Value of a source in an answer; undefined where it is not there. */
  read(source: Source, answer: Answer): string | undefined {
    switch (source.kind) {
      case 'json':
        return atPath(answer.json(), source.keys)
      case 'base64': {
        const text = atPath(answer.json(), source.keys)
        return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8')
      }
      case 'header':
        return answer.response.header(source.name)
      case 'cookie':
        return this.#cookies.get(source.name)
      case 'var':
        return this.values[source.name]
      case 'body':
        return answer.text()
      case 'status':
        return String(answer.response.status)
      case 'token':
        return answer.token
    }
  }

  /** A token in the body that is not this walker's. */
  strangerIn(answer: Answer): string | undefined {
    if (!answer.read && answer.response.body.indexOf(TOKEN_START_BYTES) < 0) return undefined
    const text = answer.text()
    for (let at = text.indexOf(TOKEN_START); at >= 0; at = text.indexOf(TOKEN_START, at + 2)) {
      if (text.startsWith(this.#mark, at)) continue
      TOKEN.lastIndex = at
      const match = TOKEN.exec(text)
      if (match !== null && Number(match[1]) !== this.index) return match[0]
    }
    return undefined
  }
}

const UNRESERVED = /^[\w.~-]*$/

/** A value within a path (RFC 3986 2.3). */
function inPath(value: string): string {
  return UNRESERVED.test(value) ? value : encodeURIComponent(value)
}

function latin1(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

const ESCAPES = { json: inJson, form: encodeURIComponent, text: undefined }

function expired(attribute: string): boolean {
  const [name, value] = attribute.split('=').map((part) => part.trim().toLowerCase())
  if (name === 'max-age') return Number(value) <= 0
  return name === 'expires' && Date.parse(attribute.slice(attribute.indexOf('=') + 1)) < Date.now()
}

function atPath(value: unknown, keys: readonly string[]): string | undefined {
  let node: unknown = value
  for (const key of keys) {
    if (typeof node !== 'object' || node === null) return undefined
    node = (node as Record<string, unknown>)[key]
  }
  if (node === undefined || node === null) return undefined
  return typeof node === 'string' ? node : JSON.stringify(node)
}

const EMPTY = Buffer.alloc(0)

/** An answer with its body read at most once. */
export class Answer {
  readonly response: HttpResponse
  readonly token: string
  #text: string | undefined
  #json: { value: unknown } | undefined

  constructor(response: HttpResponse, token: string) {
    this.response = response
    this.token = token
  }

  /** The text was made already. */
  get read(): boolean {
    return this.#text !== undefined
  }

  /** The content as text, its codings undone; empty where they cannot be. */
  text(): string {
    return (this.#text ??= (this.content() ?? EMPTY).toString('utf8'))
  }

  /** The body without its content codings; undefined where they cannot be undone. */
  content(): Buffer | undefined {
    const { response } = this
    const codings = response.body.length === 0 ? undefined : response.header('content-encoding')
    return codings === undefined ? response.body : decodeContent(codings, response.body)
  }

  /** The body as JSON; undefined where it is none. */
  json(): unknown {
    if (this.#json === undefined) {
      let value: unknown
      try {
        value = JSON.parse(this.text())
      } catch {
        value = undefined
      }
      this.#json = { value }
    }
    return this.#json.value
  }
}
