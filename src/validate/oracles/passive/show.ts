/** An exchange as the passive rules see it. */
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
