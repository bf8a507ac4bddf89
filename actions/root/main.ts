import { runAction } from '../../src/kit/action.ts'
import { validateMatrix } from '../validate-matrix/main.ts'
import { validateMatrixPost } from '../validate-matrix/post.ts'
import spec from './spec.ts'

/** Runs the named tier; there is one so far. */
export const rootMain = (): Promise<never> => runAction(spec, validateMatrix)
export const rootPost = validateMatrixPost
