/** The protocol cases, read and checked once. */
import source from './http1.json' with { type: 'json' }
import { catalogueSchema, type Judge, type ProtocolCase, type SlowCase } from './schema.ts'

export type { CaseClass, Conviction, Judge, Need, ProtocolCase, SlowCase } from './schema.ts'
export { render, type Values } from './render.ts'

const read = catalogueSchema.parse(source)

/** Where a case names no words of its own for leftover bytes. */
const FOREIGN = {
  severity: 'HIGH',
  says: 'bytes of one message were answered as a request of their own'
} as const

/** HTTP/1.1 cases in the order of the file, each with the defaults of its class. */
export const http1Cases: readonly ProtocolCase[] = read.cases.map((entry) => {
  const rule: Judge = { ...read.classes[entry.class], ...entry.judge }
  const filled = {
    accepted: rule.accepted ?? 'allowed',
    close: rule.close ?? 'no',
    silence: rule.silence ?? 'hang',
    foreign: rule.foreign ?? FOREIGN
  } as const
  return { ...entry, judge: { ...rule, ...filled } }
})

/** The case of many slow requests at once. */
export const slowCase: SlowCase = read.slow
