/** The HTTP/1.1 cases. */
export type { CaseClass, Conviction, Judge, Need, ProtocolCase } from './schema.ts'
export { comparesSegments } from './schema.ts'
export { http1Cases } from './cases.ts'
export { render, type Values } from './render.ts'
export { http1Infos } from './infos.ts'
