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
  /** How often the tour has gone to a step that nobody had visited. */
  readonly #tried = new Map<string, number>()
  /** Draws so far. */
  transitions = 0

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

  /** Every step was answered, or the tour has taken so long that the rest cannot be reached. */
  get toured(): boolean {
    return this.visited.size === this.model.steps.size || this.transitions > MOST_DRAWS
  }

  /** Draws a transition by weight. */
  draw(from: Step, random: RandomStream): string {
    if (from.next.length === 0) return this.model.start
    const index = random.weighted(from.weights)
    this.#drawn.get(from.name)![index]! += 1
    this.transitions += 1
    return from.next[index]!
  }

  /**
   * On the tour: half of the time the first step of the shortest way to one that nobody has visited, the other half
   * a weighted draw, since only the natural walk gathers what some steps need.
   */
  towardsNew(from: Step, random: RandomStream): string {
    if (random.float() < 0.5) return this.draw(from, random)
    const seen = new Set<string>([from.name])
    const begin = from.next.length === 0 ? [this.model.start] : from.next
    let front = random.shuffle(begin).map((name) => ({ name, first: name }))
    while (front.length > 0) {
      const following: typeof front = []
      for (const { name, first } of front) {
        if (!this.visited.has(name) && (this.#tried.get(name) ?? 0) < MOST_TRIES) {
          if (name === first) this.#tried.set(name, (this.#tried.get(name) ?? 0) + 1)
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
    return this.draw(from, random)
  }

  rows(): Row[] {
    return [...this.model.steps.values()]
      .filter((step) => step.next.length > 1)
      .map((step) => ({ weights: step.weights, counts: this.#drawn.get(step.name)! }))
  }
}

/** Tries after which the tour goes on without a step: one that always breaks the connection is never visited. */
const MOST_TRIES = 40

/** Draws after which a step that nobody reached no longer holds the tour. */
const MOST_DRAWS = 20_000
