/** SSE cases (WHATWG HTML 9.2, RFC 9112), read and checked once; the cases themselves are `*.json`. */
import { z } from 'zod'
import { severitySchema } from '../../../documents/finding.ts'
import { aboutFields, type CaseInfo } from '../about.ts'
import backpressure from './backpressure.json' with { type: 'json' }
import injection from './injection.json' with { type: 'json' }
import kill from './kill.json' with { type: 'json' }
import publish from './publish.json' with { type: 'json' }
import resume from './resume.json' with { type: 'json' }
import wire from './wire.json' with { type: 'json' }

const caseFields = {
  ...aboutFields,
  /** What the client does, a sentence each. */
  steps: z.array(z.string().min(1)).nonempty(),
  twin: z.string().min(1),
  /** `when` names the way in which the case is broken; `predicate` default I-SSE-FRAMING. */
  wrong: z
    .array(
      z.strictObject({
        when: z.string(),
        severity: severitySchema,
        says: z.string().min(1),
        predicate: z.string().optional()
      })
    )
    .nonempty(),
  oracles: z.array(z.string().regex(/^O\d+$/)).nonempty()
}
const caseSchema = z.strictObject(caseFields)
export type SseCase = z.infer<typeof caseSchema>

export const SSE_WIRE: readonly SseCase[] = z.array(caseSchema).parse(wire)

/** `text` is published; `{n1}` to `{n4}` are nonces. */
const injectionSchema = z.strictObject({ ...caseFields, text: z.string() })
export type SseInjection = z.infer<typeof injectionSchema>
export const SSE_INJECTIONS: readonly SseInjection[] = z.array(injectionSchema).parse(injection)

const killSchema = z.strictObject({
  ways: z.array(z.strictObject({ id: z.enum(['rst', 'fin', 'stop']), title: z.string(), says: z.string() })),
  /** Clients of each batch of the leak oracle. */
  batch: z.int().positive(),
  stages: z.array(
    z.strictObject({
      ...caseFields,
      /** Where the client is when it goes, to be read behind "clients that go". */
      stage: z.string().min(1),
      /** How many go at once. */
      clients: z.int().positive(),
      /** Size of the event that is published for it. */
      bytes: z.int().positive().optional()
    })
  )
})
const kills = killSchema.parse(kill)
/** Moments in the life of a subscription at which the client goes. */
export const SSE_STAGES = kills.stages
export type SseStage = (typeof SSE_STAGES)[number]
/** Ways to go. */
export const SSE_WAYS = kills.ways
export type SseWay = (typeof SSE_WAYS)[number]['id']
export const SSE_LEAK_BATCH = kills.batch
export const killId = (stage: Pick<SseStage, 'id'>, way: SseWay): string => `kill-${stage.id}-${way}`

const resumeSchema = z.strictObject({
  ...caseFields,
  /** Values of Last-Event-ID. */
  values: z.array(z.string()).optional()
})
export type SseResume = z.infer<typeof resumeSchema>
export const SSE_RESUMES: readonly SseResume[] = z.array(resumeSchema).parse(resume)

const pressureSchema = z.strictObject({ ...caseFields, clients: z.int().positive() })
export type SsePressure = z.infer<typeof pressureSchema>
export const SSE_PRESSURES: readonly SsePressure[] = z.array(pressureSchema).parse(backpressure)

/** Where a route may be that publishes a text: paths, bodies of a POST, and queries of the stream itself. */
export const SSE_PUBLISH = z
  .strictObject({
    paths: z.array(z.string()),
    bodies: z.array(
      z.strictObject({ type: z.string(), body: z.string(), encode: z.enum(['none', 'json', 'form']) })
    ),
    queries: z.array(z.string())
  })
  .parse(publish)

/** The case that looks at what is left of all the dead. */
export const SSE_REMAINS = 'nothing-remains'

/** The cases as they are listed: one entry for each that can stand in the ledger of the slice. */
export function sseInfos(): CaseInfo[] {
  const info = (entry: SseCase): CaseInfo => ({
    protocol: 'sse',
    id: entry.id,
    group: entry.group,
    title: entry.title,
    standard: entry.standard,
    strength: entry.strength,
    steps: entry.steps,
    twin: entry.twin,
    right: entry.right,
    wrong: entry.wrong.map(({ severity, says }) => ({ severity, says })),
    oracles: entry.oracles
  })
  return [
    ...SSE_WIRE.map(info),
    ...SSE_INJECTIONS.map(info),
    ...SSE_STAGES.flatMap((stage) =>
      SSE_WAYS.map((way) => ({
        ...info(stage),
        id: killId(stage, way.id),
        title: `${stage.title}, with ${way.title}`,
        steps: [...stage.steps, `to go is: ${way.says}; ${stage.clients} clients do so`]
      }))
    ),
    ...SSE_RESUMES.map(info),
    ...SSE_PRESSURES.map(info),
    {
      ...info(SSE_STAGES[0]!),
      id: SSE_REMAINS,
      group: 'leak',
      title: 'of all clients that went nothing remains',
      steps: [
        'read descriptors, sockets and published counters before and after all other cases',
        `where one stays above its level: batches of ${SSE_LEAK_BATCH} clients of each kind of death, one after the other`
      ],
      twin: 'as many ordinary requests, which leave nothing behind',
      right: 'all gauges come back to their level, or do not grow with further clients that go',
      wrong: [
        {
          severity: 'HIGH',
          says: 'a gauge grows with clients that go; told under the case of their kind of death'
        }
      ],
      oracles: ['O13', 'O24']
    }
  ]
}
