/** From what a case says to what a finding says: severity and words stand in the catalogue, never here. */
import { wordsOf, type H2cWrong } from '../../catalogue/h2c/index.ts'
import { broken, type Breach, type Verdict } from '../proof/trial.ts'

const PREDICATES: Readonly<Record<string, string>> = {
  refused: 'I-H2C-REFUSED',
  'wrong answer': 'I-H2C-INTEGRITY',
  'wrong body': 'I-H2C-INTEGRITY',
  'wrong 101 head': 'I-H2C-FRAMING',
  framing: 'I-H2C-FRAMING',
  open: 'I-H2C-OPEN',
  silence: 'I-H2C-HANG',
  '5xx': 'I-H2C-5XX',
  leak: 'I-H2C-LEAK',
  'no visible bound': 'I-H2C-BOUND',
  'others not served': 'I-LIVENESS'
}
/** A request, or a change of protocol, that had to be refused. */
const ACCEPTED = 'I-H2C-ACCEPTED'

export interface Spec {
  id: string
  title: string
  standard: string
  wrong: readonly H2cWrong[]
}

/** What the catalogue has for a wrong of this name. @throws Error where the case has none: a defect of ours */
export function wrongNamed({ id, wrong }: Spec, as: string): H2cWrong {
  const found = wrong.find((entry) => entry.as === as)
  if (found === undefined) throw new Error(`the case ${id} has no wrong called "${as}"`)
  return found
}

/** @param told what was seen, in the words of the title */
export function convicted(spec: Spec, as: string, told = '', facts: Partial<Breach> = {}): Verdict {
  const found = wrongNamed(spec, as)
  return broken({
    predicate: PREDICATES[as] ?? ACCEPTED,
    severity: found.severity,
    title: wordsOf(found, spec.title, told),
    standard: spec.standard,
    symptom: as,
    ...facts
  })
}
