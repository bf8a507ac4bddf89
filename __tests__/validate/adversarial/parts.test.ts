import { expect, test } from '@jest/globals'
import { RandomStreams } from '../../../src/kit/random.ts'
import { cut, SEGMENTATIONS } from '../../../src/validate/traffic/adversarial/segments.ts'
import { Turn } from '../../../src/validate/traffic/adversarial/turn.ts'

const stream = (): ReturnType<RandomStreams['stream']> => new RandomStreams('0x1').stream('cut')
const message = Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc')

test.each(SEGMENTATIONS)('cut as %s: the bytes stay the same, and the same seed cuts the same', (how) => {
  const { segments } = cut(message, how, stream())
  expect(Buffer.concat(segments)).toEqual(message)
  expect(segments.every((segment) => segment.length > 0)).toBe(true)
  expect(cut(message, how, stream()).segments).toEqual(segments)
})

test('bytes go one by one, lines are cut within CRLF, a long message at few places', () => {
  expect(cut(message, 'whole', stream()).segments).toHaveLength(1)
  expect(cut(message, 'bytes', stream()).segments).toHaveLength(message.length)
  expect(cut(message, 'lines', stream()).segments.map(String).slice(0, 3)).toEqual([
    'POST / HTTP/1.1\r',
    '\n',
    'Host: a\r'
  ])
  expect(cut(message, 'delimiters', stream()).segments.map(String).slice(0, 4)).toEqual([
    'POST ',
    '/',
    ' ',
    'HTTP/'
  ])
  expect(cut(message, 'pause', stream()).segments.map(String)).toEqual([
    'POST / HTT',
    'P/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r',
    '\n',
    'ab',
    'c'
  ])
  expect(cut(message, 'random', stream()).pauseMs).toBe(20)
  expect(cut(Buffer.alloc(100_000, 'a'), 'bytes', stream()).segments.length).toBeLessThan(30)
})

test('the first message that nobody answered since the server was last well is the suspect', async () => {
  const turn = new Turn()
  const send = async (id: string, at: number, answered: boolean): Promise<void> => {
    const { sent, over } = await turn.take(id)
    Object.assign(sent, { at, answered })
    over()
  }
  await send('waits', 100, false)
  await send('fine', 200, true)
  await send('kills', 300, false)
  await send('after', 400, false)
  turn.served(205)
  expect(turn.suspects().map(({ id }) => id)).toEqual(['kills', 'after', 'fine', 'waits'])
  turn.served(500)
  expect(turn.suspects()[0]!.id).toBe('after')
})

test('one message at a time is on its way', async () => {
  const turn = new Turn()
  const first = await turn.take('a')
  let begun = false
  const second = turn.take('b').then(({ over }) => {
    begun = true
    over()
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(begun).toBe(false)
  first.over()
  await second
  expect(begun).toBe(true)
})
