/** `probatorium replay FILE` and `probatorium shrink FILE`. */
import { formatReplay, type Replay } from '../documents/replay.ts'
import { UserError, type Outcome } from '../kit/errors.ts'
import { writeFileAtomic } from '../kit/files.ts'
import type { Log } from '../kit/log.ts'
import { redact } from '../kit/secrets.ts'
import type { InputsOf } from '../kit/spec.ts'
import {
  choiceFor,
  readReplay,
  replayFinding,
  scriptOf,
  Server,
  type Judged,
  type ServerChoice,
  type Try
} from '../validate/replay/index.ts'
import type { replayOptions, shrinkOptions } from '../validate/replay/options.ts'
import { refuseProgram, shrinkFinding } from '../validate/replay/shrink/index.ts'
import { bytesSent } from '../validate/replay/steps.ts'
import { readable, type Transcript } from '../wire/transcript.ts'

type ReplayInputs = InputsOf<typeof replayOptions>
type ServerInputs = Omit<ReplayInputs, 'tries' | 'script'>

/** Characters of a message that one line shows. */
const SHOWN = 240

const OUTCOME: Record<Judged['verdict'], Outcome> = {
  reproduced: 'findings',
  other: 'findings',
  'not reproduced': 'pass',
  'not judged': 'infrastructure',
  inapplicable: 'usage'
}

/** `--script` alone means python; what follows it may be the file. */
export function withLanguage(argv: readonly string[]): string[] {
  return argv.map((word, i) => {
    const next = argv[i + 1] ?? ''
    // A plain word is a language, known or not.
    return word === '--script' && !/^[a-z]\w*$/i.test(next) ? '--script=python' : word
  })
}

export function serverChoice(inputs: ServerInputs): ServerChoice {
  const { url, pid, route, refapp, engine, celeris, config, postgres, redis, memcached } = inputs
  return {
    ...(url === undefined ? {} : { url }),
    ...(pid === undefined ? {} : { pid }),
    ...(route === undefined ? {} : { routes: route }),
    ...(refapp === undefined ? {} : { refapp }),
    ...(engine === undefined ? {} : { engine }),
    ...(celeris === undefined ? {} : { celeris }),
    ...(config === undefined ? {} : { config }),
    backends: {
      ...(postgres === undefined ? {} : { postgres }),
      ...(redis === undefined ? {} : { redis }),
      ...(memcached === undefined ? {} : { memcached })
    }
  }
}

/** `probatorium replay FILE` */
export async function runReplay(
  inputs: ReplayInputs,
  file: string,
  log: Log,
  signal: AbortSignal
): Promise<Outcome> {
  const replay = await readReplay(file)
  if (inputs.script !== undefined) {
    const text = scriptOf(replay, inputs.script, inputs.url)
    if (log.json) log.document({ file, language: inputs.script, script: text })
    // As it is: a log would make its bytes harmless.
    else process.stdout.write(text)
    return 'pass'
  }
  const choice = choiceFor(replay, serverChoice(inputs))
  for (const line of headOf(replay)) log.info(line)
  const server = await Server.open(choice, replay.seed, log, signal)
  try {
    log.info(`against ${server.name}, ${inputs.tries} tries`)
    const { judged, tries } = await replayFinding(server, replay, {
      tries: inputs.tries,
      signal,
      onTry: (one, i) => {
        for (const line of tryText(one, i, inputs.tries)) log.info(line)
      }
    })
    if (signal.aborted) return 'aborted'
    if (log.json) log.document(documentOf(file, replay, server, judged, tries))
    if (judged.verdict === 'inapplicable') throw inapplicable(replay, judged)
    const word = { reproduced: 'REPRODUCED', other: 'ANOTHER FINDING', 'not reproduced': 'NOT REPRODUCED' }
    const { style } = log
    const text = `${word[judged.verdict as keyof typeof word] ?? 'NOT JUDGED'}: ${judged.text}`
    log.result(judged.verdict === 'not reproduced' ? style.green(text) : style.red(text))
    return OUTCOME[judged.verdict]
  } finally {
    await server.close()
  }
}

function headOf(replay: Replay): string[] {
  const { severity, predicate, standard, repeats, right } = replay
  const parts = [severity, predicate, replay.case, standard].filter((part) => part !== undefined)
  return [
    parts.join('  '),
    `  ${replay.title}`,
    ...(right === undefined ? [] : [`  right: ${right}`]),
    `  found on ${replay.cell.refapp}/${replay.cell.engine}${repeats === undefined ? '' : `, ${repeats.k} of ${repeats.n}`}, by version ${replay.suite_version}`
  ]
}

