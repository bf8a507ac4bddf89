/** The last messages that this process sent to each server port, whoever sent them: for the forensics of a sudden end. */
const KEPT = 128
const SHOWN_BYTES = 2048

/** Memory behind a short message that may be kept as it is: a larger one would be held for a few bytes. */
const SMALL_BYTES = 16 * 1024

/** A ring in columns: a note costs no object. */
const ports = new Uint16Array(KEPT)
const times = new Float64Array(KEPT)
const lengths = new Uint32Array(KEPT)
const messages: (Buffer | string)[] = []
let next = 0

/**
 * Notes a message as it is handed to the kernel; what is shown of it is kept.
 * @param now `performance.now()`
 */
export function noteSent(port: number, what: Buffer | string, now = performance.now()): void {
  ports[next] = port
  times[next] = now
  lengths[next] = what.length
  messages[next] =
    typeof what === 'string' || what.buffer.byteLength <= SMALL_BYTES
      ? what
      : Buffer.from(what.subarray(0, SHOWN_BYTES))
  next = next + 1 === KEPT ? 0 : next + 1
}

/** The newest messages to a port as text, oldest first, each with its age; undefined where there are none. */
export function lastSent(port: number): string | undefined {
  const now = performance.now()
  let told = ''
  for (let i = 0; i < KEPT; i++) {
    const at = (next + i) % KEPT
    const what = messages[at]
    if (what === undefined || ports[at] !== port) continue
    const bytes = lengths[at]!
    const text = (typeof what === 'string' ? what : what.toString('latin1', 0, SHOWN_BYTES)).slice(
      0,
      SHOWN_BYTES
    )
    const cut = bytes > SHOWN_BYTES ? `${text}... ${bytes} bytes` : text
    told += `== ${((now - times[at]!) / 1000).toFixed(3)} s before, ${bytes} bytes\n${JSON.stringify(cut)}\n`
  }
  return told === '' ? undefined : told
}
