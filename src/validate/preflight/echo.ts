/** The contract of an echo route: what the handler saw, as JSON. */
export interface Echo {
  method: string
  target: string
  headers: [string, string][]
  body: Buffer
}

/** Reads an echo answer; undefined where it is none. */
export function readEcho(body: Buffer): Echo | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (typeof value !== 'object' || value === null) return undefined
    const { method, target, headers, body: content } = value as Record<string, unknown>
    if (typeof method !== 'string' || typeof target !== 'string' || typeof content !== 'string')
      return undefined
    return { method, target, headers: readHeaders(headers), body: Buffer.from(content, 'base64') }
  } catch {
    return undefined
  }
}

/** Header lists come as pairs, as a flat list of names and values, or as an object. */
function readHeaders(value: unknown): [string, string][] {
  if (Array.isArray(value)) {
    if (value.every((entry) => Array.isArray(entry)))
      return value.map((entry) => [String(entry[0]), String(entry[1])])
    const flat = value.map(String)
    return flat.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : []))
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, entry]): [string, string][] =>
    Array.isArray(entry) ? entry.map((one) => [name, String(one)]) : [[name, String(entry)]]
  )
}
