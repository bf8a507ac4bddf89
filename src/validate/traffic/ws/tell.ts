/** From a symptom to a verdict: predicate and severity are the case's data. */
import { outcomeOf, type WsCase } from '../../catalogue/ws/index.ts'
import { broken, type Breach, type Verdict } from '../proof/trial.ts'

/** @param symptom one of the case's outcomes @param title one sentence for a maintainer */
export type Tell = (
  symptom: string,
  title: string,
  more?: Partial<Pick<Breach, 'proof' | 'standard' | 'evidence'>>
) => Verdict

export function tellerOf(spec: WsCase): Tell {
  return (symptom, title, more) => {
    const { predicate, severity } = outcomeOf(spec, symptom)
    return broken({ predicate, severity, title, standard: spec.standard, symptom, ...more })
  }
}
