/** An exchange as the passive rules see it. */
import type { Field } from '../../../wire/hpack.ts'
import { HttpResponse } from '../../../wire/http1.ts'
import type { Watch } from '../../contracts.ts'
import type { Observation } from '../exchange.ts'

/** Shows the first answer, and bytes that are none; what follows may answer the follow-up, or what was smuggled. */
export function showExchange(
  watch: Watch,
  {
    responses,
    error,
    transcript,
    received
  }: Pick<Observation, 'responses' | 'error' | 'transcript' | 'received'>,
  extent: 'whole' | 'malformed'
): void {
  const [first] = responses
  if (first !== undefined) watch.answer(first, transcript.sentBytes(), extent)
  if (error !== undefined) watch.broken(error, transcript.sentBytes(), received, false)
}

const linesOf = (fields: readonly Field[]): string[] =>
  fields.flatMap(([name, value]) => (name.startsWith(':') ? [] : [`${name}: ${value}`]))

/** An answer of HTTP/2 and the fields of the request to it, each as HTTP/1 would write them. */
export function showHttp2(
  watch: Watch,
  answer: { method: string; status: number; fields: readonly Field[]; body: Buffer },
  asked: readonly Field[]
): void {
  const pseudo = (name: string): string => asked.find(([key]) => key === name)?.[1] ?? ''
  const response = new HttpResponse(answer.method, 1, answer.status, '', linesOf(answer.fields), 0)
  response.body = answer.body
  const request = [
    `${answer.method} ${pseudo(':path')} HTTP/1.1`,
    `host: ${pseudo(':authority')}`,
    ...linesOf(asked)
  ]
  watch.answer(response, `${request.join('\r\n')}\r\n\r\n`, 'h2')
}
