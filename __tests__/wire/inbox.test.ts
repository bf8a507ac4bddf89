/** What arrived stays what it was, however much comes behind it and in however many pieces. */
import { expect, test } from '@jest/globals'
import { Inbox } from '../../src/wire/inbox.ts'

test('pieces come out as one, and what was taken away is gone', () => {
  const inbox = new Inbox()
  const all = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251))
  for (let at = 0; at < all.length; at += 7) inbox.add(all.subarray(at, at + 7))
  expect(inbox.bytes.equals(all)).toBe(true)
  inbox.drop(1234)
  expect(inbox.length).toBe(all.length - 1234)
  expect(inbox.bytes.equals(all.subarray(1234))).toBe(true)
  inbox.drop(1e9)
  expect(inbox.length).toBe(0)
})

test('bytes that were handed out are not written over, and the piece that was added may be', () => {
  const inbox = new Inbox()
  const piece = Buffer.from('first')
  inbox.add(piece)
  const held = inbox.bytes
  piece.fill('x')
  inbox.drop(5)
  for (let i = 0; i < 1000; i++) inbox.add(Buffer.from('later'))
  expect(held.toString()).toBe('first')
})
