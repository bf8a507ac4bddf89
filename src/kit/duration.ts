/** Durations as people write them: `250ms`, `30s`, `5m`, `1h30m`, `24h`. */
import { UserError } from './errors.ts'

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const SHAPE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g

export interface DurationLimits {
  /** Smallest and largest value allowed, written as durations. */
  min?: string
  max?: string
}

function read(text: string): number | undefined {
  if (!SHAPE.test(text)) return undefined
  let total = 0
  let last = Number.POSITIVE_INFINITY
  for (const [, amount, unit] of text.matchAll(PART)) {
    const factor = UNITS[unit!]!
    if (factor >= last) return undefined
    last = factor
    total += Number(amount) * factor
  }
  return Math.round(total)
}

function hintFor(text: string): string {
  const number = /^\d+(?:\.\d+)?$/.exec(text)
  if (number) return `a unit is missing: write "${text}s" for seconds or "${text}m" for minutes`
  const words = /^(\d+(?:\.\d+)?)\s*(ms|milli\w*|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)$/i.exec(
    text
  )
  if (words) {
    const unit = words[2]!.toLowerCase()
    return `write "${words[1]}${unit.startsWith('ms') || unit.startsWith('mil') ? 'ms' : unit[0]}", without a blank and with one of the units ms, s, m, h`
  }
  return 'write a number and a unit, such as 250ms, 30s, 5m, 1h30m or 24h'
}

/**
 * Reads a duration and returns milliseconds.
 * @throws UserError naming `where`, the value and what is allowed.
 */
export function parseDuration(text: string, where = 'duration', limits: DurationLimits = {}): number {
  const trimmed = text.trim()
  const value = read(trimmed)
  if (value === undefined) {
    throw new UserError({ where, what: `"${text}" is not a duration`, fix: hintFor(trimmed) })
  }
  const low = limits.min === undefined ? undefined : read(limits.min)
  const high = limits.max === undefined ? undefined : read(limits.max)
  if (low !== undefined && value < low) {
    throw new UserError({ where, what: `"${text}" is too short`, fix: `give at least ${limits.min}` })
  }
  if (high !== undefined && value > high) {
    throw new UserError({ where, what: `"${text}" is too long`, fix: `give at most ${limits.max}` })
  }
  return value
}

/** Milliseconds in the form that `parseDuration` reads: `250ms`, `4.9s`, `1m30s`, `2h`. */
export function formatDuration(milliseconds: number): string {
  const ms = Math.max(0, Math.round(milliseconds))
  if (ms < 1000) return `${ms}ms`
  if (ms < 59_950) return `${Number((ms / 1000).toFixed(1))}s`
  const seconds = Math.round(ms / 1000)
  const parts: [number, string][] = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'm'],
    [seconds % 60, 's']
  ]
  return parts
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join('')
}
