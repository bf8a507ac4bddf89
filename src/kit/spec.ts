/**
 * One declaration per input: the same table gives an action its `action.yml`, a command its `--help`,
 * and both their typed values.
 */
import { Field } from './field.ts'

/** Fields by their public names; dashes stay in the names (`fail-on`). */
export type Fields = Readonly<Record<string, Field<unknown>>>

/** The typed values of a table of fields. An unset optional field is `undefined`. */
export type InputsOf<F> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

/** What an action sets; an output that is left out stays unset. */
export type OutputsOf<O> = { readonly [K in keyof O]?: string | number | boolean | undefined }

export interface Branding {
  /** Name of a feather icon. */
  icon: string
  color: 'white' | 'black' | 'yellow' | 'blue' | 'green' | 'orange' | 'red' | 'purple' | 'gray-dark'
}

export interface ActionSpec<
  F extends Fields = Fields,
  O extends Record<string, string> = Record<string, string>
> {
  /** Folder name under `actions/`, and the last part of `uses:`. */
  readonly name: string
  readonly title: string
  /** First sentence stands alone in tables. */
  readonly description: string
  readonly inputs: F
  /** Description by output name; `outcome` is set by the run wrapper. */
  readonly outputs: O
  /** The action has a post step (`post-if: always()`). */
  readonly post?: boolean
  readonly branding?: Branding
}

/** Declares an action. */
export function defineSpec<const F extends Fields, const O extends Record<string, string>>(
  spec: ActionSpec<F, O>
): ActionSpec<F, O> {
  return spec
}

/** A word of the command line that is not an option. */
export interface Operand {
  /** As it stands in the usage line: `FILE`. */
  readonly name: string
  readonly description: string
  readonly required?: boolean
  /** Takes all that follow. */
  readonly many?: boolean
}

export interface CommandExample {
  /** Arguments after the program's name: `validate --url http://127.0.0.1:8080`. */
  readonly line: string
  readonly about: string
}

export interface CommandSpec<F extends Fields = Fields> {
  readonly name: string
  /** One line, for the list of commands. */
  readonly title: string
  readonly description: string
  readonly options: F
  readonly operands?: readonly Operand[]
  readonly examples?: readonly CommandExample[]
}

/** Declares a command of the command line. */
export function defineCommand<const F extends Fields>(spec: CommandSpec<F>): CommandSpec<F> {
  return spec
}

/** Takes the named fields out of a table. */
export function pickFields<F extends Fields, const K extends keyof F>(
  fields: F,
  names: readonly K[]
): Pick<F, K> {
  return Object.fromEntries(names.map((name) => [name, fields[name]])) as unknown as Pick<F, K>
}

export { bool, duration, enumOf, int, lines, list, pairs, path, secret, seed, str, url } from './field.ts'
export type { Field } from './field.ts'
