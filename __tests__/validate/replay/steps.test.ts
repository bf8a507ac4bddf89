/** What was done on the wire as steps, and as a script that somebody runs without the suite. */
import { afterEach, expect, test } from '@jest/globals'
import { spawnSync, spawn } from 'node:child_process'
import { createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { parseReplay, REPLAY_VERSION, type Replay } from '../../../src/documents/replay.ts'
import { exchangeOf, placesOf, readdressed } from '../../../src/validate/replay/steps.ts'
import { scriptOf, type Language } from '../../../src/validate/replay/script.ts'
import { recorded } from '../../../src/wire/recording.ts'
import { Connection } from '../../../src/wire/tcp.ts'
import type { Transcript } from '../../../src/wire/transcript.ts'

interface Seen {
  bytes: Buffer
  end: 'fin' | 'rst' | 'open'
}
let server: Server
let seen: Seen[] = []
afterEach(() => void server.close())

/** Answers each read with `ok`, and closes after `bye`. */
async function peer(): Promise<number> {
  seen = []
  server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    const one: Seen = { bytes: Buffer.alloc(0), end: 'open' }
    seen.push(one)
    socket.on('data', (chunk: Buffer) => {
      one.bytes = Buffer.concat([one.bytes, chunk])
      socket.write('ok')
      if (one.bytes.includes('bye')) socket.end()
    })
    socket.on('end', () => (one.end = 'fin'))
    socket.on('error', () => (one.end = 'rst'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function talk(port: number): Promise<Transcript[]> {
  const { wire } = await recorded(async () => {
    const options = { host: '127.0.0.1', port, timeoutMs: 2000 }
    const first = await Connection.connect(options)
    await first.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    await first.waitFor((got) => (got.length > 0 ? true : undefined), 2000)
    await pause(15)
    await first.write('and a')
    await pause(60)
    await first.write('half bye')
    first.end()
    const second = await Connection.connect(options)
    await second.write(Buffer.from([0, 255]))
    await first.waitClose(2000)
    await pause(10)
    second.reset()
    first.destroy()
  })
  return wire
}

const replayOf = (port: number, wire: readonly Transcript[]): Replay => {
  const exchange = exchangeOf(wire)!
  return {
    replay_version: REPLAY_VERSION,
    suite_version: '0.1.0',
    recorded_at: '',
    cell: { refapp: 'url', engine: 'x', arch: 'amd64' },
    slice: 'adversarial',
    case: 'some-case',
    predicate: 'I-ADV-ACCEPTED',
    severity: 'HIGH',
    title: 'a title\nof `two` lines',
    seed: '0x1',
    server: { url: `http://127.0.0.1:${port}`, authority: `127.0.0.1:${port}`, routes: {} },
    exchange,
    authority_at: placesOf(`127.0.0.1:${port}`, { case: exchange }),
    judge: { kind: 'slice' }
  }
}

test('barriers in place of sleeps, pauses where nothing was waited for, FIN and RST as they were', async () => {
  const port = await peer()
  const exchange = exchangeOf(await talk(port))!
  const told = exchange.steps.map((step) =>
    [step.conn, step.op, 'barrier' in step ? step.barrier : ''].join(' ').trim()
  )
  const first = told.filter((step) => step.startsWith('0'))
  // On a busy machine any two steps may lie apart.
  const moves = first.filter((step) => step !== '0 pause')
  expect(moves.slice(0, 4)).toEqual(['0 connect', '0 send', '0 read-until answer', '0 send'])
  expect(first.slice(-2)).toEqual(['0 fin', '0 read-until close'])
  // The RST is the last of the second connection: nothing is read behind it.
  expect(told.filter((step) => step.startsWith('1')).at(-1)).toBe('1 rst')
  expect(exchange.ended).toEqual(['fin', 'open'])
  expect(Buffer.from(exchange.received_b64[0]!, 'base64').toString()).toMatch(/^(ok)+$/)
})

test('a pause without an answer is kept', async () => {
  server = createServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const { wire } = await recorded(async () => {
    const one = await Connection.connect({ host: '127.0.0.1', port, timeoutMs: 2000 })
    await one.writeSegments([Buffer.from('a'), Buffer.from('b')], 40)
    one.destroy()
  })
  const steps = exchangeOf(wire)!.steps
  expect(steps.map(({ op }) => op)).toEqual(['connect', 'send', 'pause', 'send', 'read-until'])
  expect(steps.find((step) => step.op === 'pause')!.ms).toBeGreaterThanOrEqual(35)
})

test('another server: its authority stands in heads, and not where a length stands before it', async () => {
  const port = await peer()
  const { wire } = await recorded(async () => {
    const one = await Connection.connect({ host: '127.0.0.1', port, timeoutMs: 2000 })
    const inner = `Host: 127.0.0.1:${port}`
    await one.write(`POST http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n${inner}`)
    one.destroy()
  })
  const replay = replayOf(port, wire)
  expect(replay.authority_at).toHaveLength(3)
  const [, send] = readdressed(replay, 'case', 'other.example')
  expect(send!.op === 'send' && Buffer.from(send!.bytes_b64, 'base64').toString()).toBe(
    `POST http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\nHost: 127.0.0.1:${port}`
  )
})

function run(language: Language, text: string): Promise<string> {
  const [program, ...args] = language === 'python' ? ['python3', '-'] : ['bash', '-s']
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(text)
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (out += chunk))
  return new Promise((resolve) => child.on('close', () => resolve(out)))
}

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0
const pythonTest = has('python3') ? test : test.skip

pythonTest(
  'the python script sends the same bytes on the same connections, FIN and RST included',
  async () => {
    const port = await peer()
    const replay = replayOf(port, await talk(port))
    while (seen[1]?.end !== 'rst') await pause(5)
    const before = seen.map(({ bytes, end }) => ({ bytes: bytes.toString('latin1'), end }))
    seen.length = 0
    const script = scriptOf(replay, 'python')
    expect(script.split('\n').length).toBeLessThan(45)
    const out = await run('python', script)
    expect(seen.map(({ bytes, end }) => ({ bytes: bytes.toString('latin1'), end }))).toEqual(before)
    expect(before.map(({ end }) => end)).toEqual(['fin', 'rst'])
    expect(out).toMatch(/0 << b'(ok)+'/)
    expect(out).toMatch(/closed by the server with FIN/)
  },
  30_000
)

pythonTest(
  'a script for another server, long runs and single bytes written short',
  async () => {
    const port = await peer()
    const { wire } = await recorded(async () => {
      const one = await Connection.connect({ host: '127.0.0.1', port, timeoutMs: 2000 })
      await one.write(`GET /${'a'.repeat(5000)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
      await one.waitFor((got) => (got.length > 0 ? true : undefined), 2000)
      await one.writeSegments([...Buffer.from('b"\\\0\xff%bye', 'latin1')].map((byte) => Buffer.from([byte])))
      await one.waitClose(2000)
      one.destroy()
    })
    const replay = replayOf(port, wire)
    const sent = seen[0]!.bytes
    const script = scriptOf(replay, 'python', `http://localhost:${port}`)
    expect(script).toContain('b"a" * 5000')
    expect(script.length).toBeLessThan(4000)
    seen.length = 0
    await run('python', script)
    expect(seen[0]!.bytes.toString('latin1')).toBe(
      sent.toString('latin1').replace(`Host: 127.0.0.1:${port}`, `Host: localhost:${port}`)
    )
  },
  30_000
)

test('the bash script sends the same bytes, whatever they are; what nc cannot do is refused in words', async () => {
  const port = await peer()
  const text = `it's 100% \\ \`a\` $b\r\n\0\x01\xff\t-n ${'z'.repeat(300)}bye`
  const { wire } = await recorded(async () => {
    const one = await Connection.connect({ host: '127.0.0.1', port, timeoutMs: 2000 })
    await one.write(text)
    await one.waitClose(2000)
    one.destroy()
  })
  const out = await run('bash', scriptOf(replayOf(port, wire), 'bash'))
  expect(seen.at(-1)!.bytes.toString('latin1')).toBe(text)
  expect(seen).toHaveLength(2)
  expect(out).toMatch(/<<\nok/)
  expect(() => scriptOf(replayOf(port, [...wire, ...wire]), 'bash')).toThrow(/several connections/)
}, 30_000)

const text = (change: object): string =>
  JSON.stringify({ ...replayOf(1, []), exchange: undefined, ...change })

test.each<[string, string, RegExp]>([
  ['nothing', '', /is empty/],
  ['half a file', text({}).slice(0, 200), /not whole JSON/],
  ['a foreign version', text({ replay_version: '2.0' }), /2\.0; this suite reads 1\.x/],
  ['a result document', '{"schema_version":"5.16","validation_results":{}}', /it is a result document/],
  ['a finding', '{"predicate":"I-X","severity":"LOW"}', /it is the finding/],
  ['a wrong field', text({ severity: 'BAD' }), /severity/],
  [
    'no base64',
    text({ exchange: { steps: [{ conn: 0, op: 'send', bytes_b64: '§' }], received_b64: [], ended: [] } }),
    /bytes_b64/
  ]
])('no replay file: %s', (_, given, words) => expect(() => parseReplay(given)).toThrow(words))

test('a file of a later 1.x is read, with what is not known left alone', () => {
  expect(parseReplay(text({ replay_version: '1.9', more: 1 }))).toMatchObject({
    replay_version: '1.9',
    more: 1
  })
})
