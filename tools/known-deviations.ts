/** `__tests__/precision/known.yml`: what real servers do against a standard, and docs/known-deviations.md made of it. */
import { join } from 'node:path'
import { z } from 'zod'
import { readYaml } from '../src/target/manifest.ts'

const line = z.string().min(1)

const deviationSchema = z.strictObject({
  /** `refapp/engine` of the manifest beside the file. */
  server: z.string().regex(/^[a-z0-9_-]+\/[a-z0-9_-]+$/, 'must be REFAPP/ENGINE'),
  case: line,
  predicate: z.string().regex(/^I-[A-Z0-9-]+$/),
  severity: z.enum(['HIGH', 'MED']),
  standard: line,
  /** One sentence with the bytes that decide. */
  evidence: line,
  /** `by design`: a deviation that the server's documentation, or its authors, state as wanted. */
  verdict: z.enum(['true deviation', 'by design']),
  note: line.optional()
})
export type Deviation = z.infer<typeof deviationSchema>

const knownSchema = z
  .strictObject({
    /** What was run: product and version. */
    servers: z.record(z.string(), line),
    deviations: z.array(deviationSchema)
  })
  .superRefine(({ servers, deviations }, context) => {
    const seen = new Set<string>()
    deviations.forEach((entry, i) => {
      const key = keyOf(entry)
      if (!(entry.server in servers))
        context.addIssue({
          code: 'custom',
          path: ['deviations', i, 'server'],
          message: 'is not among servers'
        })
      if (seen.has(key))
        context.addIssue({ code: 'custom', path: ['deviations', i], message: `is there twice: ${key}` })
      seen.add(key)
    })
  })
export type Known = z.infer<typeof knownSchema>

/** What makes a deviation the same one in another run. */
export function keyOf(entry: Pick<Deviation, 'server' | 'case' | 'predicate' | 'severity'>): string {
  return [entry.server, entry.case, entry.predicate, entry.severity].join(' ')
}

/** Reads the file. @throws UserError with the line of every problem */
export function readKnown(root: string): Known {
  const path = '__tests__/precision/known.yml'
  return readYaml(join(root, path), path, knownSchema)
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

/** docs/known-deviations.md */
export function knownDeviationsPage({ servers, deviations }: Known): string {
  const of = (server: string): Deviation[] => deviations.filter((entry) => entry.server === server)
  const count = (server: string, severity: Deviation['severity']): number =>
    of(server).filter((entry) => entry.severity === severity).length
  const lines = [
    '# Known deviations of real servers',
    '',
    'Generated from `__tests__/precision/known.yml`. `npm run test:precision` plays the whole catalogue against these servers, each with the defaults of its library, and fails on every HIGH or MED that is not listed here. Each line was looked at by a person: the bytes, the section, and where in doubt the same by hand.',
    '',
    'A deviation is not yet a weakness. HIGH says that one message can be taken for another, or that others are harmed; MED breaks a MUST of the standard. LOW findings are not listed.',
    '',
    '| server | version | HIGH | MED |',
    '| --- | --- | --- | --- |',
    ...Object.entries(servers).map(
      ([server, version]) =>
        `| [${server}](#${server.replaceAll('/', '')}) | ${cell(version)} | ${count(server, 'HIGH')} | ${count(server, 'MED')} |`
    )
  ]
  for (const [server, version] of Object.entries(servers)) {
    lines.push('', `## ${server}`, '', `${version}.`, '')
    const own = of(server)
    if (own.length === 0) {
      lines.push('Nothing at HIGH or MED.')
      continue
    }
    lines.push('| case | severity | standard | what it does | verdict |', '| --- | --- | --- | --- | --- |')
    lines.push(
      ...own.map(({ case: id, severity, standard, evidence, verdict, note }) => {
        const why = note === undefined ? verdict : `${verdict}: ${note}`
        return `| \`${id}\` | ${severity} | ${standard} | ${cell(evidence)} | ${cell(why)} |`
      })
    )
  }
  return `${lines.join('\n')}\n`
}
