/** Texts with variables: `/items/{{item}}`. Compiled once, filled in millions of times. */
export type Values = Record<string, string | undefined>

const VARIABLE = /\{\{\s*([a-z_][a-z0-9_]*)\s*\}\}/gi

/** Values of these need no escape anywhere. */
const PLAIN_NAMES = new Set(['token', 'walker', 'secret', 'seq'])

/** Static texts and, between them, names of variables. */
export class Template {
  readonly texts: readonly string[]
  readonly names: readonly string[]
  readonly #plain: readonly boolean[]

  constructor(texts: readonly string[], names: readonly string[]) {
    this.texts = texts
    this.names = names
    this.#plain = names.map((name) => PLAIN_NAMES.has(name))
  }

  static parse(source: string): Template {
    const texts: string[] = []
    const names: string[] = []
    let last = 0
    for (const match of source.matchAll(VARIABLE)) {
      texts.push(source.slice(last, match.index))
      names.push(match[1]!)
      last = match.index + match[0].length
    }
    texts.push(source.slice(last))
    return new Template(texts, names)
  }

  /** All its variables are set. */
  ready(values: Values): boolean {
    return this.names.every((name) => values[name] !== undefined)
  }

  /** The text with its variables; an unset one leaves nothing. */
  fill(values: Values, escape?: (value: string) => string): string {
    let out = this.texts[0]!
    for (let i = 0; i < this.names.length; i++) {
      const value = values[this.names[i]!] ?? ''
      out += (escape === undefined || this.#plain[i]! ? value : escape(value)) + this.texts[i + 1]!
    }
    return out
  }
}

const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

/** A value as it stands between the quotes of a JSON string. */
export function inJson(value: string): string {
  return PLAIN.test(value) ? value : JSON.stringify(value).slice(1, -1)
}
