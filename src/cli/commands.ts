/** The commands of the command line, as data: the reader of arguments, the help and the docs come from here. */
import { bool, defineCommand, path, pickFields } from '../kit/spec.ts'
import { catalogueOptions, gateOptions, selectOptions, validateOptions } from '../validate/options.ts'
import { replayOptions, shrinkOptions } from '../validate/replay/options.ts'

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

export const catalogueCommand = defineCommand({
  name: 'catalogue',
  title: 'play every protocol case against one server at --url, or list and explain them',
  description:
    'Plays the cases of HTTP/1, HTTP/2 in clear, WebSocket and SSE once each, between their well-formed twins, and repeats what went wrong before it is believed. Writes the same documents as validate.',
  options: catalogueOptions,
  examples: [
    { line: 'catalogue --url http://127.0.0.1:8080', about: 'everything that the server speaks' },
    {
      line: 'catalogue --url http://127.0.0.1:8080 --pid 4711 --route echo=/echo --protocols h1',
      about: 'HTTP/1 alone; the echo route shows what the handler saw'
    },
    { line: 'catalogue --list --protocols ws', about: 'names and titles' },
    {
      line: 'catalogue --only te-cl',
      about: 'one case explained: what is sent, what is right, what is wrong'
    }
  ]
})

const REPLAY_FILE = {
  name: 'FILE',
  description: 'a findings/NN-case.replay.json of an output folder',
  required: true
}

export const replayCommand = defineCommand({
  name: 'replay',
  title: 'do one finding again, against any server',
  description:
    'Plays the case of a replay file several times between its well-formed twins, and judges each try as the suite judges. Exit 1 where it is reproduced, 0 where it is not, 3 where no try could be judged. Without a server the one of the finding is launched, or asked at its URL.',
  options: replayOptions,
  operands: [REPLAY_FILE],
  examples: [
    {
      line: 'replay probatorium-out/findings/01-te-cl.replay.json',
      about: 'against the server on which it was found'
    },
    {
      line: 'replay 01-te-cl.replay.json --url http://127.0.0.1:8080 --route echo=/echo',
      about: 'against a server that runs already'
    },
    {
      line: 'replay 01-te-cl.replay.json --refapp kitchen_sink --engine epoll --celeris ../celeris',
      about: 'against a checkout'
    },
    {
      line: 'replay 01-te-cl.replay.json --script > te-cl.py',
      about: 'a script for somebody without the suite; --script bash uses nc'
    }
  ]
})

export const shrinkCommand = defineCommand({
  name: 'shrink',
  title: 'make the message of a finding as small as it can be',
  description:
    'Leaves out requests, lines and bytes of the message for as long as the same predicate convicts it, its twin is served, and a strict reader of the grammar says the same of it as before. Writes FILE with .min.json in place of .replay.json.',
  options: shrinkOptions,
  operands: [REPLAY_FILE],
  examples: [
    {
      line: 'shrink probatorium-out/findings/01-te-cl.replay.json --refapp plain --engine fasthttp',
      about: 'writes probatorium-out/findings/01-te-cl.min.json'
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

export const commands = [
  validateCommand,
  catalogueCommand,
  replayCommand,
  shrinkCommand,
  gateCommand,
  planCommand,
  doctorCommand
] as const
