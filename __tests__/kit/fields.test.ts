import { expect, test } from '@jest/globals'
import { UserError } from '../../src/kit/errors.ts'
import { formatDuration, parseDuration } from '../../src/kit/duration.ts'
import { bool, duration, enumOf, int, list, pairs, seed, str, url, type Field } from '../../src/kit/spec.ts'
import { nearest } from '../../src/kit/suggest.ts'

const engines = ['iouring', 'epoll', 'std', 'adaptive'] as const

test.each<[string, Field<unknown>, string, unknown]>([
  ['text', str(), ' a b ', 'a b'],
  ['unset', str(), '  ', undefined],
  ['default', str().default('x'), '', 'x'],
  ['open list', list(), 'a, b,\nb,c', ['a', 'b', 'c']],
  ['closed list keeps its own order', list(engines), 'std,iouring', ['iouring', 'std']],
  ['all of a closed list', list(engines), 'all', [...engines]],
  ['true', bool(), 'TRUE', true],
  ['false', bool(), 'False', false],
  ['lowest', int({ min: 1, max: 256 }), '1', 1],
  ['highest', int({ min: 1, max: 256 }), '256', 256],
  ['enum', enumOf(['high', 'never']), 'never', 'never'],
  ['duration', duration(), '1h30m', 5_400_000],
  ['milliseconds', duration(), '250ms', 250],
  ['fraction', duration(), '1.5s', 1500],
  ['seed', seed(), '5BE9A0C1', '0x5be9a0c1'],
  ['url', url(), 'http://127.0.0.1:80/x', 'http://127.0.0.1:80/x'],
  ['pairs', pairs(['ws', 'get']), 'ws=/a=b\nget=/', { ws: '/a=b', get: '/' }]
])('%s', (_name, field, text, value) => {
  expect(field.parse(text, 'input x')).toEqual(value)
})

test.each<[string, Field<unknown>, string, RegExp]>([
  ['required', str().required(), '', /^input x: a value is required/],
  [
    'near name',
    list(engines),
    'std,iourng',
    /"iourng".*did you mean "iouring"\?[\s\S]*allowed: iouring, epoll, std/
  ],
  ['far name', list(engines), 'nginx', /"nginx" is not known\n/],
  ['only commas', list(), ',,', /names nothing/],
  ['yes', bool(), 'yes', /"yes" is not a boolean; did you mean "true"\?/],
  ['off', bool(), 'off', /did you mean "false"/],
  ['mixed case', bool(), 'tRue', /not a boolean/],
  ['too low', int({ min: 1, max: 256 }), '0', /"0" is out of range[\s\S]*1 to 256/],
  ['too high', int({ min: 1, max: 256 }), '257', /out of range/],
  ['not whole', int({ min: 1 }), '1.5', /"1\.5" is not a whole number/],
  ['not a number', int(), '1e3', /not a whole number/],
  ['beyond the safe integers', int(), '9007199254740993', /not a whole number/],
  [
    'enum',
    enumOf(['high', 'med', 'low', 'never']),
    'hihg',
    /did you mean "high"[\s\S]*allowed: high, med, low, never/
  ],
  ['no unit', duration(), '60', /a unit is missing: write "60s"/],
  ['words', duration(), '10 min', /write "10m"/],
  ['units out of order', duration(), '30m1h', /not a duration/],
  ['negative', duration(), '-5s', /not a duration/],
  ['too short', duration({ min: '2s' }), '1s', /too short[\s\S]*at least 2s/],
  ['too long', duration({ max: '1h' }), '61m', /too long[\s\S]*at most 1h/],
  ['seed', seed(), 'zz', /"zz" is not a seed/],
  ['no url', url(), 'not-a-url', /"not-a-url" is not a URL/],
  ['scheme', url({ schemes: ['http'] }), 'ftp://a/', /scheme "ftp"/],
  ['kind', pairs(['ws', 'sse']), 'wss=/x', /"wss" is not[\s\S]*did you mean "ws"/],
  ['no value', pairs(['ws']), 'ws=', /has no value/],
  ['twice', pairs(['ws']), 'ws=/a\nws=/b', /given twice/]
])('refused: %s', (_name, field, text, words) => {
  const read = (): unknown => field.parse(text, 'input x')
  expect(read).toThrow(UserError)
  expect(read).toThrow(words)
})

test('a wrong secret URL is not repeated in the message', () => {
  const field = url({ schemes: ['postgres'], secret: true })
  expect(() => field.parse('mysql://u:hunter22@h/', 'input postgres')).toThrow(/^(?!.*hunter22)/s)
})

test.each([
  [0, '0ms'],
  [999, '999ms'],
  [4900, '4.9s'],
  [59_960, '1m'],
  [90_000, '1m30s'],
  [7_200_000, '2h']
])('%d ms is %s, and reads back', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
  expect(Math.abs(parseDuration(text) - ms)).toBeLessThan(100)
})

test('a name is offered only where it may have been meant', () => {
  expect(nearest('duratoin', ['duration', 'out'])).toBe('duration')
  expect(nearest('conc', ['concurrency'])).toBe('concurrency')
  expect(nearest('EPOLL', engines)).toBe('epoll')
  expect(nearest('zzz', engines)).toBeUndefined()
  expect(nearest('', engines)).toBeUndefined()
})
