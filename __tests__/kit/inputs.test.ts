import { expect, test } from '@jest/globals'
import { readArguments } from '../../src/kit/arguments.ts'
import { UserError } from '../../src/kit/errors.ts'
import { commandHelp, programHelp } from '../../src/kit/help.ts'
import { readActionInputs } from '../../src/kit/inputs.ts'
import { redact } from '../../src/kit/secrets.ts'
import {
  bool,
  defineCommand,
  duration,
  enumOf,
  int,
  list,
  pairs,
  pickFields,
  secret,
  str
} from '../../src/kit/spec.ts'

const inputs = {
  duration: duration({ min: '2s' }).default('60s').describe('Length.').examples('10m'),
  'fail-on': enumOf(['high', 'med', 'low', 'never']).default('high').describe('Lowest severity.'),
  concurrency: int({ min: 1, max: 256 }).default('16').describe('Walkers.'),
  engines: list().describe('Engines.'),
  route: pairs(['ws', 'sse']).describe('Routes.'),
  strict: bool().default('false').describe('MED fails too.'),
  color: bool().default('true').describe('Colours.'),
  token: secret().describe('A token.')
}
const command = defineCommand({
  name: 'gate',
  title: 'judge',
  description: 'Judges a document.',
  options: inputs,
  operands: [{ name: 'FILE', description: 'a document', required: true }],
  examples: [{ line: 'gate a.json --strict', about: 'MED too' }]
})
const problemOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(UserError)
    return (error as Error).message
  }
  throw new Error('nothing was thrown')
}

test('inputs of an action: dashes kept, empty is unset, defaults, what the user gave', () => {
  const read = readActionInputs(
    { inputs },
    { 'INPUT_FAIL-ON': 'low', INPUT_DURATION: '', INPUT_CONCURRENCY: '16', INPUT_ROUTE: 'ws=/a\nsse=/b\n' }
  )
  expect(read.inputs).toMatchObject({
    'fail-on': 'low',
    duration: 60_000,
    concurrency: 16,
    engines: undefined,
    route: { ws: '/a', sse: '/b' },
    strict: false
  })
  expect([...read.given]).toEqual(['fail-on', 'route'])
  expect(read.warnings).toEqual([])
})

test('every wrong input is named in one error', () => {
  const env = { INPUT_DURATION: '10', 'INPUT_FAIL-ON': 'hihg', INPUT_CONCURRENCY: '999' }
  const text = problemOf(() => readActionInputs({ inputs }, env))
  expect(text).toMatch(/3 inputs are wrong/)
  expect(text).toMatch(/input duration: "10"[\s\S]*input fail-on: "hihg"[\s\S]*input concurrency: "999"/)
})

test('an input that the action does not have is told with the nearest name', () => {
  const { warnings } = readActionInputs(
    { inputs },
    { INPUT_FAIL_ON: 'low', INPUT_ENGINE: 'std', INPUT_ZZZZZ: '1' }
  )
  expect(warnings).toEqual([
    expect.stringContaining('did you mean "fail-on"'),
    expect.stringContaining('did you mean "engines"')
  ])
})

test('a secret is masked even where another input is wrong', () => {
  problemOf(() => readActionInputs({ inputs }, { INPUT_TOKEN: 'tok-91c2', INPUT_DURATION: 'x' }))
  expect(redact('a tok-91c2 b')).toBe('a *** b')
})

test('arguments: forms of a flag, repeated lists, negation, operands', () => {
  const { options, operands, given } = readArguments(command, [
    '--duration=10s',
    '--concurrency',
    '4',
    '--strict',
    '--no-color',
    '--route',
    'ws=/a',
    '--route=sse=/b',
    '--engines',
    'std',
    '--engines',
    'epoll',
    '--json',
    'a.json'
  ])
  expect(options).toMatchObject({
    duration: 10_000,
    concurrency: 4,
    strict: true,
    color: false,
    route: { ws: '/a', sse: '/b' },
    engines: ['std', 'epoll'],
    json: true,
    quiet: false,
    'fail-on': 'high'
  })
  expect(operands).toEqual(['a.json'])
  expect(given.has('duration')).toBe(true)
  expect(given.has('fail-on')).toBe(false)
})

test.each<[string, string[], RegExp]>([
  ['unknown flag', ['f', '--duratoin', '10s'], /^unknown flag --duratoin; did you mean "--duration"\?/],
  [
    'unknown flag before the operand',
    ['--strickt', 'f'],
    /^unknown flag --strickt; did you mean "--strict"\?$/
  ],
  [
    'a flag as Go takes it',
    ['f', '-duration', '10s'],
    /^unknown flag -duration; did you mean "--duration"\?$/
  ],
  [
    'a wrong flag with its value',
    ['f', '--nosuchthing=1', 'g'],
    /--nosuchthing[\s\S]*unexpected argument "g"/
  ],
  [
    'value missing at the end',
    ['f', '--duration'],
    /--duration: a value is missing[\s\S]*--duration DURATION/
  ],
  ['value missing before a flag', ['f', '--duration', '--strict'], /--duration: a value is missing/],
  ['twice', ['f', '--duration', '10s', '--duration', '20s'], /--duration is given twice/],
  ['operand missing', [], /FILE is missing/],
  ['operand too many', ['a', 'b'], /unexpected argument "b"/],
  ['no boolean', ['f', '--strict=yes'], /--strict: "yes".*did you mean "true"/],
  [
    'all at once',
    ['f', '--durtion', '1', '--concurrency', '0'],
    /2 arguments are wrong[\s\S]*--durtion[\s\S]*--concurrency/
  ]
])('refused: %s', (_name, argv, words) => {
  expect(problemOf(() => readArguments(command, argv))).toMatch(words)
})

test('help wins over everything that is wrong, and -- ends the flags', () => {
  expect(readArguments(command, ['--help', '--nonsense', '--duration', 'x']).options.help).toBe(true)
  expect(readArguments(command, ['-h']).options.help).toBe(true)
  expect(readArguments(command, ['--', '--odd-name']).operands).toEqual(['--odd-name'])
  expect(problemOf(() => readArguments(command, ['f', '--duration', '--', '10s']))).toMatch(
    /--duration: a value is missing/
  )
})

test('help names every option with its default, range and example', () => {
  const page = commandHelp(command)
  for (const name of Object.keys(inputs)) expect(page).toContain(`--${name}`)
  expect(page).toMatch(/^Usage: probatorium gate FILE \[options\]/)
  expect(page).toMatch(/at least 2s; default: 60s; such as 10m/)
  expect(page).toMatch(/1 to 256; default: 16/)
  expect(page).toMatch(/probatorium gate a\.json --strict/)
  expect(Math.max(...page.split('\n').map((line) => line.length))).toBeLessThanOrEqual(110)
  expect(programHelp([command], 'About.')).toMatch(/gate +judge/)
})

test('fields are taken out of a table by name', () => {
  expect(Object.keys(pickFields(inputs, ['strict', 'token']))).toEqual(['strict', 'token'])
  expect(pickFields({ a: str() }, ['a']).a.parse('x', 'a')).toBe('x')
})
