/** How a message is cut on its way: the verdict must not depend on it (O9). */
import type { RandomStream } from '../../../kit/random.ts'

export const SEGMENTATIONS = ['whole', 'bytes', 'lines', 'pause'] as const
/** `whole` one write; `bytes` byte by byte; `lines` cut within and after each CRLF; `pause` one cut and a pause. */
export type Segmentation = (typeof SEGMENTATIONS)[number]

/** A message longer than this is cut at random places instead of at each byte. */
const MOST_BYTES = 700
const RANDOM_CUTS = 24
const MOST_LINES = 100
export const PAUSE_MS = 20

export interface Cut {
  segments: Buffer[]
  pauseMs: number
}

export function cut(bytes: Buffer, how: Segmentation, random: RandomStream): Cut {
  return { segments: at(bytes, places(bytes, how, random)), pauseMs: how === 'pause' ? PAUSE_MS : 0 }
}

function places(bytes: Buffer, how: Segmentation, random: RandomStream): number[] {
  if (how === 'whole' || bytes.length < 2) return []
  if (how === 'pause') return [random.int(1, bytes.length - 1)]
  if (how === 'bytes') {
    if (bytes.length <= MOST_BYTES) return Array.from({ length: bytes.length - 1 }, (_, i) => i + 1)
    return Array.from({ length: RANDOM_CUTS }, () => random.int(1, bytes.length - 1))
  }
  const found: number[] = []
  for (let i = bytes.indexOf('\r\n'); i >= 0 && found.length < MOST_LINES; i = bytes.indexOf('\r\n', i + 2))
    found.push(i + 1, i + 2)
  return found
}

function at(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const sorted = [...new Set(cuts)].filter((place) => place > 0 && place < bytes.length).sort((a, b) => a - b)
  return [0, ...sorted].map((from, i) => bytes.subarray(from, sorted[i] ?? bytes.length))
}
