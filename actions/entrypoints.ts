/** Everything that the stubs in dist/ call: one bundle for all of it. */
export { cli } from '../src/cli/index.ts'
export { runShop } from '../validation/refapp/shop/main.ts'
export { rootMain, rootPost } from './root/main.ts'
export { validateMatrixMain } from './validate-matrix/main.ts'
export { validateMatrixPost } from './validate-matrix/post.ts'
