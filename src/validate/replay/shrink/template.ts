/** Templates of HTTP/1 cases as lists of tokens, so that a message and its twin can be made smaller together. */

/** A placeholder, or one character. */
export type Token = string

/** Placeholders that are made of others. */
const EXPANDED: Record<string, string> = {
  '{G}': 'GET {get} HTTP/1.1\r\nHost: {host}\r\n',
  '{P}': 'POST {post} HTTP/1.1\r\nHost: {host}\r\n{type}',
  '{CH}': '{hex:B}\r\n{B}\r\n0\r\n\r\n',
  '{CHEVIL}': '{hex:EVIL}\r\n{EVIL}\r\n0\r\n\r\n'
}

export function tokensOf(template: string): Token[] {
  const whole = template.replaceAll(/\{(?:G|P|CH|CHEVIL)\}/g, (name) => EXPANDED[name] ?? name)
  return whole.match(/\{[^{}\r\n]+\}|[\s\S]/g) ?? []
}

/** For each token of the one the place of its like in the other, in order; -1 where it has none (longest common list). */
export function alignment(one: readonly Token[], other: readonly Token[]): number[] {
  const width = other.length + 1
  const length = new Uint16Array((one.length + 1) * width)
  for (let i = one.length - 1; i >= 0; i--)
    for (let j = other.length - 1; j >= 0; j--)
      length[i * width + j] =
        one[i] === other[j]
          ? length[(i + 1) * width + j + 1]! + 1
          : Math.max(length[(i + 1) * width + j]!, length[i * width + j + 1]!)
  const places = one.map(() => -1)
  for (let i = 0, j = 0; i < one.length && j < other.length;) {
    if (one[i] === other[j]) places[i++] = j++
    else if (length[(i + 1) * width + j]! >= length[i * width + j + 1]!) i += 1
    else j += 1
  }
  return places
}

/** Begin and end of each line, the CRLF included. */
export function linesOf(tokens: readonly Token[]): [from: number, to: number][] {
  const lines: [number, number][] = []
  let from = 0
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i] === '\n' && tokens[i - 1] === '\r') {
      lines.push([from, i + 1])
      from = i + 1
    }
  }
  if (from < tokens.length) lines.push([from, tokens.length])
  return lines
}

export interface Pair {
  sends: Token[]
  twin: Token[]
}

/** Leaves out a part of the message, and of the twin what is its like. */
export function without({ sends, twin }: Pair, from: number, to: number): Pair {
  const places = alignment(sends, twin)
  const gone = new Set(places.slice(from, to).filter((place) => place >= 0))
  return {
    sends: [...sends.slice(0, from), ...sends.slice(to)],
    twin: twin.filter((_, i) => !gone.has(i))
  }
}

/** Writes another token, in the twin too where it has the same. */
export function replaced({ sends, twin }: Pair, at: number, token: Token): Pair {
  const place = alignment(sends, twin)[at]!
  return { sends: sends.with(at, token), twin: place < 0 ? twin : twin.with(place, token) }
}

/** Content-Length of plain digits, made true again: the body is all behind the head, up to a request behind it. */
export function repaired(tokens: readonly Token[], sizeOf: (part: string) => number): Token[] {
  const lines = linesOf(tokens)
  const empty = lines.findIndex(([from, to]) => to - from === 2)
  const line = lines.findIndex(([from, to]) =>
    /^content-length: *\d+\r\n$/i.test(tokens.slice(from, to).join(''))
  )
  if (empty < 0 || line < 0 || line > empty) return [...tokens]
  const start = lines[empty]![1]
  const behind = tokens.indexOf('{CAN}', start)
  const size = sizeOf(tokens.slice(start, behind < 0 ? undefined : behind).join(''))
  const [from, to] = lines[line]!
  const name = tokens.slice(from, to).join('').split(':')[0]!
  return [...tokens.slice(0, from), ...`${name}: ${size}\r\n`, ...tokens.slice(to)]
}

/** `{a*100000}` and `{fields*5000}`: what is repeated, and how often. */
export function runOf(token: Token): { what: string; count: number } | undefined {
  const match = /^\{(.|fields)\*(\d+)\}$/s.exec(token)
  return match === null ? undefined : { what: match[1]!, count: Number(match[2]) }
}
