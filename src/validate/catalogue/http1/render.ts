/** From the template of a case to its bytes. */

/** The places and values of one run of one case. */
export interface Values {
  host: string
  /** The same without port. */
  name: string
  /** Target of a GET that is served, with a nonce where queries are taken. */
  get: string
  /** The same without query. */
  path: string
  /** Target of a POST that is served. */
  post: string
  /** A path that no route takes. */
  unknown: string
  /** Content-Type line of the body, with CRLF, or nothing. */
  type: string
  /** Three bytes that the POST route takes as a body. */
  body: string
  /** A whole request that may be answered. */
  canary: string
  /** A whole request that must never be answered: it stands within a body. */
  evil: string
}

/**
 * Fills in a template. Placeholders: `{host} {name} {get} {path} {post} {unknown} {type}`; `{G}` and `{P}`, request
 * line and Host of GET and POST; `{B}` the body; `{CH}` and `{CHEVIL}`, body and EVIL in one chunk; `{CAN}`,
 * `{EVIL}`; `{CUT}`, nothing (where the message is cut); `{a*N}`, N times the character; `{fields*N}`, N field lines `X-0: v`; `{len:X}`, `{len:X+N}`, `{hex:X}`, `{hex4:X}`, length of a part.
 * @returns latin1 text, one character a byte
 * @throws Error for an unknown placeholder
 */
export function render(template: string, values: Values): string {
  const parts: Record<string, string> = {
    host: values.host,
    name: values.name,
    get: values.get,
    path: values.path,
    post: values.post,
    unknown: values.unknown,
    type: values.type,
    G: `GET ${values.get} HTTP/1.1\r\nHost: ${values.host}\r\n`,
    P: `POST ${values.post} HTTP/1.1\r\nHost: ${values.host}\r\n${values.type}`,
    B: values.body,
    CH: `${values.body.length.toString(16)}\r\n${values.body}\r\n0\r\n\r\n`,
    CHEVIL: `${values.evil.length.toString(16)}\r\n${values.evil}\r\n0\r\n\r\n`,
    CAN: values.canary,
    EVIL: values.evil,
    CUT: ''
  }
  const part = (name: string): string => {
    const text = parts[name]
    if (text === undefined) throw new Error(`the template names {${name}}, which is no placeholder`)
    return text
  }
  return template.replace(/\{([^{}\r\n]+)\}/g, (_, inner: string) => {
    const run = /^(.)\*(\d+)$/s.exec(inner)
    if (run !== null) return run[1]!.repeat(Number(run[2]))
    const fields = /^fields\*(\d+)$/.exec(inner)
    if (fields !== null) return Array.from({ length: Number(fields[1]) }, (_, i) => `X-${i}: v\r\n`).join('')
    const length = /^(len|hex|hex4):(\w+)(?:\+(\d+))?$/.exec(inner)
    if (length === null) return part(inner)
    const size = part(length[2]!).length + Number(length[3] ?? 0)
    if (length[1] === 'len') return String(size)
    return size.toString(16).padStart(length[1] === 'hex4' ? 4 : 1, '0')
  })
}
