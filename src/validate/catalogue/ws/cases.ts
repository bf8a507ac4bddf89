/** WebSocket cases (RFC 6455, RFC 7692), read and checked once; the cases themselves are `*.json`, a file per group. */
import { z } from 'zod'
import type { Severity } from '../../../documents/finding.ts'
import close from './close.json' with { type: 'json' }
import control from './control.json' with { type: 'json' }
import deflate from './deflate.json' with { type: 'json' }
import echo from './echo.json' with { type: 'json' }
import fragments from './fragments.json' with { type: 'json' }
import frames from './frames.json' with { type: 'json' }
import handshake from './handshake.json' with { type: 'json' }
import kill from './kill.json' with { type: 'json' }
import leak from './leak.json' with { type: 'json' }
import outcomes from './outcomes.json' with { type: 'json' }
import resource from './resource.json' with { type: 'json' }
import torture from './torture.json' with { type: 'json' }
import utf8 from './utf8.json' with { type: 'json' }
import { caseSchema, outcomesSchema, type WsOutcome } from './schema.ts'

/** Most telling first. */
const FILES = [
  handshake,
  frames,
  fragments,
  control,
  close,
  utf8,
  deflate,
  torture,
  resource,
  echo,
  kill,
  leak
]
export type WsCase = z.infer<typeof caseSchema>

export const WS_CASES: readonly WsCase[] = FILES.flatMap((file) => z.array(caseSchema).parse(file))

/** The cases of one kind. */
export function wsCases<P extends WsCase['play']>(play: P): Extract<WsCase, { play: P }>[] {
  return WS_CASES.filter((one): one is Extract<WsCase, { play: P }> => one.play === play)
}

const OUTCOMES = outcomesSchema.parse(outcomes)

/** Plays that judge the server's own frames. */
const FRAMED: ReadonlySet<WsCase['play']> = new Set(['frames', 'sequences', 'stream', 'dependent', 'bomb'])

/** Where the outcomes of a case stand in `outcomes.json`. */
function kindOf(spec: WsCase): string {
  if (spec.play === 'frames') return spec.expect.kind
  if (spec.play !== 'handshake') return spec.play
  return spec.expect === 'any' ? 'any handshake' : spec.expect
}

/** What can be wrong, by symptom, with the severities of the case. @throws Error where the case names a symptom that its kind has not */
export function outcomesOf(spec: WsCase): Readonly<Record<string, WsOutcome>> {
  const framing = FRAMED.has(spec.play) ? OUTCOMES.framing : {}
  const own = { ...OUTCOMES[kindOf(spec)], ...framing, ...OUTCOMES.all }
  for (const [symptom, severity] of Object.entries<Severity>(spec.wrong ?? {})) {
    const outcome = own[symptom]
    if (outcome === undefined) throw new Error(`${spec.id}: no symptom is called "${symptom}"`)
    own[symptom] = { ...outcome, severity }
  }
  return own
}

/** The outcome that a symptom stands for. @throws Error where the kind of the case has none of that name */
export function outcomeOf(spec: WsCase, symptom: string): WsOutcome {
  const outcome = outcomesOf(spec)[symptom]
  if (outcome === undefined) throw new Error(`${spec.id}: no symptom is called "${symptom}"`)
  return outcome
}
