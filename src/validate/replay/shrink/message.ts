/**
 * Makes an HTTP/1 message smaller (delta debugging) as long as the same predicate convicts it, its twin is served, and
 * the strict reader says the same of it as before: a message that became valid on the way would be another finding.
 */
import { readRequests } from '../../../wire/request.ts'
import type { ProtocolCase } from '../../catalogue/http1/index.ts'
import type { Values } from '../../catalogue/http1/index.ts'
import type { Segmentation } from '../../traffic/adversarial/segments.ts'
import { bytesOf } from '../../traffic/adversarial/scene.ts'
import { linesOf, repaired, replaced, runOf, tokensOf, without, type Pair } from './template.ts'

/** Lines that are left out at once, and characters. */
const LINE_RANGES = [6, 4, 3, 2, 1]
const CHARACTER_RANGES = [16, 8, 4, 2, 1]
const CUT = '{CUT}'

export interface Candidate {
  entry: ProtocolCase
  how: Segmentation
}

export interface MessageSearch {
  /** Places and nonces of the server, for what the strict reader sees. */
  values: Values
  /** Is the finding still there? Asked only for candidates whose claim holds. */
  holds(candidate: Candidate): Promise<boolean>
  /** No more candidates may be tried. */
  over(): boolean
  onSmaller?(bytes: number): void
}

export interface Shrunk extends Candidate {
  bytesBefore: number
  bytesAfter: number
  /** What the strict reader says of the message, before and after. */
  claim: string
}

/** What the strict reader says of a message. Two messages with the same claim are wrong, or right, in the same way. */
interface Claim {
  /** `valid`, `unfinished`, or the rule that it breaks first. */
  says: string
  /** Whole requests before that, without those that may be answered beside it: a body must not become a request. */
  requests: number
}

function claimOf(bytes: Buffer, { canary }: Values): Claim {
  const { requests, fault, unfinished } = readRequests(bytes)
  const own = requests.filter(
    (one) => bytes.toString('latin1', one.at, one.at + one.bytes).trimStart() !== canary.trimStart()
  )
  return { says: fault?.rule ?? (unfinished ? 'unfinished' : 'valid'), requests: own.length }
}

export async function shrinkMessage(start: Candidate, search: MessageSearch): Promise<Shrunk> {
  return new Shrinker(start, search).run()
}

class Shrinker {
  readonly #search: MessageSearch
  readonly #first: Candidate
  readonly #claim: Claim
  readonly #twinRequests: number
  #best: Candidate
  #pair: Pair
  /** Candidates that were tried. */
  readonly #seen = new Set<string>()

  constructor(first: Candidate, search: MessageSearch) {
    this.#search = search
    this.#first = first
    this.#best = first
    this.#claim = this.#claimOf(first.entry.sends)
    this.#twinRequests = this.#claimOf(first.entry.twin).requests
    this.#pair = { sends: tokensOf(first.entry.sends), twin: tokensOf(first.entry.twin) }
  }

  #size(template: string): number {
    return bytesOf(template, this.#search.values).length
  }

