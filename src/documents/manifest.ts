/** `probatorium.yml`: the servers of a project, how they are built and started, and what the gate lets pass. */
import { z } from 'zod'
import { FAIL_ON } from './severity.ts'
import { acceptedSchema, waiverSchema } from './waivers.ts'

const argv = z.array(z.string().min(1), 'must be a list of words: [command, argument]').min(1)
const path = z.string().regex(/^\//, 'must begin with /')
const duration = z
  .string('needs a unit, such as 30s')
  .regex(/^(\d+(\.\d+)?(ms|s|m|h))+$/, 'needs a unit, such as 30s')

export const TOOLCHAINS = ['none', 'node', 'go', 'python'] as const
export const BACKENDS = ['postgres', 'redis', 'memcached'] as const
export type BackendName = (typeof BACKENDS)[number]

const routesSchema = z.strictObject({
  get: path.optional(),
  post: path.optional(),
  echo: path.optional(),
  upload: path.optional(),
  ws: path.optional(),
  sse: path.optional(),
  h2c: path.optional(),
  health: path.optional()
})

/** What an engine may say anew; everything else it takes from its refapp. */
const serverFields = {
  toolchain: z.enum(TOOLCHAINS).optional(),
  /** Sources, relative to the manifest. */
  dir: z.string().optional(),
  /** Commands in order, each an argument list, run in a copy of `dir`. */
  build: z.array(argv).optional(),
  run: argv.optional(),
  routes: routesSchema.optional(),
  env: z.record(z.string(), z.string()).optional()
}

const engineSchema = z.strictObject(serverFields)
export type EngineDocument = z.infer<typeof engineSchema>

export const refappSchema = z.strictObject({
  slug: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/, 'must be lower-case letters, digits, - and _'),
  ...serverFields,
  /** Names, or names with what differs. */
  engines: z.union(
    [z.array(z.string().min(1)).min(1), z.record(z.string().min(1), engineSchema.nullable())],
    'must be a list of names, or a map of names to what differs'
  ),
  backends: z.array(z.enum(BACKENDS)).optional(),
  /** The walkers' model, relative to the manifest. */
  markov: z.string().optional(),
  /** OpenAPI document. */
  spec: z.string().optional(),
  /** The app is built against celeris: `--celeris` applies. */
  celeris: z.boolean().optional(),
  debug_vars: path.optional(),
  ready_timeout: duration.optional(),
  stop_timeout: duration.optional()
})

export type RefappDocument = z.infer<typeof refappSchema>

/** What no single entry shows: a slug twice, an engine twice, an engine that nothing starts. */
function refuseDoubles(refapps: RefappDocument[], context: z.RefinementCtx): void {
  const say = (path: (string | number)[], message: string): void =>
    context.addIssue({ code: 'custom', path, message })
  refapps.forEach(({ slug, engines, run }, i) => {
    if (refapps.findIndex((other) => other.slug === slug) < i)
      say([i, 'slug'], `"${slug}" is declared twice; give each refapp its own slug`)
    if (Array.isArray(engines)) {
      const twice = engines.find((name, at) => engines.indexOf(name) < at)
      if (twice !== undefined) say([i, 'engines'], `"${twice}" is named twice`)
    }
    if (run !== undefined) return
    const idle = Array.isArray(engines) ? engines : Object.keys(engines).filter((name) => !engines[name]?.run)
    if (idle.length > 0) say([i], `run is missing for ${idle.join(', ')}; add run: [command, arguments]`)
  })
}

export const manifestSchema = z.strictObject({
  /** Version of the Go module, where `--celeris` names none. */
  celeris: z.string().optional(),
  refapps: z.array(refappSchema).min(1).superRefine(refuseDoubles),
  gates: z
    .strictObject({
      fail_on: z.enum(FAIL_ON).optional(),
      strict: z.boolean().optional(),
      expect_cells: z.int().min(0).optional(),
      waivers: z.array(waiverSchema).optional(),
      /** Deviations that the project keeps. */
      accept: z.array(acceptedSchema).optional()
    })
    .optional()
})
export type ManifestDocument = z.infer<typeof manifestSchema>
