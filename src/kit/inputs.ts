/** Inputs of an action, from the environment of the runner. */
import { UserError } from './errors.ts'
import { maskSecret } from './secrets.ts'
import type { Fields, InputsOf } from './spec.ts'
import { nearest } from './suggest.ts'

export interface ReadInputs<F> {
  inputs: InputsOf<F>
  /** Names that the user wrote, as opposed to defaults. */
  given: ReadonlySet<string>
  /** Sentences about inputs that the action does not have. */
  warnings: string[]
}

/** Name of the environment variable: upper case, blanks become underscores, dashes stay. */
export function inputVariable(name: string): string {
  return `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`
}

/** One error out of many, so that a user repairs everything at once. */
export function joinUserErrors(problems: readonly UserError[], noun: string): UserError {
  const [first] = problems
  if (problems.length === 1 && first !== undefined) return first
  return new UserError(
    [
      `${problems.length} ${noun} are wrong`,
      ...problems.map(({ message }) => `  - ${message.replaceAll('\n', '\n  ')}`)
    ].join('\n')
  )
}

/**
 * Reads the inputs of an action. An empty variable is an unset input: the runner cannot tell them apart.
 * Secrets are masked before anything else is read.
 * @throws UserError with every problem at once.
 */
export function readActionInputs<const F extends Fields>(
  spec: { readonly inputs: F },
  env: NodeJS.ProcessEnv = process.env
): ReadInputs<F> {
  const names = Object.keys(spec.inputs)
  const textOf = (name: string): string => env[inputVariable(name)] ?? ''
  for (const [name, { about }] of Object.entries(spec.inputs)) {
    if (about.secret && textOf(name) !== '') maskSecret(textOf(name), env)
  }
  const problems: UserError[] = []
  const values: Record<string, unknown> = {}
  const given = new Set<string>()
  for (const [name, input] of Object.entries(spec.inputs)) {
    // The runner fills in the default of action.yml itself, so a text equal to it says nothing about the user.
    if (textOf(name).trim() !== '' && textOf(name).trim() !== input.about.default) given.add(name)
    try {
      values[name] = input.parse(textOf(name), `input ${name}`)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      problems.push(error)
    }
  }
  if (problems.length > 0) throw joinUserErrors(problems, 'inputs')
  return { inputs: values as InputsOf<F>, given, warnings: unknownInputs(names, env) }
}

function unknownInputs(names: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const known = new Set(names.map(inputVariable))
  return Object.keys(env)
    .filter((key) => key.startsWith('INPUT_') && !known.has(key))
    .flatMap((key) => {
      const written = key.slice('INPUT_'.length).toLowerCase()
      const name = nearest(written.replaceAll('_', '-'), names)
      return name === undefined
        ? []
        : [`input ${written} is unknown and was ignored; did you mean "${name}"?`]
    })
}
