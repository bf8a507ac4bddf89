/** What a step claims of the content of its answer, held against it. Pure. */
import type { Step } from './model.ts'
import type { Answer, Session } from './session.ts'

/** A claim that an answer breaks. */
export interface BrokenClaim {
  predicate: 'I-ANSWER' | 'I-LOST-WRITE' | 'I-READ-WRITE'
  severity: 'HIGH' | 'MED'
  title: string
  evidence: Record<string, string | number>
}

/** Longest text of a value that is shown. */
const SHOWN = 200

/** In the order of the step; behind a value that is wrong nothing more is looked at. */
export function brokenClaims(step: Step, session: Session, answer: Answer): BrokenClaim[] {
  const { name: of } = step
  if (step.coded && answer.content() === undefined) {
    const coding = answer.response.header('content-encoding') ?? ''
    const title = `step ${of}: the body is not of its Content-Encoding (${coding}; RFC 9110 8.4.1)`
    return [
      { predicate: 'I-ANSWER', severity: 'MED', title, evidence: { source: 'header.content-encoding' } }
    ]
  }
  const broken: BrokenClaim[] = []
  for (const [source, name] of step.has) {
    if ((session.read(source, answer) ?? '') !== '') continue
    const title = `step ${of}: the answer has no ${name}`
    broken.push({ predicate: 'I-ANSWER', severity: 'MED', title, evidence: { source: name } })
  }
  const { values } = session
  const predicate = step.lostWrite ? 'I-LOST-WRITE' : 'I-READ-WRITE'
  const severity = 'HIGH'
  for (const [source, template, name] of step.check) {
    const wanted = template.fill(values)
    const found = session.read(source, answer)
    if (found === wanted) continue
    if (source.kind === 'json' && answer.json() === undefined) {
      const title = `step ${of}: the body is no JSON, or not all of it`
      const evidence = { source: name, bytes: answer.response.body.length }
      return [...broken, { predicate: 'I-ANSWER', severity, title, evidence }]
    }
    const title = `step ${of}: ${name} is not what this client wrote`
    const shown = { wanted: wanted.slice(0, SHOWN), found: (found ?? 'nothing').slice(0, SHOWN) }
    return [...broken, { predicate, severity, title, evidence: { source: name, ...shown } }]
  }
  for (const [source, template, name] of step.differs) {
    const former = template.fill(values)
    const found = session.read(source, answer)
    if (found !== undefined && found !== former) continue
    const title = `step ${of}: ${name} is ${found === undefined ? 'not there' : 'what it was before'}`
    broken.push({ predicate, severity, title, evidence: { source: name, former: former.slice(0, SHOWN) } })
  }
  for (const [template, times, name] of step.occurs) {
    if (!template.ready(values)) continue
    const text = template.fill(values)
    const found = count(answer.text(), text)
    if (times === 'some' ? found > 0 : found === times) continue
    const wanted = times === 'some' ? 'at least once' : `${times} times`
    const title = `step ${of}: the body holds ${name} ${found} times, not ${wanted}`
    broken.push({ predicate, severity, title, evidence: { source: name, text: text.slice(0, SHOWN), found } })
  }
  return broken
}

/** How often a text stands in another. */
function count(body: string, text: string): number {
  if (text === '') return 0
  let found = 0
  for (let at = body.indexOf(text); at >= 0; at = body.indexOf(text, at + text.length)) found += 1
  return found
}
