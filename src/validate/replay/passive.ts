/** Asks once more what was asked, and shows the answers to the rule that an answer broke. */
import type { Replay } from '../../documents/replay.ts'
import { ConnectFailed, WriteFailed } from '../../wire/tcp.ts'
import { claimOf } from '../../wire/request.ts'
import type { Transcript } from '../../wire/transcript.ts'
import { CoverageBook } from '../collector.ts'
import type { FindingDraft } from '../contracts.ts'
import { readAnswers, type Answers } from '../oracles/answers.ts'
import { limitsFor, type Limits } from '../oracles/deadline.ts'
import { Dialer } from '../oracles/dialer.ts'
import { showExchange } from '../oracles/passive/show.ts'
import { Watcher } from '../oracles/passive/watch.ts'
import type { Server } from './server.ts'
import { bytesReceived, bytesSent, readdressed } from './steps.ts'
import type { Player, Try } from './tries.ts'

/** Answers that a try looks at: what is told only after a few must be seen so often. */
const ASKED = 6
/** An open connection that must not be closed is watched for so long, ms. */
const WATCHED_MS = 300

export class PassivePlayer implements Player {
  readonly #server: Server
  readonly #replay: Replay
  readonly #dialer: Dialer
  readonly #limits: Limits
  readonly #sent: Buffer

  constructor(server: Server, replay: Replay, signal: AbortSignal) {
    this.#server = server
    this.#replay = replay
    const { host, port, authority } = server.target
    this.#dialer = new Dialer({ host, port, signal })
    this.#limits = limitsFor(server.capabilities.baselineMs)
    const steps = readdressed(replay, 'case', authority)
    this.#sent = bytesSent({ steps, received_b64: [], ended: [] })
  }

  async once(): Promise<Try> {
    const begun = performance.now()
    const findings: FindingDraft[] = []
    const rule = this.#replay.case
    const watcher = new Watcher({
      report: (draft) => void findings.push(draft),
      wants: (id) => id === rule
    })
    const wire: Transcript[] = []
    let status: number | undefined
    let lost = ''
    for (let i = 0; i < ASKED; i++) {
      const { answers, transcript, failed } = await this.#ask(watcher)
      if (transcript !== undefined) wire.push(transcript)
      status ??= answers?.responses[0]?.status
      lost = failed ?? lost
    }
    const ledger = new CoverageBook()
    watcher.finish(ledger)
    const ms = performance.now() - begun
    const shown = wire.slice(0, 1)
    const [finding] = findings
    if (finding !== undefined)
      return {
        outcome: 'reproduced',
        text: finding.title,
        severity: finding.severity,
        ms,
        proof: true,
        wire: shown
      }
    const said = (outcome: Try['outcome'], text: string): Try => ({ outcome, text, ms, wire: shown })
    if (status === undefined) return said('inconclusive', lost === '' ? 'nothing was answered' : lost)
    const before = this.#statusBefore()
    // What was asked may stand on state that is no longer there: another answer tells nothing of the rule.
    if (before !== undefined && before !== status)
      return said('inconclusive', `answered ${status} and not ${before} as when it was found`)
    if (ledger.summary('').whole.exercised === 0)
      return said('inconclusive', 'one request alone cannot show it')
    return said('right', `the rule is kept in ${ASKED} answers`)
  }

  #statusBefore(): number | undefined {
    const match = /^HTTP\/1\.[01] (\d{3})/.exec(
      bytesReceived(this.#replay.exchange).toString('latin1', 0, 20)
    )
    return match === null ? undefined : Number(match[1])
  }

  async #ask(watcher: Watcher): Promise<{ answers?: Answers; transcript?: Transcript; failed?: string }> {
    const { answerMs, closeMs } = this.#limits
    const sent = this.#sent
    try {
      const connection = await this.#dialer.connect(answerMs)
      const { transcript } = connection
      try {
        await connection.write(sent)
        const method = /^[A-Z]+/.exec(sent.toString('latin1', 0, 16))?.[0] ?? 'GET'
        const read = (): Answers => readAnswers(connection.received, method, connection.state !== 'open')
        await connection.waitFor(() => {
          const { responses, error } = read()
          return responses.length > 0 || error !== undefined ? true : undefined
        }, answerMs)
        const answers = read()
        const [first] = answers.responses
        if (first !== undefined) {
          const end = await connection.waitClose(first.keepAlive ? WATCHED_MS : closeMs)
          const unasked = first.keepAlive ? 'closed unannounced' : 'closed'
          watcher.left(first, sent, end === 'open' ? 'open' : unasked)
        }
        const received = Buffer.from(connection.received)
        const extent = claimOf(sent) === 'valid' ? 'whole' : 'malformed'
        showExchange(watcher, { ...read(), transcript, received }, extent)
        return { answers, transcript }
      } finally {
        this.#dialer.release(connection)
      }
    } catch (error) {
      if (error instanceof ConnectFailed) return { failed: `connect failed: ${error.code}` }
      if (error instanceof WriteFailed) return { failed: error.message }
      throw error
    }
  }

  close(): void {
    this.#dialer.dispose()
  }
}
