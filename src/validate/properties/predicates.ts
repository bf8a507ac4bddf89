/** Predicates over what was seen of one cell, as data with a judge each. Each ends judged, by design, or not instrumented. */
import { GROWTH } from './growth.ts'
import { HANG_AFTER, hung, longestRun, stalls, walkersStill } from './health.ts'
import { byDesign, fail, inconclusive, notInstrumented, pass, type Predicate } from './judgement.ts'
import { lookUp, MUST_STAY_ZERO } from './sample.ts'

/** Its zero counts only where something was read back at all, which a predicate of its own asks. */
const READ_MISSES = 'drv_read_misses'
/** Of the requests that were answered; the first sample may come when some already were. */
const COUNTED_AT_LEAST = 0.95

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
function slicePredicate(id: string, title: string, slice: string, counter: string): Predicate {
  return {
    id,
    title,
    severity: 'HIGH',
    judge({ slices, reported, tally }) {
      if (reported.has(id)) return fail('see the finding')
      if (!slices.has(slice)) return byDesign(`the slice ${slice} was not asked for`)
      const seen = tally(slice, counter)
      return seen > 0 ? pass(`${counter} ${seen}`) : byDesign(`${counter} is 0: the slice says why`)
    }
  }
}

/** What a build with a checker prints when it has caught something. */
function printedPredicate(id: string, title: string, sign: RegExp, build: string): Predicate {
  return {
    id,
    title,
    severity: 'HIGH',
    judge({ output, last }) {
      const line = output.find((text) => sign.test(text))
      if (line !== undefined) return fail(line.slice(0, 200))
      return last?.predicates.includes(id) === true
        ? pass('nothing of it was printed')
        : notInstrumented(`the server does not say that it is ${build}`)
    }
  }
}

