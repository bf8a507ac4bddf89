/** The last messages that this process sent to each server port, whoever sent them: for the forensics of a sudden end. */
const KEPT = 128
const SHOWN_BYTES = 2048

interface Sent {
  port: number
  /** `performance.now()` */
  at: number
  what: Buffer | string
}

const ring: Sent[] = []
let next = 0

/** Notes a message as it is handed to the kernel; keeps the reference, copies nothing. */
export function noteSent(port: number, what: Buffer | string): void {
  const entry = { port, at: performance.now(), what }
  if (ring.length < KEPT) ring.push(entry)
  else ring[next] = entry
  next = (next + 1) % KEPT
}

/** The newest messages to a port as text, oldest first, each with its age; undefined where there are none. */
export function lastSent(port: number): string | undefined {
  const now = performance.now()
  const sent = [...ring.slice(next), ...ring.slice(0, next)].filter((entry) => entry.port === port)
  if (sent.length === 0) return undefined
  return sent
    .map(({ at, what }) => {
      const text = typeof what === 'string' ? what : what.toString('latin1')
      const cut = text.length > SHOWN_BYTES ? `${text.slice(0, SHOWN_BYTES)}... ${text.length} bytes` : text
      return `== ${((now - at) / 1000).toFixed(3)} s before, ${text.length} bytes\n${JSON.stringify(cut)}\n`
    })
    .join('')
}
