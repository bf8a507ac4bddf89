/** What writers of 5.x did differently, brought into one form before a document is checked. */

type Json = Record<string, unknown>

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Go writes an absent list or map as null; absent is absent. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== null)
      .map(([name, entry]) => [name, withoutNulls(entry)])
  )
}

const KNOWN = new Map([
  ['HIGH', 'HIGH'],
  ['MED', 'MED'],
  ['MEDIUM', 'MED'],
  ['LOW', 'LOW']
])

/** A severity that nobody here knows weighs as much as the worst: it never makes a document green. */
function withSeverity(finding: unknown): unknown {
  if (!isObject(finding) || typeof finding['severity'] !== 'string') return finding
  const stated = finding['severity']
  const severity = KNOWN.get(stated.toUpperCase()) ?? 'HIGH'
  return severity === stated ? finding : { ...finding, severity, severity_stated: stated }
}

function withFindings(cell: unknown): unknown {
  if (!isObject(cell) || !Array.isArray(cell['findings'])) return cell
  return { ...cell, findings: cell['findings'].map(withSeverity) }
}

/** Documents of a single cell hold its tiers at the top; from them a cell is made whose names are not stated. */
function cellAtTop(document: Json, results: Json): Json[] {
  if (results['tier_1'] === undefined && results['tier_3'] === undefined) return []
  const pair = typeof document['host_arch_pair'] === 'string' ? document['host_arch_pair'] : ''
  const names = ['refapp', 'engine'].map((name) => {
    const stated = results[name]
    return [name, typeof stated === 'string' && stated !== '' ? stated : 'not-stated'] as const
  })
  const soak = results['soak_summary'] ?? document['soak_summary']
  const taken = Object.entries(results).filter(([name]) =>
    /^(tier_|properties_|failure_summaries)/.test(name)
  )
  return [
    {
      ...Object.fromEntries(taken),
      ...Object.fromEntries(names),
      arch: /[^/_-]+$/.exec(pair)?.[0] ?? 'not-stated',
      ...(soak === undefined ? {} : { soak_summary: soak }),
      at_top: true
    }
  ]
}

/** One form for every 5.x; what is unknown stays as it is. */
export function normaliseResults(value: unknown): unknown {
  const document = withoutNulls(value)
  if (!isObject(document) || !isObject(document['validation_results'])) return document
  const results = document['validation_results']
  const listed = results['cells']
  if (listed !== undefined && !Array.isArray(listed)) return document
  const cells = listed === undefined || listed.length === 0 ? cellAtTop(document, results) : listed
  return { ...document, validation_results: { ...results, cells: cells.map(withFindings) } }
}

const KINDS: readonly (readonly [kind: string, keys: readonly string[]])[] = [
  ['a bench document', ['benchmarks']],
  ['a verdict of the gate', ['outcome', 'refusals']],
  ['an error of the suite', ['outcome', 'error']],
  ['one finding', ['predicate', 'severity']],
  ['a plan', ['include']],
  ['a report of doctor', ['checks']]
]

/** What a document without validation results seems to be. */
export function kindOf(value: unknown): string | undefined {
  if (!isObject(value) || value['validation_results'] !== undefined) return undefined
  return KINDS.find(([, keys]) => keys.every((key) => value[key] !== undefined))?.[0]
}
