/** Which step comes next: first a tour through every step, then the weighted walk. */
import type { RandomStream } from '../../../kit/random.ts'
import type { MarkovModel, Step } from './model.ts'
import type { Row } from './chi.ts'

/** Shared by all walkers: what is toured, what was drawn. */
export class Route {
  readonly model: MarkovModel
  /** Steps that were answered and judged. */
  readonly visited = new Set<string>()
  readonly #drawn = new Map<string, number[]>()
  readonly #tries = new Map<string, number>()

  constructor(model: MarkovModel) {
    this.model = model
    for (const [name, step] of model.steps)
      this.#drawn.set(
        name,
        step.weights.map(() => 0)
      )
  }

  step(name: string): Step {
    return this.model.steps.get(name)!
  }

  get toured(): boolean {
    for (const name of this.model.steps.keys())
      if (!this.visited.has(name) && (this.#tries.get(name) ?? 0) < MOST_TRIES) return false
    return true
  }

  /** Draws a transition by weight. */
  draw(from: Step, random: RandomStream): string {
    if (from.next.length === 0) return this.model.start
    const index = random.weighted(from.weights)
    this.#drawn.get(from.name)![index]! += 1
    return from.next[index]!
  }

  /** On the tour: the first step of the shortest way to one that nobody has visited. */
  towardsNew(from: Step, random: RandomStream): string {
    const seen = new Set<string>([from.name])
    let front: { name: string; first: string }[] = random
      .shuffle(from.next.length === 0 ? [this.model.start] : from.next)
      .map((name) => ({ name, first: name }))
    while (front.length > 0) {
      const following: typeof front = []
      for (const { name, first } of front) {
        if (!this.visited.has(name) && (this.#tries.get(name) ?? 0) < MOST_TRIES) {
          if (name === first) this.#tries.set(name, (this.#tries.get(name) ?? 0) + 1)
          return first
        }
        if (seen.has(name)) continue
        seen.add(name)
        const { next } = this.step(name)
        for (const target of next.length === 0 ? [this.model.start] : next)
          following.push({ name: target, first })
      }
      front = following
    }
    return from.next.length === 0 ? this.model.start : random.pick(from.next)
  }

  rows(): Row[] {
    return [...this.model.steps.values()]
      .filter((step) => step.next.length > 1)
      .map((step) => ({ weights: step.weights, counts: this.#drawn.get(step.name)! }))
  }

  get transitions(): number {
    let total = 0
    for (const counts of this.#drawn.values()) for (const count of counts) total += count
    return total
  }
}

/** A step whose needs are never met must not hold the tour. */
const MOST_TRIES = 60
