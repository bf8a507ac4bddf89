/** The command line: one table of commands, typed options, exit codes of the suite. */
import { readArguments } from '../kit/arguments.ts'
import { EXIT, UserError, type Outcome } from '../kit/errors.ts'
import { commandHelp, programHelp } from '../kit/help.ts'
import { createLog } from '../kit/log.ts'
import { runMain, type MainContext } from '../kit/run.ts'
import { didYouMean } from '../kit/suggest.ts'
import { suiteVersion } from '../kit/version.ts'
import { runCatalogue } from './catalogue.ts'
import {
  catalogueCommand,
  commands,
  doctorCommand,
  gateCommand,
  planCommand,
  replayCommand,
  shrinkCommand,
  validateCommand
} from './commands.ts'
import { runReplay, runShrink, withLanguage } from './replay.ts'
import { runDoctor, runGate, runPlan } from './other.ts'
import { runValidate } from './validate.ts'

export const ABOUT = 'Proves an HTTP server fast and correct under stress.'

/** Runs the command line and ends the process. */
export async function cli(argv: readonly string[] = process.argv.slice(2)): Promise<never> {
  const [name, ...rest] = argv
  const asked = (flag: string): boolean => argv.some((word) => word === flag || word === `${flag}=true`)
  const log = createLog({ json: asked('--json'), quiet: asked('--quiet') })
  return runMain((context) => dispatch(name, rest, context), { log })
}

async function dispatch(
  name: string | undefined,
  argv: string[],
  { log, signal }: MainContext
): Promise<Outcome> {
  if (name === '--version' || name === '-v') return print(suiteVersion())
  if (name === 'help' && commands.some((entry) => entry.name === argv[0])) {
    return dispatch(argv[0], ['--help'], { log, signal })
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(programHelp(commands, ABOUT))
    if (name !== undefined) return 'pass'
    process.exitCode = EXIT.usage
    return 'usage'
  }
  const command = commands.find((entry) => entry.name === name)
  if (command === undefined) {
    const names = commands.map((entry) => entry.name)
    const word = name.startsWith('-') ? 'flag' : 'command'
    throw new UserError({
      what: `unknown ${word} "${name}"${didYouMean(name, names)}`,
      fix: name.startsWith('-')
        ? `write the command first: probatorium ${names.join('|')} ${name}`
        : `commands: ${names.join(', ')}`
    })
  }
  if (argv.includes('--help') || argv.includes('-h')) return print(commandHelp(command))
  switch (command.name) {
    case 'validate': {
      const { options, given } = readArguments(validateCommand, argv)
      return runValidate(options, given, log, signal)
    }
    case 'catalogue': {
      const { options, given } = readArguments(catalogueCommand, argv)
      return runCatalogue(options, given, log, signal)
    }
    case 'replay': {
      const { options, operands } = readArguments(replayCommand, withLanguage(argv))
      return runReplay(options, operands[0]!, log, signal)
    }
    case 'shrink': {
      const { options, operands } = readArguments(shrinkCommand, argv)
      return runShrink(options, operands[0]!, log, signal)
    }
    case 'gate': {
      const { options, given, operands } = readArguments(gateCommand, argv)
      return runGate(options, given, operands[0]!, log)
    }
    case 'plan':
      return runPlan(readArguments(planCommand, argv).options, log)
    default: {
      const { config, celeris, strict } = readArguments(doctorCommand, argv).options
      return runDoctor({ config, celeris, strict }, log)
    }
  }
}

function print(text: string): Outcome {
  process.stdout.write(`${text}\n`)
  return 'pass'
}
