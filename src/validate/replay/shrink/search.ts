/** What all lists of frames share when they are made smaller: which candidates count, and how numbers are bisected. */

export interface FramesSearch<Spec> {
  /** Is the finding still there? Asked only for candidates whose claim holds. */
  holds(spec: Spec): Promise<boolean>
  /** No more candidates may be tried. */
  over(): boolean
  onSmaller?(bytes: number): void
}

export interface FramesShrunk<Spec> {
  spec: Spec
  bytesBefore: number
  bytesAfter: number
  /** What the strict reader says of the frames, before and after. */
  claim: string
}

/** What a protocol knows of its frames. */
export interface FramesRules<Spec> {
  claim(spec: Spec): string
  bytes(spec: Spec): number
  /** Whether all is there without which the finding would be a lie; default all candidates. */
  keeps?(spec: Spec): boolean
}

export class Shrinking<Spec extends { frames: readonly unknown[] }> {
  readonly #rules: FramesRules<Spec>
  readonly #search: FramesSearch<Spec>
  readonly #claim: string
  readonly #seen: Set<string>
  best: Spec

  constructor(first: Spec, rules: FramesRules<Spec>, search: FramesSearch<Spec>) {
    this.#rules = rules
    this.#search = search
    this.#claim = rules.claim(first)
    this.#seen = new Set([JSON.stringify(first)])
    this.best = first
  }

  /** Takes the candidate where it is new, keeps its claim, and still fails. */
  async take(spec: Spec): Promise<boolean> {
    const key = JSON.stringify(spec)
    if (this.#seen.has(key) || this.#search.over() || spec.frames.length === 0) return false
    this.#seen.add(key)
    if (this.#rules.claim(spec) !== this.#claim || this.#rules.keeps?.(spec) === false) return false
    if (!(await this.#search.holds(spec))) return false
    this.best = spec
    this.#search.onSmaller?.(this.#rules.bytes(spec))
    return true
  }

  /** Plays rounds of candidates until one has made nothing smaller. */
  async run(round: () => Promise<void>): Promise<FramesShrunk<Spec>> {
    const size = (): number => this.#rules.bytes(this.best)
    const bytesBefore = size()
    for (let before = -1; before !== size() && !this.#search.over();) {
      before = size()
      await round()
    }
    return { spec: this.best, bytesBefore, bytesAfter: size(), claim: this.#claim }
  }
}

/** The least number, of at least one, that is taken. */
export async function fewer(count: number, take: (count: number) => Promise<boolean>): Promise<void> {
  let low = 0
  let high = count
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (await take(middle)) high = middle
    else low = middle
  }
}

/** A length cut by halves. */
export async function shorter(length: number, take: (length: number) => Promise<boolean>): Promise<void> {
  let left = length
  for (let cut = left; cut >= 1;) {
    if (cut <= left && (await take(left - cut))) left -= cut
    else cut >>= 1
  }
}