/** A server on which the case has no ground: what is missing can often be named. */
function inapplicable(replay: Replay, { text }: Judged): UserError {
  const kind = { adversarial: 'echo', h2c: 'h2c', ws: 'ws', sse: 'sse' }[replay.slice] ?? 'get'
  return new UserError({
    where: replay.case,
    what: text,
    fix: `name the route: --route ${kind}=PATH (kinds: get, post, echo, upload, ws, sse, h2c), or another server`
  })
}

const WORD: Record<Try['outcome'], string> = {
  reproduced: 'reproduced',
  other: 'another finding',
  right: 'not reproduced',
  inapplicable: 'inapplicable',
  inconclusive: 'inconclusive'
}

function tryText(one: Try, index: number, of: number): string[] {
  const lines = [`  try ${index + 1} of ${of}: ${WORD[one.outcome]}, ${Math.round(one.ms)} ms: ${one.text}`]
  for (const [i, transcript] of (one.wire ?? []).slice(0, 2).entries()) {
    const name = (one.wire ?? []).length > 1 ? ` ${i}` : ''
    lines.push(
      `      sent${name}  ${shown(transcript, 'sent')}`,
      `      came${name}  ${shown(transcript, 'received')}`
    )
  }
  if ((one.wire ?? []).length > 2) lines.push(`      and ${one.wire!.length - 2} more connections`)
  return lines
}

function shown(transcript: Transcript, kind: 'sent' | 'received'): string {
  const bytes = kind === 'sent' ? transcript.sentBytes() : transcript.receivedBytes()
  if (bytes.length === 0) return 'nothing'
  if (bytes.length <= SHOWN) return `${bytes.length} B  ${readable(bytes)}`
  // Behind an opening handshake it is the end that tells.
  const [begin, end] = [bytes.subarray(0, SHOWN / 2), bytes.subarray(-SHOWN / 2)]
  return `${bytes.length} B  ${readable(begin)} ... ${readable(end)}`
}

function documentOf(
  file: string,
  replay: Replay,
  server: Server,
  judged: Judged,
  tries: readonly Try[]
): object {
  return {
    file,
    case: replay.case,
    predicate: replay.predicate,
    severity: replay.severity,
    server: server.name,
    reproduced: judged.verdict === 'reproduced',
    verdict: judged.verdict,
    k: judged.k,
    n: judged.n,
    text: judged.text,
    tries: tries.map(({ outcome, text, severity, ms, wire = [], twin = [] }) => ({
      outcome,
      text,
      ...(severity === undefined ? {} : { severity }),
      ms: Math.round(ms),
      sent_b64: wire.map((one) => one.sentBytes().toString('base64')),
      received_b64: wire.map((one) => one.receivedBytes().toString('base64')),
      twin_sent_b64: twin.map((one) => one.sentBytes().toString('base64')),
      twin_received_b64: twin.map((one) => one.receivedBytes().toString('base64'))
    }))
  }
}

/** `probatorium shrink FILE` */
export async function runShrink(
  inputs: InputsOf<typeof shrinkOptions>,
  file: string,
  log: Log,
  signal: AbortSignal
): Promise<Outcome> {
  const replay = await readReplay(file)
  refuseProgram(replay)
  const choice = choiceFor(replay, serverChoice(inputs))
  for (const line of headOf(replay)) log.info(line)
  const server = await Server.open(choice, replay.seed, log, signal)
  try {
    log.info(`against ${server.name}, at most ${inputs.tries} messages`)
    const result = await shrinkFinding(server, replay, {
      tries: inputs.tries,
      signal,
      onTry: (tried, bytes) => log.progress(`${tried} messages tried${bytes === 0 ? '' : `, ${bytes} bytes`}`)
    })
    log.progressDone()
    if (signal.aborted) return 'aborted'
    const { bytesBefore, bytesAfter, tries, claim } = result
    const out = file.replace(/(\.replay|\.min)?\.json$/, '') + '.min.json'
    await writeFileAtomic(out, redact(formatReplay(result.replay)))
    const [before, after] = [bytesSent(replay.exchange), bytesSent(result.replay.exchange)]
    log.info(`  before  ${readable(before.subarray(0, SHOWN))}`)
    log.info(`  after   ${readable(after.subarray(0, SHOWN))}`)
    log.result(`${bytesBefore} bytes became ${bytesAfter} in ${tries} tries; the message is still: ${claim}`)
    log.result(`written: ${out}`)
    if (log.json)
      log.document({
        file: out,
        case: replay.case,
        bytes_before: bytesBefore,
        bytes_after: bytesAfter,
        tries,
        claim
      })
    return 'pass'
  } finally {
    await server.close()
  }
}
