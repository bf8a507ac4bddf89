/** Inputs of `replay` and `shrink`. */
import { enumOf, int, pickFields, str } from '../../kit/spec.ts'
import { validateOptions } from '../options.ts'
import { LANGUAGES } from './script.ts'

const serverOptions = {
  ...pickFields(validateOptions, ['url', 'route', 'pid']),
  refapp: str()
    .as('NAME')
    .describe('Refapp of the manifest to launch. Without url and refapp: the one of the finding.')
    .examples('plain'),
  engine: str().as('NAME').describe('Its engine. Default: the one of the finding.').examples('fasthttp'),
  ...pickFields(validateOptions, ['celeris', 'config', 'postgres', 'redis', 'memcached'])
}

export const replayOptions = {
  ...serverOptions,
  tries: int({ min: 1, max: 1000 }).default('5').describe('How often the case is played.'),
  script: enumOf(LANGUAGES)
    .as('python|bash')
    .describe(
      'Play nothing and print a stand-alone script that sends the same bytes and shows the answer. Default: python.'
    )
}

export const shrinkOptions = {
  ...serverOptions,
  tries: int({ min: 10, max: 100000 }).default('400').describe('Most messages that are tried.')
}
