/** Text of a server or of a person never becomes a command of the terminal, of the runner or of a document. */

/**
 * Control characters of both sets, except line feed and tab, and the marks that turn the direction of writing
 * (they make a log read other than it is).
 */

const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Makes control characters visible (`\x1b`, `\r`, `\u202e`); line feeds and tabs stay. */
export function visible(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0)
    if (code === 0x0d) return '\\r'
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/** One line of visible text, cut to a length: for server text inside a sentence. */
export function oneLine(text: string, limit = 200): string {
  const line = visible(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t')
  return line.length <= limit ? line : `${line.slice(0, Math.max(0, limit - 3))}...`
}

/** Keeps a plain line of a workflow log from being read as a command (`::error::`, `##[group]`). */
export function inertInWorkflow(text: string): string {
  return text.replace(/^(\s*):(?=:)/gm, '$1:\u200b').replace(/##(?=\[)/g, '#\u200b#')
}

/** Value of a workflow command. */
export function commandData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

/** Property of a workflow command. */
export function commandProperty(text: string): string {
  return commandData(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
