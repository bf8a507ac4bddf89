/** A case of the catalogue as a verdict: severity, standard and words come from the data. */
import type { SseCase } from '../../catalogue/sse/index.ts'
import { broken, type Verdict } from '../proof/trial.ts'

/**
 * @param what what was seen, in words
 * @param proof the received bytes are the proof
 * @throws Error for a way that the case does not name
 */
export function wrong(entry: SseCase, when: string, what: string, proof = false): Verdict {
  const found = entry.wrong.find((one) => one.when === when)
  if (found === undefined) throw new Error(`the case ${entry.id} has no way "${when}"`)
  return broken({
    predicate: found.predicate ?? 'I-SSE-FRAMING',
    severity: found.severity,
    title: what === '' ? found.says : `${found.says}: ${what}`,
    standard: entry.standard,
    symptom: when,
    proof
  })
}
