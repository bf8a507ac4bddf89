/** Tells HTTP/2 with prior knowledge from HTTP/1 by the client preface (RFC 9113 section 3.4). */
import type { Socket } from 'node:net'
import { limits } from './limits.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/**
 * Reads as many bytes of a fresh connection as decide, in whatever pieces they come, puts them back and calls
 * `decided`. A connection that sends nothing, or only a part of the preface, is closed after a time.
 */
export function sniffPreface(socket: Socket, decided: (protocol: 'http1' | 'http2') => void): void {
  let seen: Buffer = Buffer.alloc(0)

  const settle = (protocol: 'http1' | 'http2'): void => {
    release()
    // Paused, so that the bytes put back wait for their new reader.
    socket.pause()
    socket.unshift(seen)
    decided(protocol)
  }
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const length = Math.min(seen.length, PREFACE.length)
    if (seen.compare(PREFACE, 0, length, 0, length) !== 0) settle('http1')
    else if (length === PREFACE.length) settle('http2')
  }
  const onEnd = (): void => {
    release()
    socket.end()
  }
  const onError = (): void => {
    release()
    socket.destroy()
  }
  const timer = setTimeout(onError, limits.prefaceTimeout)
  const release = (): void => {
    clearTimeout(timer)
    socket.off('data', onData).off('end', onEnd).off('close', release).off('error', onError)
  }
  socket.on('data', onData).on('end', onEnd).on('close', release).on('error', onError)
}
