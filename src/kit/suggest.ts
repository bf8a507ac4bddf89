/** Offers the right name for a wrong one. */
import { closest, distance } from 'fastest-levenshtein'

/**
 * The nearest of the allowed names, where it is near enough to be meant (at most a third of the letters differ,
 * or one is the beginning of the other).
 */
export function nearest(word: string, allowed: readonly string[]): string | undefined {
  if (allowed.length === 0 || word === '') return undefined
  const low = word.toLowerCase()
  const best = closest(
    low,
    allowed.map((name) => name.toLowerCase())
  )
  const name = allowed.find((candidate) => candidate.toLowerCase() === best)
  if (name === undefined) return undefined
  const longer = Math.max(low.length, best.length)
  const limit = Math.max(1, Math.ceil(longer / 3))
  // Two names without a letter in common are not near.
  if (distance(low, best) <= limit && distance(low, best) < longer) return name
  return low.length >= 3 ? allowed.find((candidate) => candidate.toLowerCase().startsWith(low)) : undefined
}

/** `; did you mean "iouring"?`, or nothing where no name is near. */
export function didYouMean(word: string, allowed: readonly string[], prefix = ''): string {
  const name = nearest(word, allowed)
  return name === undefined ? '' : `; did you mean "${prefix}${name}"?`
}
