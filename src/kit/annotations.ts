/** Annotations of a workflow: at most ten of a level are shown per step, the rest is dropped without a word. */
import { commandData, commandProperty, visible } from './escape.ts'
import { redact } from './secrets.ts'

export type AnnotationLevel = 'error' | 'warning' | 'notice'

export interface Annotation {
  level: AnnotationLevel
  message: string
  title?: string
  /** Relative to the repository. */
  file?: string
  line?: number
}

/** One line of the workflow command language. */
export function annotationLine({ level, message, title, file, line }: Annotation): string {
  const properties = Object.entries({ title, file, line })
    .filter((entry): entry is [string, string | number] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${commandProperty(redact(visible(String(value))))}`)
    .join(',')
  return `::${level}${properties === '' ? '' : ` ${properties}`}::${commandData(redact(visible(message)))}`
}

/** Slots of a level that are given out one by one; the tenth is kept for the closing line. */
const SLOTS = 9

/** Gives out the annotations of one step, and says at the end how many there was no room for. */
export class AnnotationBudget {
  readonly #used = new Map<AnnotationLevel, number>()
  readonly #over = new Map<AnnotationLevel, number>()

  /** The command line of the annotation, or nothing where the level's slots are used up. */
  take(annotation: Annotation): string | undefined {
    const used = this.#used.get(annotation.level) ?? 0
    if (used >= SLOTS) {
      this.#over.set(annotation.level, (this.#over.get(annotation.level) ?? 0) + 1)
      return undefined
    }
    this.#used.set(annotation.level, used + 1)
    return annotationLine(annotation)
  }

  /** The closing lines: the verdict of a failed run, and how many were left out. */
  close(verdict?: string): string[] {
    const lines: string[] = []
    for (const level of ['error', 'warning', 'notice'] as const) {
      const over = this.#over.get(level) ?? 0
      const more = over === 0 ? '' : `and ${over} more, see the log and the summary`
      const message =
        level === 'error' && verdict !== undefined
          ? [verdict, more].filter((part) => part !== '').join('; ')
          : more
      if (message !== '') lines.push(annotationLine({ level, message }))
    }
    this.#over.clear()
    return lines
  }
}
