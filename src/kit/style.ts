/**
 * Colours. A style marks text with noncharacters of Unicode; only the log turns the marks into escape sequences,
 * after it has made every escape sequence in the text itself visible.
 */

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const
type StyleName = keyof typeof CODES

export type Style = Readonly<Record<StyleName, (text: string) => string>>

const FIRST_MARK = 0xfdd0
const END_MARK = '\ufddf'
const NAMES = Object.keys(CODES) as StyleName[]

function styleOf(wrap: (name: StyleName, index: number, text: string) => string): Style {
  return Object.fromEntries(
    NAMES.map((name, index) => [name, (text: string) => wrap(name, index, text)])
  ) as Record<StyleName, (text: string) => string>
}

function withoutMarks(text: string): string {
  return text.replace(/[\ufdd0-\ufddf]/g, '')
}

function paintMarks(text: string): string {
  const open: number[] = []
  return text.replace(/[\ufdd0-\ufddf]/g, (mark) => {
    if (mark === END_MARK) {
      open.pop()
      return `\u001b[0m${open.map((code) => `\u001b[${code}m`).join('')}`
    }
    const name = NAMES[mark.charCodeAt(0) - FIRST_MARK]
    if (name === undefined) return ''
    open.push(CODES[name])
    return `\u001b[${CODES[name]}m`
  })
}

export const colouring = {
  style: styleOf((_name, index, text) => `${String.fromCharCode(FIRST_MARK + index)}${text}${END_MARK}`),
  paint: paintMarks
}

export const plain = { style: styleOf((_name, _index, text) => text), paint: withoutMarks }
