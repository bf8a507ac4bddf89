/** The commands of the command line, as data: the reader of arguments, the help and the docs come from here. */
import { bool, defineCommand, path, pickFields } from '../kit/spec.ts'
import { gateOptions, selectOptions, validateOptions } from '../validate/options.ts'

export const validateCommand = defineCommand({
  name: 'validate',
  title: 'prove servers correct under stress: the matrix of the manifest, or one server at --url',
  description:
    'Runs tier 1 against every refapp and engine: Markov walkers, adversarial HTTP/1, h2c churn, WebSocket torture and SSE kills, with invariants once a second beside them. Writes validate-results.json, summary.md, findings and incidents to the output folder and judges them by the gate.',
  options: validateOptions,
  examples: [
    { line: 'validate', about: 'the servers of ./probatorium.yml, or those that come with the suite' },
    { line: 'validate --refapps shop --engines node-http --duration 30s', about: 'one cell' },
    {
      line: 'validate --url http://127.0.0.1:8080 --pid 4711 --route ws=/socket',
      about: 'a server that runs already'
    },
    {
      line: 'validate --celeris ../celeris --engines epoll --strict',
      about: 'a checkout of celeris; MED fails too'
    }
  ]
})

export const gateCommand = defineCommand({
  name: 'gate',
  title: 'judge a validate-results.json',
  description:
    'Reads a result document of schema 5.x and says whether it may be called green: findings, vacuous cells, missing cells, waivers.',
  options: {
    ...gateOptions,
    config: path().as('FILE').describe('Manifest whose gates apply. Without it probatorium.yml here.')
  },
  operands: [{ name: 'FILE', description: 'a validate-results.json', required: true }],
  examples: [
    { line: 'gate probatorium-out/validate-results.json --strict', about: 'MED fails too' },
    {
      line: 'gate results.json --expect-cells 24 --waivers waivers.yml',
      about: 'a whole matrix, with known deviations'
    }
  ]
})

export const planCommand = defineCommand({
  name: 'plan',
  title: 'the cells that would run, as a matrix for CI',
  description:
    'Lists refapp and engine of every cell of the manifest. With --json it prints a document whose include list is a GitHub Actions matrix.',
  options: selectOptions,
  examples: [{ line: 'plan --refapps plain --json', about: 'a matrix of the plain servers' }]
})

export const doctorCommand = defineCommand({
  name: 'doctor',
  title: 'what this machine can run, what is missing, and the command that repairs it',
  description: 'Looks for the toolchains, backends and kernel features that the manifest needs.',
  options: {
    ...pickFields(selectOptions, ['config', 'celeris']),
    strict: bool().default('false').describe('Exit 1 where something is missing.')
  },
  examples: [{ line: 'doctor --celeris v1.5.8', about: 'also whether this version of celeris can be had' }]
})

export const commands = [validateCommand, gateCommand, planCommand, doctorCommand] as const
