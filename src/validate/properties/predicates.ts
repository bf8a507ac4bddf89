/** Predicates over the samples of one cell, as data with a judge each. Each ends judged, by design, or not instrumented. */
import { lookUp, MUST_STAY_ZERO, type Published, type Sample } from './sample.ts'
import { judgeSlope, type Point, type SlopeBudget } from './slope.ts'

export interface Observed {
  samples: readonly Sample[]
  /** First and last `/debug/vars`; absent where none could be read. */
  first?: Published
  last?: Published
  /** Why `/debug/vars` could not be read. */
  missing: string
  /** Counters of the walkers, by document name. */
  walkers: (counter: string) => number
  /** Predicates of findings that the slices reported. */
  reported: ReadonlySet<string>
  /** Slices that ran. */
  slices: ReadonlySet<string>
}

export type Judgement =
  | { state: 'pass'; detail: string }
  | { state: 'fail'; detail: string }
  | { state: 'by-design'; detail: string }
  | { state: 'not-instrumented'; detail: string }
  | { state: 'inconclusive'; detail: string }

export interface Predicate {
  id: string
  title: string
  severity: 'HIGH' | 'MED'
  judge(observed: Observed): Judgement
}

const pass = (detail: string): Judgement => ({ state: 'pass', detail })
const fail = (detail: string): Judgement => ({ state: 'fail', detail })
const byDesign = (detail: string): Judgement => ({ state: 'by-design', detail })
const notInstrumented = (detail: string): Judgement => ({ state: 'not-instrumented', detail })
const inconclusive = (detail: string): Judgement => ({ state: 'inconclusive', detail })

/** Consecutive health time-outs that count as a hang, while our own loop kept up. */
export const HANG_AFTER = 4
/** Our own stall, in ms, above which a sample says nothing about the server. */
export const OWN_STALL = 1000

/** Longest run of consecutive samples for which the test holds. */
function longestRun(samples: readonly Sample[], test: (sample: Sample) => boolean): number {
  let longest = 0
  let run = 0
  for (const sample of samples) {
    run = test(sample) ? run + 1 : 0
    longest = Math.max(longest, run)
  }
  return longest
}

function hung(sample: Sample): boolean {
  return sample.health_error === 'timeout' && sample.harness_stall_ms < OWN_STALL
}

function series(samples: readonly Sample[], key: keyof Sample): Point[] {
  const points: Point[] = []
  for (const sample of samples) {
    const value = sample[key]
    if (sample.phase === 'load' && typeof value === 'number') points.push({ t: sample.t, value })
  }
  return points
}

/** Share of the load's beginning that is warm-up for every slope. */
const WARM_UP = 0.3

function slopePredicate(
  id: string,
  title: string,
  key: keyof Sample,
  source: string,
  budget: SlopeBudget
): Predicate {
  return {
    id,
    title,
    severity: 'HIGH',
    judge({ samples, missing }) {
      const all = series(samples, key)
      if (all.length === 0) {
        return notInstrumented(source === 'vars' ? missing : 'the process table of the server cannot be read')
      }
      const verdict = judgeSlope(all.slice(Math.floor(all.length * WARM_UP)), budget)
      if (verdict.verdict === 'too short') return byDesign(verdict.detail)
      return verdict.verdict === 'growing' ? fail(verdict.detail) : pass(verdict.detail)
    }
  }
}

const MIB = 1 << 20

function zeroPredicate(id: string, counters: readonly string[]): Predicate {
  return {
    id,
    title: counters.map((counter) => MUST_STAY_ZERO[counter]![1]).join('; '),
    severity: 'HIGH',
    judge({ last, missing }) {
      if (last === undefined) return notInstrumented(missing)
      const seen = counters.flatMap((counter) => {
        const value = lookUp(last, [counter])
        return value === undefined ? [] : [{ counter, value }]
      })
      if (seen.length === 0) return notInstrumented(`the server publishes no ${counters.join(', ')}`)
      const bad = seen.filter(({ value }) => value > 0)
      const detail = seen.map(({ counter, value }) => `${counter} ${value}`).join(', ')
      return bad.length > 0 ? fail(detail) : pass(detail)
    }
  }
}

