/** Inputs of a validation, one table for the command line and the action. */
import { FAIL_ON } from '../documents/severity.ts'
import {
  bool,
  duration,
  enumOf,
  int,
  list,
  pairs,
  path,
  pickFields,
  secret,
  seed,
  str,
  url
} from '../kit/spec.ts'
import { ROUTE_KINDS } from '../target/types.ts'
import { PROTOCOLS } from './catalogue/about.ts'
import { SLICES } from './contracts.ts'

export const TIERS = ['1'] as const

const NO_TLS = {
  why: 'cases are bytes on a TCP connection',
  fix: 'name the plain HTTP port behind the TLS terminator'
}

export const selectOptions = {
  config: path()
    .as('FILE')
    .describe('Manifest. Without it probatorium.yml here, or the one that comes with the suite.'),
  refapps: list().default('all').describe('Refapps of the manifest.').examples('shop,plain'),
  engines: list().default('all').describe('Engines of the refapps.').examples('iouring,epoll,std'),
  celeris: str()
    .as('VERSION|DIR')
    .describe(
      'celeris to build the refapps against: a version of the Go module, or the folder of a checkout.'
    )
    .examples('v1.5.8')
}

export const gateOptions = {
  'fail-on': enumOf(FAIL_ON).default('high').describe('Lowest severity that fails the run.'),
  strict: bool().default('false').describe('Findings of severity MED fail the run too.'),
  'expect-cells': int({ min: 0, max: 100000 }).describe(
    'Number of cells that must have run; fewer fail the run.'
  ),
  waivers: path()
    .as('FILE')
    .describe('Findings to live with: a YAML file with predicate, reason and expiry day of each.')
}

export const validateOptions = {
  ...selectOptions,
  tiers: list(TIERS).default('1').describe('Tiers to run.'),
  slices: list(SLICES).default('all').describe('Slices of tier 1.'),
  duration: duration({ min: '2s', max: '72h' })
    .default('60s')
    .describe('Length of the whole matrix; the cells share it.')
    .examples('10m'),
  concurrency: int({ min: 1, max: 256 })
    .default('16')
    .describe('Walkers, each with a connection of its own.'),
  seed: seed()
    .describe('Seed of every random choice. Without it a fresh one, which is printed.')
    .examples('0x5be9a0c1'),
  ...gateOptions,
  url: url({ schemes: ['http'], refused: { https: NO_TLS } })
    .describe('A server that runs already, in place of the manifest.')
    .examples('http://127.0.0.1:8080'),
  pid: int({ min: 1, max: 4194304 }).describe(
    'Process of the server at url: its descriptors, memory and death are watched.'
  ),
  route: pairs(ROUTE_KINDS)
    .describe('Path of a route of the server at url; without it routes are discovered.')
    .examples('ws=/socket'),
  postgres: url({ schemes: ['postgres', 'postgresql'], secret: true }).describe(
    'A running PostgreSQL; without it the suite starts one of its own.'
  ),
  redis: secret().as('HOST:PORT').describe('A running Redis; without it the suite starts one of its own.'),
  memcached: secret()
    .as('HOST:PORT')
    .describe('A running memcached; without it the suite starts one of its own.'),
  resume: path().as('FILE').describe('An earlier validate-results.json: its finished cells are taken over.'),
  out: path().as('DIR').default('probatorium-out').describe('Folder for results, findings and incidents.')
}

export const catalogueOptions = {
  ...pickFields(validateOptions, ['url', 'pid', 'route']),
  protocols: list(PROTOCOLS)
    .default('all')
    .describe('Protocols whose cases are played, where the server speaks them.'),
  only: list()
    .describe('Cases and groups of them by id; also protocol/id. Without a url they are explained.')
    .examples('te-cl,h2c/ctl-get'),
  list: bool().default('false').describe('List the cases and send nothing.'),
  ...pickFields(validateOptions, ['seed', 'fail-on', 'strict', 'waivers']),
  config: path()
    .as('FILE')
    .describe('Manifest whose gates apply, with the deviations it accepts. Without it probatorium.yml here.'),
  ...pickFields(validateOptions, ['out'])
}