  #claimOf(template: string): Claim {
    const { values } = this.#search
    return claimOf(bytesOf(template, values), values)
  }

  async run(): Promise<Shrunk> {
    const before = this.#size(this.#first.entry.sends)
    // Written out, the template may already say the same in other words.
    if (this.#first.how !== 'whole') await this.#try(this.#pair, { how: 'whole' })
    if (this.#best.entry.fin) await this.#try(this.#pair, { fin: false })
    for (let smaller = true; smaller && !this.#search.over();) {
      const size = this.#size(this.#best.entry.sends)
      await this.#requests()
      await this.#lines()
      await this.#runs()
      await this.#characters()
      smaller = this.#size(this.#best.entry.sends) < size
    }
    return {
      ...this.#best,
      bytesBefore: before,
      bytesAfter: this.#size(this.#best.entry.sends),
      claim: this.#claim.says
    }
  }

  /** Takes the candidate where it is new, keeps its claim, and still fails. */
  async #try(pair: Pair, change: { how?: Segmentation; fin?: boolean } = {}): Promise<boolean> {
    const sends = pair.sends.join('')
    const twin = pair.twin.join('')
    const { how = this.#best.how, fin = this.#best.entry.fin } = change
    const key = JSON.stringify([sends, twin, how, fin])
    if (this.#seen.has(key) || this.#search.over()) return false
    this.#seen.add(key)
    if (!this.#fits(sends, twin)) return false
    const candidate = { entry: { ...this.#best.entry, sends, twin, fin }, how }
    if (!(await this.#search.holds(candidate))) return false
    this.#best = candidate
    this.#pair = pair
    this.#search.onSmaller?.(this.#size(sends))
    return true
  }

  #fits(sends: string, twin: string): boolean {
    // A case about segments sends what its twin sends.
    if (sends === twin) return false
    const { says, requests } = this.#claimOf(sends)
    return (
      says === this.#claim.says &&
      requests === this.#claim.requests &&
      this.#claimOf(twin).says === 'valid' &&
      this.#claimOf(twin).requests === this.#twinRequests
    )
  }

  /** The candidate as it is, else with its lengths made true. */
  async #either(pair: Pair): Promise<boolean> {
    if (await this.#try(pair)) return true
    const size = (part: string): number => this.#size(part)
    return this.#try({ sends: repaired(pair.sends, size), twin: repaired(pair.twin, size) })
  }

  /** A request behind the message. */
  async #requests(): Promise<void> {
    const at = this.#pair.sends.lastIndexOf('{CAN}')
    if (at > 0) await this.#either(without(this.#pair, at, at + 1))
    const cut = this.#pair.sends.indexOf(CUT)
    if (cut > 0) await this.#either(without(this.#pair, cut, cut + 1))
  }

  /** All but the request line, the longest ranges first. */
  async #lines(): Promise<void> {
    for (const count of LINE_RANGES) {
      for (let i = 1; i + count <= linesOf(this.#pair.sends).length;) {
        if (this.#search.over()) return
        const lines = linesOf(this.#pair.sends)
        const [from, to] = [lines[i]![0], lines[i + count - 1]![1]]
        const taken = !this.#isEssence(from, to) && (await this.#either(without(this.#pair, from, to)))
        if (!taken) i += 1
      }
    }
  }

  /** Runs of one character or of field lines: halved, then decremented by halves. */
  async #runs(): Promise<void> {
    for (let at = 0; at < this.#pair.sends.length; at++) {
      const run = runOf(this.#pair.sends[at]!)
      if (run === undefined) continue
      let low = 0
      let high = run.count
      while (high - low > Math.max(1, high >> 6) && !this.#search.over()) {
        const middle = (low + high) >> 1
        const token = `{${run.what}*${middle}}`
        if (await this.#either(replaced(this.#pair, at, token))) high = middle
        else low = middle
      }
    }
  }

  /** Characters of field lines and of what follows the head; request line and Host stay as they are. */
  async #characters(): Promise<void> {
    for (const count of CHARACTER_RANGES) {
      for (let at = 0; at + count <= this.#pair.sends.length;) {
        if (this.#search.over()) return
        const kept = this.#protected()
        const touches = kept.find(([from, to]) => at < to && at + count > from)
        if (touches !== undefined) at = touches[1]
        else if (this.#isEssence(at, at + count)) at += 1
        else if (!(await this.#either(without(this.#pair, at, at + count)))) at += 1
      }
    }
  }

  /**
   * Of a message in which the strict reader sees no fault, the lines that its twin does not have are the case itself:
   * without them the message would be one that is rightly served.
   */
  #isEssence(from: number, to: number): boolean {
    if (this.#claim.says !== 'valid') return false
    const { sends, twin } = this.#pair
    const known = new Set(linesOf(twin).map(([begin, end]) => twin.slice(begin, end).join('')))
    return linesOf(sends).some(
      ([begin, end]) => begin < to && end > from && !known.has(sends.slice(begin, end).join(''))
    )
  }

  #protected(): [number, number][] {
    const { sends } = this.#pair
    return linesOf(sends).filter(
      ([from, to], i) => i === 0 || /^host: \{host\}\r\n$/i.test(sends.slice(from, to).join(''))
    )
  }
}
