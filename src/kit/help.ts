/** Help pages of the command line, from the same tables that read the arguments. */
import { COMMON_OPTIONS } from './arguments.ts'
import type { CommandSpec, Field, Fields } from './spec.ts'

const WIDTH = 100
const LONGEST_LEFT = 30

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return line === '' ? lines : [...lines, line]
}

function row(left: string, right: string, column: number): string[] {
  const body = wrap(right, WIDTH - column)
  const head = `  ${left}`
  const first = head.length + 2 <= column ? `${head.padEnd(column)}${body.shift() ?? ''}` : head
  return [first.trimEnd(), ...body.map((line) => ' '.repeat(column) + line)]
}

/** A flag as it stands in help: `--duration DURATION`, `--strict`. */
export function flagText(name: string, { about }: Field<unknown>): string {
  return about.kind === 'bool' ? `--${name}` : `--${name} ${about.placeholder}`
}

/** What a field allows, its default and an example, in one line of text. */
export function limitsText({ about }: Field<unknown>): string {
  const parts: string[] = []
  if (about.allowed !== undefined && about.kind !== 'enum') {
    parts.push(`${about.kind === 'pairs' ? 'keys' : 'allowed'}: ${about.allowed.join(', ')}`)
  }
  if (about.range !== undefined) parts.push(about.range)
  if (about.required) parts.push('required')
  if (about.default !== undefined && about.default !== 'false') parts.push(`default: ${about.default}`)
  if (about.examples.length > 0) parts.push(`such as ${about.examples.join(', ')}`)
  return parts.join('; ')
}

/** `probatorium gate FILE [options]` */
export function usageLine(command: Pick<CommandSpec, 'name' | 'operands'>): string {
  const operands = (command.operands ?? []).map(({ name, required = false, many = false }) => {
    const word = many ? `${name}...` : name
    return required ? word : `[${word}]`
  })
  return ['probatorium', command.name, ...operands, '[options]'].join(' ')
}

function optionRows(fields: Fields): string[] {
  const entries = Object.entries(fields).map(([name, field]): [string, string] => {
    const limits = limitsText(field)
    return [
      flagText(name, field),
      limits === '' ? field.about.description : `${field.about.description} (${limits})`
    ]
  })
  const column = 4 + Math.min(LONGEST_LEFT, Math.max(...entries.map(([left]) => left.length)))
  return entries.flatMap(([left, right]) => row(left, right, column))
}

/** The page that `probatorium COMMAND --help` shows. */
export function commandHelp(command: CommandSpec): string {
  const lines = [`Usage: ${usageLine(command)}`, '', ...wrap(command.description, WIDTH)]
  if ((command.operands ?? []).length > 0) {
    lines.push(
      '',
      'Arguments:',
      ...(command.operands ?? []).flatMap(({ name, description }) => row(name, description, 14))
    )
  }
  if (Object.keys(command.options).length > 0) lines.push('', 'Options:', ...optionRows(command.options))
  lines.push('', 'Common options:', ...optionRows(COMMON_OPTIONS))
  if ((command.examples ?? []).length > 0) {
    lines.push('', 'Examples:')
    for (const { line, about } of command.examples ?? [])
      lines.push(`  probatorium ${line}`, `      ${about}`)
  }
  lines.push('', 'Exit codes: 0 pass, 1 findings, 2 usage, 3 infrastructure, 130 aborted')
  return lines.join('\n')
}

/** The page that `probatorium --help` shows. */
export function programHelp(commands: readonly CommandSpec[], about: string): string {
  const column = 6 + Math.max(...commands.map(({ name }) => name.length))
  return [
    'Usage: probatorium COMMAND [options]',
    '',
    ...wrap(about, WIDTH),
    '',
    'Commands:',
    ...commands.flatMap(({ name, title }) => row(name, title, column)),
    '',
    'probatorium COMMAND --help shows the options of a command, probatorium --version the version.'
  ].join('\n')
}