/** Predicates that the slices judge while they run; the loop only says how they ended. */
function walkerPredicate(id: string, title: string, slice: string, counter: string): Predicate {
  return {
    id,
    title,
    severity: 'HIGH',
    judge({ slices, reported, walkers }) {
      if (!slices.has(slice)) return byDesign(`the slice ${slice} was not asked for`)
      if (reported.has(id)) return fail('see the finding')
      const answers = walkers(counter)
      return answers > 0 ? pass(`${answers} looked at`) : inconclusive(`${counter} is 0`)
    }
  }
}

export const PREDICATES: readonly Predicate[] = [
  {
    id: 'I-LIVENESS',
    title: 'the process lives',
    severity: 'HIGH',
    judge({ samples, reported }) {
      if (reported.has('I-LIVENESS')) return fail('see the finding')
      return samples.length > 0
        ? pass(`alive in ${samples.length} samples`)
        : inconclusive('no sample was taken')
    }
  },
  {
    id: 'I-HANG',
    title: 'a fresh connection is answered at all times',
    severity: 'HIGH',
    judge({ samples }) {
      const asked = samples.filter((sample) => sample.health_ms !== undefined)
      if (asked.length === 0) return inconclusive('no health request was made')
      const run = longestRun(asked, hung)
      const answered = asked.filter((sample) => sample.health_error === undefined).length
      if (run >= HANG_AFTER) return fail(`${run} health requests in a row timed out`)
      return answered > 0
        ? pass(`${answered} of ${asked.length} answered`)
        : inconclusive('none was answered')
    }
  },
  {
    id: 'I-HEALTH',
    title: 'the health route answers 200 under load',
    severity: 'HIGH',
    judge({ samples }) {
      const answered = samples.filter((sample) => sample.health_status !== undefined)
      const bad = answered.filter((sample) => sample.health_status !== 200)
      if (answered.length === 0) return inconclusive('no health request was answered')
      // One bad answer may be a restart of something behind the server; two in a row are a state.
      const run = longestRun(answered, (sample) => sample.health_status !== 200)
      const detail = `${answered.length - bad.length} of ${answered.length} were 200`
      return run >= 2 ? fail(`${detail}, worst ${bad[0]!.health_status}`) : pass(detail)
    }
  },
  {
    id: 'I-CONN-2',
    title: 'connections accepted = closed + active',
    severity: 'HIGH',
    judge({ samples, missing, last }) {
      const drift = samples.flatMap(({ accepted_conn_total: a, closed_conn_total: c, active_conns: n }) =>
        a === undefined || c === undefined || n === undefined ? [] : [a - c - n]
      )
      if (drift.length === 0) {
        return notInstrumented(
          last === undefined ? missing : 'accepted, closed and active are not all published'
        )
      }
      // Counters that never move tell nothing.
      if (samples.every((sample) => (sample.accepted_conn_total ?? 0) === 0)) {
        return notInstrumented('the published accept counter never moved')
      }
      const tail = drift.slice(-30)
      if (tail.length < 30) return byDesign(`${tail.length} samples, 30 needed`)
      const same = tail.every((value) => value > 0) || tail.every((value) => value < 0)
      return same ? fail(`drift ${tail[0]} to ${tail.at(-1)} over 30 samples`) : pass(`drift returns to 0`)
    }
  },
  slopePredicate('I-MEM-1', 'the heap does not grow', 'heap_inuse_bytes', 'vars', {
    perSecond: 16 * 1024,
    floor: 16 * MIB,
    floorShare: 0.25,
    minSpan: 90
  }),
  slopePredicate('I-MEM-3', 'goroutines or handles do not grow', 'goroutine_count', 'vars', {
    perSecond: 0.2,
    floor: 40,
    floorShare: 0.25,
    minSpan: 90
  }),
  slopePredicate('I-MEM-4', 'resident memory does not grow', 'rss_bytes', 'proc', {
    perSecond: 64 * 1024,
    floor: 32 * MIB,
    floorShare: 0.25,
    minSpan: 90
  }),
  slopePredicate('I-FD-2', 'open descriptors do not grow under a steady load', 'fd_count', 'proc', {
    perSecond: 0.2,
    floor: 40,
    floorShare: 0.25,
    minSpan: 90
  }),
  {
    id: 'I-PANIC',
    title: 'no panic but the designed ones',
    severity: 'HIGH',
    judge({ samples, walkers, last, missing }) {
      const counted = samples.filter((sample) => sample.panic_count !== undefined)
      if (counted.length === 0)
        return notInstrumented(last === undefined ? missing : 'no panic counter is published')
      const designed = walkers('requests_panic_expected')
      const before = counted[0]!.panic_count!
      const tail = counted.slice(-3)
      const extra = tail.map((sample) => sample.panic_count! - before - designed)
      return tail.length >= 3 && extra.every((count) => count > 0)
        ? fail(`${extra.at(-1)} panics beside ${designed} designed ones`)
        : pass(`${counted.at(-1)!.panic_count! - before} panics, ${designed} designed`)
    }
  },
  walkerPredicate('I-RFC-1', 'answers are framed as they say', 'markov', 'requests_sent'),
  walkerPredicate('I-RFC-2', 'no CR, LF or NUL in a field of an answer', 'markov', 'requests_sent'),
  walkerPredicate('I-LOST-WRITE', 'what was written is read', 'markov', 'requests_2xx'),
  walkerPredicate('I-CROSS-TALK', "nobody gets another client's answer", 'markov', 'requests_2xx'),
  {
    id: 'I-RELOGIN',
    title: 'sessions are honoured',
    severity: 'HIGH',
    judge({ walkers, slices }) {
      const [logins, relogins, logouts] = ['walker_logins', 'walker_relogins', 'walker_logouts'].map(walkers)
      if (!slices.has('markov')) return byDesign('the slice markov was not asked for')
      if (logins === 0) return byDesign('the model has no session')
      const allowed = logouts! + 10 * logins!
      const detail = `${relogins} logins again, ${allowed} allowed (${logins} logins, ${logouts} logouts)`
      return relogins! > allowed ? fail(detail) : pass(detail)
    }
  },
  {
    id: 'I-REQUESTS',
    title: 'the server counts the requests that it answers',
    severity: 'HIGH',
    judge({ samples, walkers, last, missing }) {
      const counted = samples.filter((sample) => sample.requests_total !== undefined)
      if (counted.length === 0)
        return notInstrumented(last === undefined ? missing : 'no request counter is published')
      const grown = counted.at(-1)!.requests_total! - counted[0]!.requests_total!
      const sent = walkers('requests_sent')
      if (sent < 1000) return byDesign(`${sent} requests, 1000 needed`)
      const detail = `${grown} counted, ${sent} sent by walkers`
      return grown * 10 < sent ? fail(detail) : pass(detail)
    }
  },
  {
    id: 'I-ENG-ADAPTIVE',
    title: 'the engine does not flap',
    severity: 'HIGH',
    judge({ samples }) {
      const counted = samples.filter((sample) => sample.adaptive_switches !== undefined)
      if (counted.length === 0) return notInstrumented('no switch counter is published')
      const worst = counted.reduce((most, sample) => {
        const before = counted.find((other) => other.t >= sample.t - 3600)!
        return Math.max(most, sample.adaptive_switches! - before.adaptive_switches!)
      }, 0)
      return worst > 600 ? fail(`${worst} switches within an hour`) : pass(`${worst} switches`)
    }
  },
  ...Object.entries(
    Object.entries(MUST_STAY_ZERO).reduce<Record<string, string[]>>((byId, [counter, [id]]) => {
      ;(byId[id] ??= []).push(counter)
      return byId
    }, {})
  ).map(([id, counters]) => zeroPredicate(id, counters))
]
