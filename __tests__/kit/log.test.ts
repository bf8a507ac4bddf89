import { expect, test } from '@jest/globals'
import { createLog, type LogOptions } from '../../src/kit/log.ts'
import { maskSecret } from '../../src/kit/secrets.ts'

function streams(isTTY: boolean, columns = 40) {
  const text = { out: '', err: '' }
  return {
    text,
    stdout: { write: (part: string) => (text.out += part), isTTY, columns },
    stderr: { write: (part: string) => (text.err += part), isTTY, columns }
  }
}

function logOf(options: LogOptions & { tty?: boolean } = {}) {
  let now = 0
  const { text, stdout, stderr } = streams(options.tty ?? false)
  const log = createLog({ stdout, stderr, env: {}, now: () => now, ...options })
  return { log, text, wait: (ms: number) => (now += ms) }
}
const ESC = '\u001b'

test('piped: plain lines, warnings and errors apart, progress now and then', () => {
  const { log, text, wait } = logOf()
  log.info(log.style.red('red'))
  log.progress('1 %')
  for (let i = 2; i < 50; i++) {
    wait(100)
    log.progress(`${i} %`)
  }
  wait(10_000)
  log.progress('99 %')
  log.warn('careful', { file: 'a.yml', line: 3 })
  log.error('bad')
  log.close()
  expect(log.mode).toBe('piped')
  expect(text.out).toBe('red\n1 %\n99 %\n')
  expect(text.err).toBe('warning: a.yml:3: careful\nerror: bad\n')
})

test('terminal: colours, one progress line that is drawn again under every line', () => {
  const { log, text, wait } = logOf({ tty: true })
  log.info(`${log.style.bold(`a ${log.style.red('b')} c`)}`)
  expect(text.out).toBe(`${ESC}[1ma ${ESC}[31mb${ESC}[0m${ESC}[1m c${ESC}[0m\n`)
  wait(1000)
  text.out = ''
  log.progress(`working ${'x'.repeat(100)}`)
  log.info('line')
  log.progressDone()
  const shown = text.out.split(`\r${ESC}[2K`)
  expect(shown[1]).toMatch(/working x/)
  expect(shown[1]!.replaceAll(/\u001b\[\d+m/g, '').length).toBeLessThan(40)
  expect(shown.filter((part) => part === 'line\n')).toHaveLength(1)
  expect(shown.at(-1)).toBe('')
})

test.each([
  ['NO_COLOR', { NO_COLOR: '1' }, true, 'terminal'],
  ['a dumb terminal', { TERM: 'dumb' }, true, 'piped'],
  ['a workflow', { GITHUB_ACTIONS: 'true' }, true, 'workflow'],
  ['a pipe', {}, false, 'piped']
] as const)('no colours: %s', (_name, env, tty, mode) => {
  const { log, text } = logOf({ env, tty })
  log.info(log.style.green('ok'))
  expect(log.mode).toBe(mode)
  expect(text.out).toBe('ok\n')
})

test('json: stdout holds one document and nothing else', async () => {
  const { log, text } = logOf({ json: true })
  log.info('line')
  log.warn('careful')
  await log.group('phase', async () => {
    log.result('answer')
  })
  expect(log.documentWritten).toBe(false)
  log.document({ a: 1 })
  expect(JSON.parse(text.out)).toEqual({ a: 1 })
  expect(text.err).toBe('line\nwarning: careful\nphase\nanswer\n')
})

test('quiet: results, warnings and errors only', () => {
  const { log, text } = logOf({ quiet: true })
  log.info('line')
  log.progress('1 %')
  log.result('answer')
  log.error('bad')
  expect(text).toEqual({ out: 'answer\n', err: 'error: bad\n' })
})

test('a workflow: groups fold once, annotations hold their place, debug only on request', async () => {
  const { log, text, wait } = logOf({ env: { GITHUB_ACTIONS: 'true' } })
  log.debug('hidden')
  await log.group('outer', async () => {
    await log.group('inner', async () => {
      wait(2000)
      log.error('bad, 100 %\nreally', { file: 'a,b.yml', line: 3, title: 'x:y' })
    })
  })
  expect(text.out).toBe(
    '::group::outer\ninner\n::error title=x%3Ay,file=a%2Cb.yml,line=3::bad, 100 %25%0Areally\ntook 2s\n::endgroup::\n'
  )
  const debugging = logOf({ env: { RUNNER_DEBUG: '1' } })
  debugging.log.debug('shown')
  expect(debugging.text.err).toBe('debug: shown\n')
})

test('a group ends also where its work fails', async () => {
  const { log, text } = logOf({ env: { GITHUB_ACTIONS: 'true' } })
  const work = log.group('phase', () => Promise.reject(new Error('no')))
  await expect(work).rejects.toThrow('no')
  expect(text.out).toMatch(/::endgroup::\n$/)
})

test('at most ten annotations of a level: nine, and how many more', () => {
  const { log, text } = logOf({ env: { GITHUB_ACTIONS: 'true' } })
  for (let i = 1; i <= 14; i++) log.error(`finding ${i}`)
  log.warn('one')
  log.close('FAIL: 14 HIGH')
  const errors = text.out.split('\n').filter((line) => line.startsWith('::error'))
  expect(errors).toHaveLength(10)
  expect(errors[9]).toBe('::error::FAIL: 14 HIGH; and 5 more, see the log and the summary')
  expect(text.out).toContain('error: finding 14')
  expect(text.out.match(/^::warning/gm)).toHaveLength(1)
})

test('what a server sent moves no cursor, hides nothing and commands nobody', () => {
  const evil = `a${ESC}[2J\r::error::owned\u009b31m\u202e\ufdd2`
  const terminal = logOf({ tty: true })
  terminal.log.info(evil)
  expect(terminal.text.out).not.toContain(`${ESC}[2J`)
  expect(terminal.text.out).toMatch(/a\\x1b\[2J\\r::error::owned\\x9b31m\\u202e/)
  const workflow = logOf({ env: { GITHUB_ACTIONS: 'true' } })
  workflow.log.info('::error::owned\n  ::set-output name=x::y\n##[error]old')
  expect(workflow.text.out).not.toMatch(/^\s*::/m)
  expect(workflow.text.out).not.toContain('##[')
  workflow.text.out = ''
  workflow.log.warn('x\n::error::owned', { title: 'a\n::error::b' })
  expect(workflow.text.out.match(/\n/g)).toHaveLength(1)
})

test('secrets leave in no line and no document', () => {
  maskSecret('postgres://user:p%40ss-word@db/x', {})
  maskSecret('line-one\nline-two', {})
  const { log, text } = logOf()
  log.info('connect postgres://user:p%40ss-word@db/x with p@ss-word, line-two')
  log.document({ url: 'p%40ss-word' })
  expect(text.out).toBe('connect *** with ***, ***\n{\n  "url": "***"\n}\n')
})
