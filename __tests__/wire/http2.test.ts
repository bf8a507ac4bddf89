import { createServer, type Http2Server } from 'node:http2'
import { connect as dial, type AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import { HpackDecoder, HpackEncoder } from '../../src/wire/hpack.ts'
import {
  encodeFrame,
  FLAG,
  FRAME,
  FrameReader,
  goawayFrame,
  headerFrames,
  PREFACE,
  readSettings,
  settingsAck,
  settingsFrame,
  unpadded,
  windowUpdate,
  type Frame
} from '../../src/wire/http2.ts'

test('a frame by its bytes', () => {
  expect(windowUpdate(5, 100).toString('hex')).toBe('0000040800000000050000' + '0064')
  expect(settingsFrame({ 4: 65_535 }).toString('hex')).toBe('00000604000000000000040000ffff')
  expect(encodeFrame({ type: 190, stream: 1, reserved: true }).toString('hex')).toBe('000000be0080000001')
  expect(goawayFrame(3, 1).toString('hex')).toBe('0000080700000000000000000300000001')
})

test('frames come whole, however their bytes are cut', () => {
  const bytes = Buffer.concat([
    settingsFrame({ 1: 0, 5: 20_000 }),
    headerFrames(1, Buffer.alloc(25, 7), { endStream: true, most: 10 }),
    encodeFrame({ type: FRAME.DATA, stream: 1 })
  ])
  const reader = new FrameReader()
  const frames = [...bytes].flatMap((byte) => reader.push(Buffer.from([byte])))
  expect(frames.map(({ type, flags }) => [type, flags])).toEqual([
    [FRAME.SETTINGS, 0],
    [FRAME.HEADERS, FLAG.END_STREAM],
    [FRAME.CONTINUATION, 0],
    [FRAME.CONTINUATION, FLAG.END_HEADERS],
    [FRAME.DATA, 0]
  ])
  expect(new FrameReader().push(bytes)).toEqual(frames)
  expect(readSettings(frames[0]!.payload)).toEqual([
    [1, 0],
    [5, 20_000]
  ])
  expect(reader.rest).toHaveLength(0)
})

test('padding and priority are taken off, and refused where they are longer than the frame', () => {
  const frame = (flags: number, hex: string): Frame => ({
    type: FRAME.HEADERS,
    flags,
    stream: 1,
    payload: Buffer.from(hex, 'hex')
  })
  expect(unpadded(frame(FLAG.PADDED, '02aabb0000'))?.toString('hex')).toBe('aabb')
  expect(unpadded(frame(FLAG.PADDED | FLAG.PRIORITY, '010000000010aa00'))?.toString('hex')).toBe('aa')
  expect(unpadded(frame(FLAG.PADDED, '04aabb'))).toBeUndefined()
  expect(unpadded(frame(FLAG.PADDED, ''))).toBeUndefined()
  expect(unpadded(frame(FLAG.PRIORITY, '0000'))).toBeUndefined()
})

async function listening(): Promise<{ server: Http2Server; port: number }> {
  const server = createServer((request, response) => {
    response.setHeader('x-path', request.url)
    response.end('hello')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

test("Node's own server reads our frames, and we read its", async () => {
  const { server, port } = await listening()
  const socket = dial(port, '127.0.0.1')
  try {
    const block = new HpackEncoder({ huffman: true, indexing: true }).encode([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'a'],
      [':path', '/some/where?q=1']
    ])
    socket.write(
      Buffer.concat([PREFACE, settingsFrame(), headerFrames(1, block, { endStream: true, most: 5 })])
    )
    const reader = new FrameReader()
    const frames: Frame[] = []
    await new Promise<void>((resolve) => {
      socket.on('data', (bytes: Buffer) => {
        frames.push(...reader.push(bytes))
        socket.write(settingsAck())
        if (frames.some(({ type, flags }) => type === FRAME.DATA && flags & FLAG.END_STREAM)) resolve()
      })
    })
    const head = frames.find(({ type }) => type === FRAME.HEADERS)!
    const fields = new HpackDecoder().decode(unpadded(head)!)
    expect(fields[0]).toEqual([':status', '200'])
    expect(fields).toContainEqual(['x-path', '/some/where?q=1'])
    const body = frames.filter(({ type }) => type === FRAME.DATA).map((frame) => unpadded(frame)!)
    expect(Buffer.concat(body).toString()).toBe('hello')
  } finally {
    socket.destroy()
    server.close()
  }
})
