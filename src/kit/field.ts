/** Fields: how the text of an input or option becomes a value. */
import { parseDuration, type DurationLimits } from './duration.ts'
import { UserError } from './errors.ts'
import { parseSeed } from './random.ts'
import { didYouMean } from './suggest.ts'

export type FieldKind =
  'text' | 'list' | 'lines' | 'pairs' | 'bool' | 'int' | 'enum' | 'duration' | 'seed' | 'path' | 'url'

/** What a document or a help page says about a field. */
export interface FieldAbout {
  readonly kind: FieldKind
  readonly description: string
  /** As a user would write it. */
  readonly default?: string
  readonly examples: readonly string[]
  /** Every value (or list entry, or key) allowed, where the set is closed. */
  readonly allowed?: readonly string[]
  /** Range or form in words: `1 to 256`. */
  readonly range?: string
  readonly required: boolean
  /** Masked in every output. */
  readonly secret: boolean
  /** Stands for the value in help: `DURATION`. */
  readonly placeholder: string
  /** JSON Schema of the text. */
  readonly schema: Readonly<Record<string, unknown>>
}

type Reader = (text: string, where: string) => unknown

/** One input. Immutable: every method returns a new field. An empty text counts as unset. */
export class Field<T> {
  readonly about: FieldAbout
  readonly #read: Reader

  constructor(about: FieldAbout, read: Reader) {
    this.about = about
    this.#read = read
  }

  #with<U>(change: Partial<FieldAbout>): Field<U> {
    return new Field<U>({ ...this.about, ...change }, this.#read)
  }

  describe(description: string): Field<T> {
    return this.#with({ description })
  }

  /** The value of an unset field, written as a user would write it. */
  default(text: string): Field<Exclude<T, undefined>> {
    return this.#with({ default: text })
  }

  required(): Field<Exclude<T, undefined>> {
    return this.#with({ required: true })
  }

  examples(...examples: string[]): Field<T> {
    return this.#with({ examples })
  }

  /** Name that stands for the value in help: `DIR`. */
  as(placeholder: string): Field<T> {
    return this.#with({ placeholder })
  }

  /**
   * Reads the text of the field.
   * @param where names the input in messages: `input duration` or `--duration`.
   * @throws UserError naming the input, the value and what is allowed.
   */
  parse(raw: string, where: string): T {
    const text = raw.trim()
    if (text !== '') return this.#read(text, where) as T
    if (this.about.default !== undefined && this.about.default !== '') {
      return this.#read(this.about.default, where) as T
    }
    if (this.about.required) {
      throw new UserError({ where, what: 'a value is required', fix: this.about.description })
    }
    return undefined as T
  }
}

function field<T>(
  kind: FieldKind,
  placeholder: string,
  schema: Record<string, unknown>,
  read: (text: string, where: string) => T,
  more: Partial<FieldAbout> = {}
): Field<T | undefined> {
  const about = {
    kind,
    placeholder,
    schema,
    description: '',
    examples: [],
    required: false,
    secret: false,
    ...more
  }
  return new Field<T | undefined>(about, read)
}

function member(value: string, allowed: readonly string[], where: string, noun: string): string {
  if (allowed.includes(value)) return value
  throw new UserError({
    where,
    what: `"${value}" is not ${noun}${didYouMean(value, allowed)}`,
    fix: `allowed: ${allowed.join(', ')}`
  })
}

/** Any text. */
export function str(): Field<string | undefined> {
  return field('text', 'TEXT', { type: 'string' }, (text) => text)
}

/** Text that is masked everywhere and never stands in an argument list. */
export function secret(): Field<string | undefined> {
  return field('text', 'SECRET', { type: 'string' }, (text) => text, { secret: true })
}

/** A file or folder, as written; the reader resolves it. */
export function path(): Field<string | undefined> {
  return field('path', 'PATH', { type: 'string' }, (text, where) => {
    if (text.includes('\0')) throw new UserError({ where, what: 'a path cannot hold a NUL character' })
    return text
  })
}

/** Entries parted by commas or line ends; doubles are dropped. In a closed list `all` stands for every entry. */
export function list<const A extends string = string>(allowed?: readonly A[]): Field<A[] | undefined> {
  const read = (text: string, where: string): A[] => {
    const entries = [...new Set(text.split(/[,\n]/).map((entry) => entry.trim()))].filter(
      (entry) => entry !== ''
    )
    if (entries.length === 0) throw new UserError({ where, what: `"${text}" names nothing` })
    if (allowed === undefined) return entries as A[]
    if (entries.includes('all')) return [...allowed]
    for (const entry of entries) member(entry, allowed, where, 'known')
    return allowed.filter((entry) => entries.includes(entry))
  }
  return field('list', 'LIST', { type: 'string' }, read, allowed === undefined ? {} : { allowed })
}

/** Entries parted by line ends only. */
export function lines(): Field<string[] | undefined> {
  return field('lines', 'LINE', { type: 'string' }, (text) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
  )
}