export const PREDICATES: readonly Predicate[] = [
  {
    id: 'I-LIVENESS',
    title: 'the process lives and listens',
    severity: 'HIGH',
    judge({ samples, health, reported, process }) {
      if (reported.has('I-LIVENESS')) return fail('see the finding')
      if (process && samples.length > 0) return pass(`alive in ${samples.length} samples`)
      const met = health.filter(({ error }) => error !== 'refused').length
      if (met === 0) return inconclusive('no connection was ever taken')
      return pass(`no process id is known; ${met} of ${health.length} connections were not refused`)
    }
  },
  {
    id: 'I-HANG',
    title: 'a fresh connection is answered at all times',
    severity: 'HIGH',
    judge({ health }) {
      if (health.length === 0) return inconclusive('no health request was made')
      const run = longestRun(health, hung)
      const answered = health.filter(({ error }) => error === undefined).length
      if (run >= HANG_AFTER) return fail(`${run} health requests in a row timed out`)
      return answered > 0
        ? pass(`${answered} of ${health.length} answered`)
        : inconclusive('none was answered')
    }
  },
  {
    id: 'I-HEALTH',
    title: 'the health route answers 200 under load, and soon',
    severity: 'HIGH',
    judge({ health, healthDeclared, reported }) {
      const answered = health.filter(({ status }) => status !== undefined)
      const bad = answered.filter(({ status }) => status !== 200)
      if (answered.length === 0) return inconclusive('no health request was answered')
      const idle = health.filter(({ phase }) => phase === 'idle')
      if (
        !healthDeclared &&
        idle.length > 0 &&
        idle.every(({ status }) => status !== undefined && status !== 200)
      )
        return notInstrumented(`no route answers 200: it was ${idle[0]!.status} before the load`)
      // One bad answer may be a restart of something behind the server; two in a row are a state.
      const detail = `${answered.length - bad.length} of ${answered.length} were 200`
      if (longestRun(answered, ({ status }) => status !== 200) >= 2)
        return fail(`${detail}, worst ${bad[0]!.status}`)
      const slow = stalls(health)
      if (slow.length === 0 || reported.has('I-HANG') || reported.has('I-LIVENESS')) return pass(detail)
      const worst = slow.reduce((a, b) => (b.ms > a.ms ? b : a))
      const { still, usual } = walkersStill(worst, health)
      const walkers = `walkers got ${worst.walked} answers meanwhile, ${usual} are usual`
      const told = `${detail}; ${worst.error === 'timeout' ? 'no answer within' : 'an answer took'} ${(worst.ms / 1000).toFixed(1)} s at ${worst.t.toFixed(0)} s, ${walkers}, our own loop lagged by ${worst.stall} ms at most`
      // Without walkers only the cases know whether others waited, and for which crowd of theirs.
      if (usual === 0 && slow.every(({ error }) => error === undefined)) return pass(told)
      // A lone probe that waited while the walkers went on may be a lost SYN.
      return fail(told, slow.length > 1 || still ? 'HIGH' : 'MED')
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
  ...GROWTH,
  {
    id: 'I-PANIC',
    title: 'no panic but the designed ones',
    severity: 'HIGH',
    judge({ samples, tally, first, last, missing }) {
      const counted = samples.filter((sample) => sample.panic_count !== undefined)
      if (first === undefined || last === undefined || counted.length === 0)
        return notInstrumented(last === undefined ? missing : 'no panic counter is published')
      // A designed panic whose answer was cut at the deadline is known to the server alone.
      const told = (lookUp(last, ['designed_panics']) ?? 0) - (lookUp(first, ['designed_panics']) ?? 0)
      const designed = Math.max(tally('markov', 'requests_panic_expected'), told)
      const before = counted[0]!.panic_count!
      const seen = counted.at(-1)!.panic_count! - before
      const resting = counted.at(-1)!.phase === 'quiet'
      const tail = counted.slice(-3).map((sample) => sample.panic_count! - before - designed)
      if (seen <= designed) return pass(`${seen} panics, ${designed} designed`)
      // Under load a panic may be counted before the answer that tells of it has come.
      return resting || (tail.length === 3 && tail.every((count) => count > 0))
        ? fail(`${seen - designed} panics beside ${designed} designed ones`)
        : inconclusive(`${seen} panics, ${designed} designed, and no sample at rest`)
    }
  },
  printedPredicate(
    'I-RACE',
    'no data race was caught',
    /WARNING: DATA RACE/,
    'a build with the race detector'
  ),
  printedPredicate('I-CHECKPTR', 'no bad pointer was caught', /\bcheckptr: /, 'a build with pointer checks'),
  slicePredicate('I-RFC-1', 'answers are framed as they say', 'markov', 'requests_sent'),
  slicePredicate('I-RFC-2', 'no CR, LF or NUL in a field of an answer', 'markov', 'requests_sent'),
  slicePredicate('I-LOST-WRITE', 'what was written is read', 'markov', 'requests_2xx'),
  slicePredicate('I-CROSS-TALK', "nobody gets another client's answer", 'markov', 'requests_2xx'),
  slicePredicate('I-ADV-ACCEPTED', 'no malformed request is accepted', 'adversarial', 'adv_sent'),
  slicePredicate('I-H2C-CRASHED', 'HTTP/2 in clear is spoken, or declined', 'h2c', 'h2c_sent'),
  slicePredicate('I-H2C-HANG', 'every upgrade is answered', 'h2c', 'h2c_sent'),
  slicePredicate('I-WS-ACCEPTED', 'no malformed frame is accepted', 'ws', 'ws_sent'),
  slicePredicate('I-WS-HANG', 'a broken WebSocket connection is closed', 'ws', 'ws_sent'),
  slicePredicate('I-WS-HANDSHAKE', 'WebSocket handshakes are done right', 'ws', 'ws_sent'),
  slicePredicate('I-WS-ECHO', 'large messages come back whole and in order', 'ws', 'ws_echo_sent'),
  {
    id: 'I-CONN-1',
    title: 'no open connection is idle for more than 30 s',
    severity: 'HIGH',
    judge({ samples, last, missing }) {
      const ages = samples.flatMap((sample) => sample.oldest_idle_seconds ?? [])
      if (ages.length === 0) {
        return notInstrumented(last === undefined ? missing : 'the age of connections is not published')
      }
      const worst = Math.max(...ages)
      return worst > 30 ? fail(`${worst} s without a byte`) : pass(`${worst} s at most`)
    }
  },
  {
    id: 'I-RELOGIN',
    title: 'sessions are honoured',
    severity: 'HIGH',
    judge({ tally, slices }) {
      const [logins, relogins, logouts] = ['walker_logins', 'walker_relogins', 'walker_logouts'].map((name) =>
        tally('markov', name)
      )
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
    severity: 'MED',
    judge({ samples, tally, last, missing }) {
      const counted = samples.filter((sample) => sample.requests_total !== undefined)
      if (counted.length === 0)
        return notInstrumented(last === undefined ? missing : 'no request counter is published')
      const grown = counted.at(-1)!.requests_total! - counted[0]!.requests_total!
      // Whatever else a server counts or leaves out, what it did and said so is among it.
      const done = tally('markov', 'requests_2xx')
      if (done < 1000) return byDesign(`${done} requests answered 2xx, 1000 needed`)
      const detail = `${grown} counted, ${done} of walkers answered 2xx`
      if (grown >= done * COUNTED_AT_LEAST) return pass(detail)
      return counted.at(-1)!.phase === 'quiet'
        ? fail(detail)
        : inconclusive(`${detail}, and no sample at rest`)
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
  {
    id: 'I-DRV',
    title: MUST_STAY_ZERO[READ_MISSES]![1],
    severity: 'HIGH',
    judge({ last, missing, slices }) {
      if (last === undefined) return notInstrumented(missing)
      const [reads, hits, misses] = ['drv_reads', 'drv_read_hits', READ_MISSES].map((name) =>
        lookUp(last, [name])
      )
      if (misses === undefined) return notInstrumented(`the server publishes no ${READ_MISSES}`)
      const detail = `${reads ?? 'unknown'} read back, ${hits ?? 'unknown'} found, ${misses} missed`
      if (misses > 0) return fail(detail)
      if (reads === undefined || hits === undefined)
        return notInstrumented('the server publishes no drv_reads and drv_read_hits beside its misses')
      if (hits > reads) return fail(`${detail}: more found than read`)
      if (hits > 0) return pass(detail)
      return slices.has('markov') ? inconclusive(detail) : byDesign('the slice markov was not asked for')
    }
  },
  ...Object.entries(
    Object.entries(MUST_STAY_ZERO).reduce<Record<string, string[]>>((byId, [counter, [id]]) => {
      if (counter !== READ_MISSES) (byId[id] ??= []).push(counter)
      return byId
    }, {})
  ).map(([id, counters]) => zeroPredicate(id, counters))
]
