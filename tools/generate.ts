/** Writes what follows from the specs: action.yml and its alias, READMEs, schemas, the command line page. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { z } from 'zod'
import matrixSpec from '../actions/validate-matrix/spec.ts'
import rootSpec from '../actions/root/spec.ts'
import { ABOUT } from '../src/cli/index.ts'
import { commands } from '../src/cli/commands.ts'
import { findingSchema } from '../src/documents/finding.ts'
import { manifestSchema } from '../src/documents/manifest.ts'
import { replaySchema } from '../src/documents/replay.ts'
import { resultDocumentSchema } from '../src/documents/result.ts'
import { verdictSchema } from '../src/documents/verdict.ts'
import { waiverFileSchema } from '../src/documents/waivers.ts'
import { commandHelp, limitsText, programHelp } from '../src/kit/help.ts'
import type { ActionSpec } from '../src/kit/spec.ts'
import { cataloguePage } from './catalogue-page.ts'
import { knownDeviationsPage, readKnown } from './known-deviations.ts'

const root = join(import.meta.dirname, '..')
const made = new Map<string, string>()
const HEAD = '# Generated from spec.ts by npm run generate.\n'

function actionYml(spec: ActionSpec, dist: string): string {
  const inputs = Object.fromEntries(
    Object.entries(spec.inputs).map(([name, field]) => {
      const limits = limitsText({ about: { ...field.about, default: undefined } } as never)
      const description = limits === '' ? field.about.description : `${field.about.description} (${limits})`
      const fallback = field.about.default
      return [
        name,
        {
          description,
          required: field.about.required,
          ...(fallback === undefined ? {} : { default: fallback })
        }
      ]
    })
  )
  const outputs = Object.fromEntries(
    Object.entries(spec.outputs).map(([name, description]) => [name, { description }])
  )
  const runs = {
    using: 'node24',
    main: `${dist}/${spec.name}/main/index.js`,
    ...(spec.post === true ? { post: `${dist}/${spec.name}/post/index.js`, 'post-if': 'always()' } : {})
  }
  const document = {
    name: spec.title,
    description: spec.description,
    ...(spec.branding === undefined ? {} : { branding: spec.branding }),
    inputs,
    outputs,
    runs
  }
  return HEAD + stringify(document, { lineWidth: 0, singleQuote: true })
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function inputTable(spec: ActionSpec): string[] {
  return [
    '| input | default | what |',
    '| --- | --- | --- |',
    ...Object.entries(spec.inputs).map(([name, { about }]) => {
      const limits = limitsText({ about: { ...about, default: undefined } } as never)
      return `| \`${name}\` | ${about.default === undefined ? '' : `\`${about.default}\``} | ${cell(about.description)}${limits === '' ? '' : ` (${cell(limits)})`} |`
    })
  ]
}

function actionReadme(spec: ActionSpec): string {
  const lines = [
    `# ${spec.title}`,
    '',
    spec.description,
    '',
    '```yaml',
    `- uses: org/probatorium/${spec.name}@v1`,
    '  with: { refapps: all, duration: 10m, fail-on: high }',
    '```',
    '',
    '## Permissions',
    '',
    'None beyond `contents: read` for the checkout. Uploading the artifact uses the token of the runner.',
    '',
    '## Inputs',
    '',
    ...inputTable(spec),
    '',
    '## Outputs',
    '',
    '| output | what |',
    '| --- | --- |',
    ...Object.entries(spec.outputs).map(([name, what]) => `| \`${name}\` | ${cell(what)} |`),
    ''
  ]
  return lines.join('\n')
}

made.set('actions/validate-matrix/action.yml', actionYml(matrixSpec, '../../dist'))
made.set('validate-matrix/action.yml', actionYml(matrixSpec, '../dist'))
made.set('actions/validate-matrix/README.md', actionReadme(matrixSpec))
made.set('action.yml', actionYml(rootSpec, 'dist'))

const schemas = {
  'validate-results': resultDocumentSchema,
  finding: findingSchema,
  manifest: manifestSchema,
  verdict: verdictSchema,
  waivers: waiverFileSchema,
  replay: replaySchema
}
for (const [name, schema] of Object.entries(schemas)) {
  made.set(
    `schemas/${name}.schema.json`,
    `${JSON.stringify(z.toJSONSchema(schema, { io: 'input' }), null, 2)}\n`
  )
}
const inputSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: matrixSpec.title,
  type: 'object',
  properties: Object.fromEntries(
    Object.entries(matrixSpec.inputs).map(([name, { about }]) => [
      name,
      {
        ...about.schema,
        description: about.description,
        ...(about.default === undefined ? {} : { default: about.default })
      }
    ])
  )
}
made.set('schemas/validate-matrix.inputs.schema.json', `${JSON.stringify(inputSchema, null, 2)}\n`)

made.set(
  'docs/command-line.md',
  [
    '# The command line',
    '',
    '```',
    programHelp(commands, ABOUT),
    '```',
    ...commands.flatMap((command) => ['', `## ${command.name}`, '', '```', commandHelp(command), '```']),
    ''
  ].join('\n')
)

made.set('docs/catalogue.md', cataloguePage())
made.set('docs/known-deviations.md', knownDeviationsPage(readKnown(root)))

const readme = join(root, 'README.md')
if (existsSync(readme)) {
  const text = readFileSync(readme, 'utf8')
  const table = [
    '| action | what it does |',
    '| --- | --- |',
    `| [\`${matrixSpec.name}\`](actions/${matrixSpec.name}/README.md) | ${matrixSpec.description.split('. ')[0] ?? ''}. |`
  ]
  made.set(
    'README.md',
    text.replace(/(<!-- actions -->\n)[\s\S]*?(<!-- \/actions -->)/, `$1\n${table.join('\n')}\n\n$2`)
  )
}

const check = process.argv.includes('--check')
const differing = [...made]
  .filter(([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text)
  .map(([path]) => path)
if (check && differing.length > 0) {
  console.error(`not up to date: ${differing.join(', ')}\n  fix: npm run generate`)
  process.exit(1)
}
for (const [path, text] of made) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  if (!check) writeFileSync(join(root, path), text)
}
console.log(check ? 'generated files are up to date' : `${differing.length} of ${made.size} files written`)
