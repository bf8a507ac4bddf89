/** Secrets: masked in the workflow log, and taken out of every text and document that leaves the suite. */
import { commandData } from './escape.ts'

/** Shorter values would take ordinary words out of every text. */
const SHORTEST = 4
const known = new Set<string>()

function parts(value: string): string[] {
  const found = [value, ...value.split(/\r?\n/)]
  if (URL.canParse(value)) {
    const { password } = new URL(value)
    found.push(password)
    try {
      found.push(decodeURIComponent(password))
    } catch {
      // Not percent-encoded text: the raw form above is all there is.
    }
  }
  const trimmed = found.map((part) => part.trim()).filter((part) => part.length >= SHORTEST)
  // Inside a JSON document the text stands escaped.
  return [...new Set([...trimmed, ...trimmed.map((part) => JSON.stringify(part).slice(1, -1))])]
}

/**
 * Masks a value. A multi-line value is masked line by line, the password of a URL by itself too.
 * The mask command goes to stderr, which the runner reads as well, so that stdout stays one JSON document.
 */
export function maskSecret(value: string, env: NodeJS.ProcessEnv = process.env): void {
  for (const part of parts(value)) {
    if (known.has(part)) continue
    known.add(part)
    if (env['GITHUB_ACTIONS'] === 'true') process.stderr.write(`::add-mask::${commandData(part)}\n`)
  }
}

/** True where the text holds a masked value. */
export function holdsSecret(text: string): boolean {
  for (const secret of known) if (text.includes(secret)) return true
  return false
}

/** Puts `***` in place of every masked value; the longest go first. */
export function redact(text: string): string {
  if (known.size === 0) return text
  let out = text
  for (const secret of [...known].sort((a, b) => b.length - a.length)) out = out.replaceAll(secret, '***')
  return out
}
