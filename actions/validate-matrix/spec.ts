import { bool, defineSpec, enumOf, int, str } from '../../src/kit/spec.ts'
import { validateOptions } from '../../src/validate/options.ts'

export default defineSpec({
  name: 'validate-matrix',
  title: 'probatorium validate-matrix',
  description:
    'Proves HTTP servers correct under stress: every refapp on every engine, five slices of traffic with invariants once a second. Fails on findings, and on cells in which too little was exercised to say anything.',
  inputs: {
    ...validateOptions,
    'upload-artifact': bool().default('true').describe('Upload the output folder as an artifact of the run.'),
    'artifact-name': str()
      .as('NAME')
      .describe(
        'Name of the artifact; unique within the run. Without it one is made of job, attempt and seed.'
      ),
    'retention-days': int({ min: 1, max: 90 }).describe('Days that the artifact is kept.'),
    summary: enumOf(['always', 'on-failure', 'never'])
      .default('always')
      .describe('When to write the job summary.')
  },
  outputs: {
    outcome: 'pass, findings, usage, infrastructure or aborted',
    verdict: 'The verdict in one line.',
    'results-path': 'Path of validate-results.json.',
    'summary-path': 'Path of summary.md.',
    'findings-high': 'Number of findings of severity HIGH.',
    'findings-med': 'Number of findings of severity MED.',
    'findings-low': 'Number of findings of severity LOW.',
    cells: 'Number of cells of the matrix.',
    'cells-run': 'Number of cells that ran.',
    'cells-not-run': 'Number of cells that could not run.',
    'cells-vacuous': 'Number of cells in which too little was exercised.',
    seed: 'Seed of the run.',
    'artifact-id': 'Id of the uploaded artifact.',
    'artifact-url': 'URL of the uploaded artifact.'
  },
  post: true,
  branding: { icon: 'shield', color: 'purple' }
})
