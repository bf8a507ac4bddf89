/** How a message is cut on its way: the verdict must not depend on it (O9). */
import type { RandomStream } from '../../../kit/random.ts'

/**
 * `whole` one write; `bytes` byte by byte; `lines` cut within and after each CRLF; `delimiters` cut after each separator
 * of the grammar; `pause` cut in the middle of each part of the message, with pauses; `random` three cuts anywhere.
 */
export const SEGMENTATIONS = ['whole', 'bytes', 'lines', 'delimiters', 'pause', 'random'] as const
export type Segmentation = (typeof SEGMENTATIONS)[number]

/** Those that each case is played in: the same message is cut in the same places each time. */
export const COMPARED = ['bytes', 'lines', 'pause', 'delimiters'] as const satisfies readonly Segmentation[]

/** In words, after "when it comes". */
export const HOW: Readonly<Record<Segmentation, string>> = {
  whole: 'in one segment',
  bytes: 'byte by byte',
  lines: 'cut within and after each CRLF',
  delimiters: 'cut after each delimiter',
  pause: 'in a few segments with pauses',
  random: 'cut in a few places'
}

/** A message longer than this is cut at random places instead of at each byte. */
const MOST_BYTES = 700
const RANDOM_CUTS = 24
const MOST_LINES = 24
const MOST_DELIMITERS = 24
const FEW_CUTS = 3
const DELIMITER = /[ \t:;,=/"]/g
export const PAUSE_MS = 20
/** Long enough for a server to read what came, and short where there are many. */
const PAUSES: Readonly<Record<Segmentation, number>> = {
  whole: 0,
  bytes: 0,
  lines: 1,
  delimiters: 1,
  pause: PAUSE_MS / 4,
  random: PAUSE_MS
}

export interface Cut {
  segments: Buffer[]
  pauseMs: number
}

export function cut(bytes: Buffer, how: Segmentation, random: RandomStream): Cut {
  return { segments: at(bytes, places(bytes, how, random)), pauseMs: PAUSES[how] }
}

function places(bytes: Buffer, how: Segmentation, random: RandomStream): number[] {
  if (bytes.length < 2) return []
  const anywhere = (count: number): number[] =>
    Array.from({ length: count }, () => random.int(1, bytes.length - 1))
  switch (how) {
    case 'whole':
      return []
    case 'random':
      return anywhere(FEW_CUTS)
    case 'bytes':
      if (bytes.length > MOST_BYTES) return anywhere(RANDOM_CUTS)
      return Array.from({ length: bytes.length - 1 }, (_, i) => i + 1)
    case 'lines':
      return lineEnds(bytes, MOST_LINES).flatMap((end) => [end + 1, end + 2])
    case 'delimiters': {
      const text = bytes.toString('latin1', 0, MOST_BYTES)
      const all = [...text.matchAll(DELIMITER)].map(({ index }) => index + 1)
      // Evenly over the message, where there are too many.
      const step = Math.max(1, all.length / MOST_DELIMITERS)
      return Array.from(
        { length: Math.min(all.length, MOST_DELIMITERS) },
        (_, i) => all[Math.floor(i * step)]!
      )
    }
    case 'pause':
      return parts(bytes)
  }
}

/** Where the CRLFs begin. */
function lineEnds(bytes: Buffer, most: number): number[] {
  const found: number[] = []
  for (let i = bytes.indexOf('\r\n'); i >= 0 && found.length < most; i = bytes.indexOf('\r\n', i + 2))
    found.push(i)
  return found
}

/** Within the request line, within and behind the empty line that ends the head, and within what follows. */
function parts(bytes: Buffer): number[] {
  const head = bytes.indexOf('\r\n\r\n')
  const body = head < 0 ? bytes.length : head + 4
  const middle = body + Math.ceil((bytes.length - body) / 2)
  return [Math.min(10, bytes.length >> 1), ...(head < 0 ? [] : [head + 3, head + 4]), middle]
}

function at(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const sorted = [...new Set(cuts)].filter((place) => place > 0 && place < bytes.length).sort((a, b) => a - b)
  return [0, ...sorted].map((from, i) => bytes.subarray(from, sorted[i] ?? bytes.length))
}
