import { defineSpec, enumOf } from '../../src/kit/spec.ts'
import matrix from '../validate-matrix/spec.ts'

export default defineSpec({
  name: 'root',
  title: 'probatorium',
  description: 'Proves an HTTP server fast and correct under stress. Runs the tier that is named.',
  inputs: {
    tier: enumOf(['validate-matrix']).default('validate-matrix').describe('What to run.'),
    ...matrix.inputs
  },
  outputs: matrix.outputs,
  post: true,
  branding: { icon: 'shield', color: 'purple' }
})
