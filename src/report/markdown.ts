/** Text of a server or of a person never becomes markup of a summary or a report. */

/** Control characters, and the marks that turn the direction of writing. */
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Text inside HTML, also inside an attribute in double quotes; control characters become `\x1b`. */
export function html(text: string): string {
  return text
    .replace(UNSAFE, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/**
 * Plain text inside a line or a table cell of Markdown: no markup, mention, link or row comes out of it. A text over
 * the limit is cut, so that one finding cannot fill a whole summary.
 */
export function markdown(text: string, limit = 600): string {
  const short = text.length <= limit ? text : `${text.slice(0, limit - 3)}...`
  return html(short.replace(/[\\`*_[\]|~#]/g, '\\$&'))
    .replaceAll('@', '&#64;')
    .replaceAll('://', '&#58;//')
    .replaceAll(/[\t\n]/g, ' ')
}

/** A code span that holds any text; also safe in a table cell. */
export function codeSpan(text: string): string {
  return `<code>${markdown(text)}</code>`
}
