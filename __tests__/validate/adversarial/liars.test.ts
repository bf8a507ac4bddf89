/** Servers that would please a careless judge, through the command line: none gets a pass, and the reason says what it is. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { startFixture } from '../../fixture/server.ts'

interface Told {
  code: number | null
  /** What a person sees. */
  screen: string
  status: string
  reason: string
  findings: { severity: string; case?: string }[]
  /** `slice: exercised/planned` */
  exercised: Record<string, number>
}

async function validate(bug: string, slices: string): Promise<Told> {
  const fixture = await startFixture([bug])
  const out = await mkdtemp(join(tmpdir(), 'probatorium-liar-'))
  try {
    const url = `http://${fixture.host}:${fixture.port}`
    const words = ['validate', '--url', url, '--slices', slices, '--duration', '2s', '--out', out]
    const child = spawn(process.execPath, ['src/cli/main.ts', ...words], {
      stdio: ['ignore', 'pipe', 'pipe']
    })
    let screen = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece: Buffer) => (screen += piece.toString()))
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    const text = await readFile(join(out, 'validate-results.json'), 'utf8').catch(() => {
      throw new Error(`no document: ${screen}`)
    })
    const [cell] = (JSON.parse(text) as { validation_results: { cells: Record<string, unknown>[] } })
      .validation_results.cells
    const { slices: books } = cell!['coverage'] as { slices: Record<string, { exercised: number }> }
    return {
      code,
      screen,
      status: String(cell!['status']),
      reason: JSON.stringify([cell!['failure_reason'], books]),
      findings: cell!['findings'] as Told['findings'],
      exercised: Object.fromEntries(Object.entries(books).map(([name, book]) => [name, book.exercised]))
    }
  } finally {
    await fixture.close()
    await rm(out, { recursive: true, force: true })
  }
}

const nobody: [bug: string, reason: string][] = [
  ['h1-400-to-all', 'answers every request with 400 and closes: nothing can be judged'],
  ['h1-404-to-all', 'no plain GET is served with 2xx (not declared and not found (GET /: 404;'],
  ['h1-closes-at-once', 'ends every connection without an answer'],
  ['h1-never-answers', 'takes every request and never answers'],
  ['h1-speaks-first', 'before it is asked']
]
test.concurrent.each(nobody)(
  '%s: nothing is exercised, exit code 1, and it is named',
  async (bug, reason) => {
    const told = await validate(bug, 'adversarial,ws,sse')
    expect(told.code).toBe(1)
    expect(['vacuous', 'fail']).toContain(told.status)
    expect(told.exercised).toEqual({ adversarial: 0, ws: 0, sse: 0 })
    expect(told.reason).toContain(reason)
    expect(told.screen).toMatch(/FAIL/)
  },
  60_000
)

test.concurrent.each([
  ['h1-200-to-all', 'answers everything with 200, also bytes that are no request'],
  ['h1-answers-segments', 'before it has read the request']
])(
  '%s: no message that must be refused counts as refused',
  async (bug, reason) => {
    const told = await validate(bug, 'adversarial')
    expect(told.code).toBe(1)
    expect(told.status).not.toBe('pass')
    expect(told.exercised['adversarial']).toBeLessThan(10)
    expect(told.reason).toContain(reason)
  },
  60_000
)

test.concurrent.each([
  ['ws-hangs-up', 'ws', 'a plain ping got no pong (eof)'],
  ['sse-empty', 'sse', 'the stream ends without an event'],
  ['sse-wrong-type', 'sse', 'nothing was exercised: no SSE route']
])(
  '%s, slices %s: vacuous',
  async (bug, slices, reason) => {
    const told = await validate(bug, slices)
    expect(told.code).toBe(1)
    expect(['vacuous', 'fail']).toContain(told.status)
    expect(told.reason).toContain(reason)
  },
  60_000
)
