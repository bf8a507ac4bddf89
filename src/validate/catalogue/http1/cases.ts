/** The protocol cases, read and checked once. */
import { z } from 'zod'
import body from './body.json' with { type: 'json' }
import chunk from './chunk.json' with { type: 'json' }
import classes from './classes.json' with { type: 'json' }
import coding from './coding.json' with { type: 'json' }
import field from './field.json' with { type: 'json' }
import host from './host.json' with { type: 'json' }
import length from './length.json' with { type: 'json' }
import limit from './limit.json' with { type: 'json' }
import lineEnding from './line-ending.json' with { type: 'json' }
import order from './order.json' with { type: 'json' }
import requestLine from './request-line.json' with { type: 'json' }
import upgrade from './upgrade.json' with { type: 'json' }
import valid from './valid.json' with { type: 'json' }
import { caseSchema, classesSchema, type Judge, type ProtocolCase } from './schema.ts'

const rules = classesSchema.parse(classes)
/** Most telling first. */
const FILES = [
  field,
  coding,
  length,
  chunk,
  body,
  order,
  host,
  lineEnding,
  requestLine,
  valid,
  upgrade,
  limit
]

/** Where a case names no words of its own for leftover bytes. */
const FOREIGN = {
  severity: 'HIGH',
  says: 'bytes of one message were answered as a request of their own'
} as const

/** HTTP/1.1 cases in the order of the file, each with the defaults of its class. */
export const http1Cases: readonly ProtocolCase[] = FILES.flatMap((file) =>
  z.array(caseSchema).parse(file)
).map((entry) => {
  const rule: Judge = { ...rules[entry.class], ...entry.judge }
  const filled = {
    accepted: rule.accepted ?? 'allowed',
    close: rule.close ?? 'no',
    silence: rule.silence ?? 'hang',
    foreign: rule.foreign ?? FOREIGN
  } as const
  return { ...entry, judge: { ...rule, ...filled } }
})
