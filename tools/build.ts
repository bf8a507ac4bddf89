/** Makes dist/: TypeScript to JavaScript, ncc to one minified bundle, a stub for every entry. */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { join, relative } from 'node:path'

const root = join(import.meta.dirname, '..')
const emitted = join(root, '.probatorium', 'build')
const STUBS: Record<string, [file: string, call: string]> = {
  'cli/index.js': ['../index.js', 'cli()'],
  'shop/index.js': ['../index.js', 'runShop(process.argv.slice(2))'],
  'root/main/index.js': ['../../index.js', 'rootMain()'],
  'root/post/index.js': ['../../index.js', 'rootPost()'],
  'validate-matrix/main/index.js': ['../../index.js', 'validateMatrixMain()'],
  'validate-matrix/post/index.js': ['../../index.js', 'validateMatrixPost()']
}

function run(script: string, ...args: string[]): void {
  execFileSync(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit']
  })
}

/** One character beyond Latin-1 makes the engine keep the whole bundle in two bytes a character. */
function asciiOf(code: string): string {
  return code.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Builds into a folder. */
export function build(out: string): void {
  rmSync(emitted, { recursive: true, force: true })
  run('typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', emitted)
  const bundle = join(emitted, 'bundle')
  run(
    '@vercel/ncc/dist/ncc/cli.js',
    'build',
    join(emitted, 'actions', 'entrypoints.js'),
    '-m',
    '--target',
    'es2022',
    '--license',
    'licenses.txt',
    '-o',
    bundle
  )
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  cpSync(bundle, out, { recursive: true })
  const code = join(out, 'index.js')
  writeFileSync(code, asciiOf(readFileSync(code, 'utf8')))
  for (const [path, [bundleFile, call]] of Object.entries(STUBS)) {
    const name = call.slice(0, call.indexOf('('))
    mkdirSync(join(out, path, '..'), { recursive: true })
    writeFileSync(
      join(out, path),
      `#!/usr/bin/env node\nimport { ${name} } from '${bundleFile}'\nawait ${call}\n`,
      { mode: 0o755 }
    )
  }
  rmSync(emitted, { recursive: true, force: true })
}

function files(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}

/** Names of files that differ between two folders. */
export function differences(a: string, b: string): string[] {
  const names = [...new Set([...files(a), ...files(b)])]
  return names.filter((name) => {
    const [one, two] = [join(a, name), join(b, name)]
    return !existsSync(one) || !existsSync(two) || !readFileSync(one).equals(readFileSync(two))
  })
}

const dist = join(root, 'dist')
if (process.argv.includes('--check')) {
  const fresh = join(root, '.probatorium', 'dist-check')
  build(fresh)
  const differing = differences(fresh, dist)
  rmSync(fresh, { recursive: true, force: true })
  if (differing.length > 0) {
    console.error(`dist/ is not up to date: ${differing.join(', ')}\n  fix: npm run build`)
    process.exit(1)
  }
  console.log('dist/ is up to date')
} else {
  build(dist)
  const bytes = files(dist).reduce((sum, name) => sum + statSync(join(dist, name)).size, 0)
  console.log(`dist/ ${(bytes / 1048576).toFixed(2)} MB`)
}
