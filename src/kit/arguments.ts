/** Options and operands of a command, from its argument list. */
import { parseArgs } from 'node:util'
import { UserError } from './errors.ts'
import { bool, type CommandSpec, type Fields, type InputsOf } from './spec.ts'
import { joinUserErrors } from './inputs.ts'
import { maskSecret } from './secrets.ts'
import { didYouMean } from './suggest.ts'

/** Options that every command has. */
export const COMMON_OPTIONS = {
  json: bool()
    .default('false')
    .describe('Write one JSON document to stdout; everything else goes to stderr.'),
  quiet: bool().default('false').describe('Show only results, warnings and errors.'),
  help: bool().default('false').describe('Show this help and exit.')
}

export interface ReadArguments<F> {
  options: InputsOf<F> & InputsOf<typeof COMMON_OPTIONS>
  operands: string[]
  /** Options that the user wrote, as opposed to defaults. */
  given: ReadonlySet<string>
}

/** Kinds whose flag may be repeated; the values are joined by line ends. */
const REPEATABLE = new Set(['list', 'lines', 'pairs'])

/**
 * Reads the arguments after the command's name: `--flag value`, `--flag=value`, `--flag` and `--no-flag` for
 * booleans, a repeated flag for lists, `--` before operands that begin with a dash. With `--help` nothing else is
 * checked.
 * @throws UserError with every problem at once.
 */
export function readArguments<const F extends Fields>(
  command: Pick<CommandSpec<F>, 'options' | 'operands'>,
  argv: readonly string[]
): ReadArguments<F> {
  const table: Fields = { ...command.options, ...COMMON_OPTIONS }
  const texts = new Map<string, string>()
  const operands: string[] = []
  const problems: UserError[] = []
  const put = (name: string, text: string): void => {
    const before = texts.get(name)
    const repeats = REPEATABLE.has(table[name]?.about.kind ?? '')
    if (before !== undefined && !repeats && before !== text) {
      problems.push(new UserError(`--${name} is given twice: "${before}" and "${text}"`))
    }
    texts.set(name, before !== undefined && repeats ? `${before}\n${text}` : text)
  }

  // What follows an unknown flag may be its value: it is an operand only where one is expected.
  let afterUnknown = -1
  const doubtful = new Set<number>()
  for (const token of tokenise(table, argv)) {
    if (token.kind === 'positional') {
      if (token.index === afterUnknown) doubtful.add(operands.length)
      operands.push(token.value)
    }
    if (token.kind !== 'option') continue
    const { name, flag, value } = flagOf(token, table)
    const field = table[name]
    if (field === undefined) {
      afterUnknown = token.value === undefined ? token.index + 1 : -1
      problems.push(new UserError(`unknown flag ${flag}${didYouMean(name, Object.keys(table), '--')}`))
    } else if (value === undefined) {
      problems.push(
        new UserError({
          where: flag,
          what: 'a value is missing',
          fix: `write ${flag} ${field.about.placeholder}`
        })
      )
    } else put(name, value)
  }
  for (const index of [...doubtful].reverse())
    if (operands.length > mostOperands(command)) operands.splice(index, 1)
  if (texts.get('help') === 'true') problems.length = 0
  else checkOperands(command, operands, problems)

  for (const [name, { about }] of Object.entries(table)) if (about.secret) maskSecret(texts.get(name) ?? '')
  const values: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(table)) {
    try {
      values[name] = field.parse(texts.get(name) ?? '', `--${name}`)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      if (texts.get('help') !== 'true') problems.push(error)
    }
  }
  if (problems.length > 0) throw joinUserErrors(problems, 'arguments')
  return { options: values as ReadArguments<F>['options'], operands, given: new Set(texts.keys()) }
}

/** `-duration 10s`, as Go programs take it: one flag, not eight of one letter. */
const ONE_DASH = /^-[a-z][\w-]+/i

function tokenise(table: Fields, argv: readonly string[]) {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { about }]) => [
      name,
      {
        type: about.kind === 'bool' ? ('boolean' as const) : ('string' as const),
        ...(name === 'help' ? { short: 'h' } : {})
      }
    ])
  )
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true
  })
  const kept: typeof tokens = []
  for (const token of tokens) {
    const word = token.kind === 'option' ? argv[token.index]! : ''
    if (token.kind !== 'option' || !ONE_DASH.test(word)) kept.push(token)
    else if (kept.at(-1)?.index !== token.index) {
      const at = word.indexOf('=')
      const name = at < 0 ? word : word.slice(0, at)
      kept.push(
        at < 0
          ? {
              kind: 'option',
              index: token.index,
              name,
              rawName: name,
              value: undefined,
              inlineValue: undefined
            }
          : {
              kind: 'option',
              index: token.index,
              name,
              rawName: name,
              value: word.slice(at + 1),
              inlineValue: true
            }
      )
    }
  }
  return kept
}

function flagOf(
  token: { name: string; rawName: string; value: string | undefined },
  table: Fields
): { name: string; flag: string; value: string | undefined } {
  const flag = token.rawName
  if (table[token.name]?.about.kind === 'bool')
    return { name: token.name, flag, value: token.value ?? 'true' }
  const positive = token.name.startsWith('no-') ? token.name.slice(3) : undefined
  if (positive !== undefined && table[positive]?.about.kind === 'bool')
    return { name: positive, flag, value: 'false' }
  // A flag where a value should stand is a forgotten value, not the value.
  const value = token.value !== undefined && /^--?([a-z]|$)/i.test(token.value) ? undefined : token.value
  return { name: token.name, flag, value }
}

function mostOperands({ operands = [] }: Pick<CommandSpec, 'operands'>): number {
  return operands.at(-1)?.many === true ? Number.POSITIVE_INFINITY : operands.length
}

function checkOperands(
  command: Pick<CommandSpec, 'operands'>,
  operands: readonly string[],
  problems: UserError[]
): void {
  const expected = command.operands ?? []
  const missing = expected.filter(({ required = false }, index) => required && operands[index] === undefined)
  for (const { name, description } of missing) {
    problems.push(new UserError({ what: `${name} is missing`, fix: description }))
  }
  for (const extra of operands.slice(mostOperands(command)))
    problems.push(new UserError(`unexpected argument "${extra}"`))
}
