/** Echo semantics (O6): what the handler saw, told by the server itself. */

/** The contract of an echo route: method, target, fields and body as the handler saw them. */
export interface Echo {
  method: string
  target: string
  /** In the server's order; names as it tells them. */
  headers: [string, string][]
  body: Buffer
  /** The body as it stands in the answer. */
  coded: string
}

/** Reads an echo answer: a JSON object with `method`, `target`, `headers` and the body in base64. Undefined where it is none. */
export function readEcho(answer: Buffer): Echo | undefined {
  if (answer[0] !== 0x7b) return undefined
  try {
    const {
      method,
      target,
      headers,
      body: content
    } = JSON.parse(answer.toString('utf8')) as Record<string, unknown>
    if (typeof method !== 'string' || typeof target !== 'string' || typeof content !== 'string')
      return undefined
    const body = Buffer.from(content, 'base64')
    return { method, target, headers: readHeaders(headers), body, coded: content }
  } catch {
    return undefined
  }
}

/**
 * The answer is an echo of this request, whatever became of the body on its way to the handler: losing it is what cases
 * must tell. One that gives the body as it is, and not in base64, keeps another contract.
 */
export function describes(
  { method, target, coded }: Echo,
  asked: { method: string; target: string; body: string }
): boolean {
  return method === asked.method && target === asked.target && coded !== asked.body
}

/**
 * What came back is what was sent, but for bytes that were lost or changed on the way: a part of it, of half its length
 * at least, or as many bytes of which most are the same. A route that makes something else of it does not look so.
 */
export function isGarbled(sent: Buffer, got: Buffer): boolean {
  if (got.length === 0 || got.length > sent.length || got.equals(sent)) return false
  if (got.length < sent.length) return got.length * 2 >= sent.length && sent.includes(got)
  const same = got.reduce((sum, byte, i) => sum + Number(byte === sent[i]), 0)
  return same * 4 >= sent.length * 3
}

/** Header lists come as pairs, as a flat list of names and values, as lines, or as an object. */
function readHeaders(value: unknown): [string, string][] {
  if (Array.isArray(value)) {
    if (value.every((entry) => Array.isArray(entry))) {
      return value.map((entry: unknown[]) => [String(entry[0]), String(entry[1])])
    }
    const flat = value.map(String)
    return flat.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : []))
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, entry]): [string, string][] =>
    Array.isArray(entry) ? entry.map((one) => [name, String(one)]) : [[name, String(entry)]]
  )
}

/** All values of a field that the handler saw. @param name in lower case */
export function fieldValues(echo: Echo, name: string): string[] {
  return echo.headers.flatMap(([key, value]) => (key.toLowerCase() === name ? [value] : []))
}
