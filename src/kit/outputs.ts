/** Outputs and state of an action, through the files of the runner. */
import { appendFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { InfraError } from './errors.ts'
import { codeOf } from './files.ts'
import { holdsSecret } from './secrets.ts'

function append(variable: string, name: string, value: string, env: NodeJS.ProcessEnv): void {
  const file = env[variable]
  if (file === undefined || file === '') return
  // A delimiter that the value cannot hold keeps a server's text from setting outputs of its own.
  const mark = `ghadelimiter_${randomBytes(16).toString('hex')}`
  try {
    appendFileSync(file, `${name}<<${mark}\n${value}\n${mark}\n`)
  } catch (error) {
    throw new InfraError(
      { where: variable, what: `${file} cannot be written (${codeOf(error) ?? 'unknown'})` },
      { cause: error }
    )
  }
}

/** Sets outputs; undefined ones stay unset. Returns the names left out because their value holds a secret. */
export function setOutputs(
  values: Readonly<Record<string, string | number | boolean | undefined>>,
  env: NodeJS.ProcessEnv = process.env
): string[] {
  const left: string[] = []
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue
    if (holdsSecret(String(value))) left.push(name)
    else append('GITHUB_OUTPUT', name, String(value), env)
  }
  return left
}

/** What the main step leaves for the post step. */
export interface StepState {
  save(name: string, value: string): void
  read(name: string): string | undefined
}

/** State through `GITHUB_STATE`; the runner hands it to the post step as `STATE_NAME`. */
export const stepState: StepState = {
  save: (name, value) => append('GITHUB_STATE', name, value, process.env),
  read: (name) => {
    const value = process.env[`STATE_${name}`]
    return value === undefined || value === '' ? undefined : value
  }
}
