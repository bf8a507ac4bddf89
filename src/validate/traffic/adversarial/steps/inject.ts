/** Does a value of the query come back in a field with its control characters (O19)? */
import type { RandomStream } from '../../../../kit/random.ts'
import { ConnectFailed } from '../../../../wire/tcp.ts'
import type { Injection } from '../../../catalogue/http1/steps/index.ts'
import type { Stage } from '../trial.ts'
import type { Reflection } from './places.ts'
import { playScript, type Seen } from './script.ts'
import { convict, type StepVerdict } from './verdict.ts'

/** A head holds none of these but CR LF at the ends of its lines. */
function rawIn(head: string): string | undefined {
  const lines = head.split('\r\n')
  const bad = lines.find((line) => /[\r\n\0]/.test(line))
  return bad === undefined ? undefined : JSON.stringify(bad.slice(0, 120))
}

export async function playInjection(
  stage: Stage,
  entry: Injection,
  { path, parameter, field }: Reflection,
  random: RandomStream
): Promise<{ verdict: StepVerdict; seen?: Seen }> {
  const nonce = random.hex(10)
  const target = `${path}?${parameter}=${nonce}${entry.payload.replace('{nonce}', nonce)}`
  const steps = [
    { send: `GET ${target} HTTP/1.1\r\nHost: {host}\r\n\r\n` },
    { wait: 'answers' as const, count: 1 }
  ]
  let seen: Seen
  try {
    seen = await playScript(stage, { steps, due: 1, heads: [] }, {}, random)
  } catch (error) {
    if (!(error instanceof ConnectFailed)) throw error
    return { verdict: { kind: 'inconclusive', reason: `connect failed: ${error.code}` } }
  }
  const end = seen.received.indexOf('\r\n\r\n')
  const head = seen.received.toString('latin1', 0, end < 0 ? seen.received.length : end)
  const own = head.split('\r\n').find((line) => line.toLowerCase().startsWith(`x-inj-${nonce}`))
  const raw = own ?? rawIn(head)
  const wrong =
    raw === undefined ? undefined : convict(entry, 'raw', `${path}, ${parameter}, field ${field}: ${raw}`)
  if (wrong !== undefined) return { verdict: wrong, seen }
  const status = seen.answers[0]?.status
  if (status === undefined) {
    const reason = seen.error?.message ?? (seen.end === 'open' ? 'no answer' : 'closed without an answer')
    return { verdict: { kind: 'inconclusive', reason }, seen }
  }
  const blamed = status >= 500 && ![501, 503, 505].includes(status)
  const failed = blamed ? convict(entry, '5xx', `${path}, ${parameter}: answered ${status}`) : undefined
  return { verdict: failed ?? { kind: 'right', how: status < 400 ? 'served' : 'refused' }, seen }
}