/** `KEY=VALUE`, one a line; on the command line the flag may be repeated. */
export function pairs<const K extends string>(
  keys: readonly K[]
): Field<Partial<Record<K, string>> | undefined> {
  const read = (text: string, where: string): Partial<Record<K, string>> => {
    const found: Partial<Record<string, string>> = {}
    for (const line of text.split('\n').map((entry) => entry.trim())) {
      if (line === '') continue
      const at = line.indexOf('=')
      const [key, value] = at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()]
      member(key, keys, where, `a kind of ${where.replace(/^.*?([\w-]+)$/, '$1')}`)
      if (value === '') {
        throw new UserError({ where, what: `"${line}" has no value`, fix: `write ${key}=VALUE` })
      }
      if (found[key] !== undefined && found[key] !== value) {
        throw new UserError({ where, what: `"${key}" is given twice: ${found[key]} and ${value}` })
      }
      found[key] = value
    }
    return found
  }
  return field('pairs', 'KEY=VALUE', { type: 'string' }, read, { allowed: keys })
}

const TRUE = ['true', 'True', 'TRUE']
const FALSE = ['false', 'False', 'FALSE']

/** The booleans of the YAML 1.2 core schema and nothing else. */
export function bool(): Field<boolean | undefined> {
  return field('bool', 'true|false', { type: 'string', enum: ['true', 'false'] }, (text, where) => {
    if (TRUE.includes(text)) return true
    if (FALSE.includes(text)) return false
    const low = text.toLowerCase()
    const meant = ['yes', 'on', '1', 'y'].includes(low)
      ? 'true'
      : ['no', 'off', '0', 'n'].includes(low)
        ? 'false'
        : ''
    throw new UserError({
      where,
      what: `"${text}" is not a boolean${meant === '' ? '' : `; did you mean "${meant}"?`}`,
      fix: 'allowed: true, false'
    })
  })
}

/** A whole number in a closed range. */
export function int({ min, max }: { min?: number; max?: number } = {}): Field<number | undefined> {
  const range =
    min !== undefined && max !== undefined
      ? `${min} to ${max}`
      : min !== undefined
        ? `${min} or more`
        : max !== undefined
          ? `${max} or less`
          : undefined
  const read = (text: string, where: string): number => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN
    const fix = range === undefined ? 'give a whole number' : `give a whole number, ${range}`
    if (!Number.isSafeInteger(value))
      throw new UserError({ where, what: `"${text}" is not a whole number`, fix })
    if ((min !== undefined && value < min) || (max !== undefined && value > max)) {
      throw new UserError({ where, what: `"${text}" is out of range`, fix })
    }
    return value
  }
  return field(
    'int',
    'N',
    { type: 'string', pattern: '^[+-]?[0-9]+$' },
    read,
    range === undefined ? {} : { range }
  )
}

/** One of the named values. */
export function enumOf<const A extends string>(allowed: readonly A[]): Field<A | undefined> {
  const read = (text: string, where: string): A => member(text, allowed, where, 'allowed') as A
  return field('enum', allowed.join('|'), { type: 'string', enum: [...allowed] }, read, { allowed })
}

/** A duration with its unit; the value is in milliseconds. */
export function duration(limits: DurationLimits = {}): Field<number | undefined> {
  const { min, max } = limits
  const range = [min === undefined ? '' : `at least ${min}`, max === undefined ? '' : `at most ${max}`]
    .filter((part) => part !== '')
    .join(', ')
  const schema = { type: 'string', pattern: '^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$' }
  const read = (text: string, where: string): number => parseDuration(text, where, limits)
  return field('duration', 'DURATION', schema, read, range === '' ? {} : { range })
}

/** A seed of 1 to 16 hexadecimal digits; the value has the prefix `0x`. */
export function seed(): Field<string | undefined> {
  const schema = { type: 'string', pattern: '^(0[xX])?[0-9a-fA-F]{1,16}$' }
  return field('seed', 'HEX', schema, (text, where) => parseSeed(text, where), {
    range: '1 to 16 hexadecimal digits'
  })
}

/**
 * An absolute URL with one of the schemes (`http`). One that may carry a password is a secret.
 * @param refused schemes that a user may expect, each with the reason and what to do
 */
export function url({
  schemes = ['http', 'https'],
  refused = {},
  secret: masked = false
}: {
  schemes?: readonly string[]
  refused?: Readonly<Record<string, { why: string; fix: string }>>
  secret?: boolean
} = {}): Field<string | undefined> {
  const read = (text: string, where: string): string => {
    const shown = masked ? 'the value' : `"${text}"`
    const fix = `write ${schemes.map((scheme) => `${scheme}://HOST:PORT`).join(' or ')}`
    const parsed = URL.canParse(text) ? new URL(text) : undefined
    if (parsed === undefined) throw new UserError({ where, what: `${shown} is not a URL`, fix })
    const scheme = parsed.protocol.slice(0, -1)
    if (refused[scheme] !== undefined)
      throw new UserError({ where, what: `${scheme} is not spoken here`, ...refused[scheme] })
    if (!schemes.includes(scheme))
      throw new UserError({ where, what: `${shown} has the scheme "${scheme}"`, fix })
    if (parsed.hostname === '') throw new UserError({ where, what: `${shown} names no host`, fix })
    return text
  }
  const schema = { type: 'string', format: 'uri' }
  return field('url', 'URL', schema, read, {
    secret: masked,
    range: schemes.map((scheme) => `${scheme}://`).join(', ')
  })
}
