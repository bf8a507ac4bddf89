/** A replay file as a stand-alone script, for somebody without the suite: what was sent, what comes. */
import type { Replay, Step } from '../../documents/replay.ts'
import { UserError } from '../../kit/errors.ts'
import { readdressed } from './steps.ts'

export const LANGUAGES = ['python', 'bash'] as const
export type Language = (typeof LANGUAGES)[number]

/** A run of one byte that is written as a product. */
const LONG_RUN = 64
const LINE = 110

interface Address {
  host: string
  port: number
}

/**
 * The script. @param url another server: its authority is written into the heads of requests
 * @throws UserError where the case has no steps, or the language cannot do them
 */
export function scriptOf(replay: Replay, language: Language, url: string = replay.server.url): string {
  if (replay.exchange === undefined) {
    throw new UserError({
      where: replay.case,
      what: 'no single exchange shows this finding, so that no script can repeat it',
      fix: 'replay it with the suite: leave --script out'
    })
  }
  if (replay.exchange.sent_not_kept !== undefined) {
    throw new UserError({
      where: replay.case,
      what: `${replay.exchange.sent_not_kept} bytes of what was sent are too many for the file`,
      fix: 'replay it with the suite: leave --script out'
    })
  }
  const { hostname, port, host } = new URL(url)
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port) }
  const steps = url === replay.server.url ? replay.exchange.steps : readdressed(replay, 'case', host)
  return language === 'python' ? python(replay, steps, address) : bash(replay, steps, address)
}

/** One line of a comment. */
const flat = (text: string): string => text.replaceAll(/[^\x20-\x7e]+/g, ' ').trim()

function about({ case: id, title, standard, right, cell }: Replay): string[] {
  const where = standard === undefined ? '' : ` (${standard})`
  return [
    `# ${id}${where}: ${title}`,
    ...(right === undefined ? [] : [`# Right: ${right}`]),
    `# Found on ${cell.refapp}/${cell.engine}.`
  ].map(flat)
}

/** Sends in a row on one connection are one statement. */
type Move = Exclude<Step, { op: 'send' }> | { conn: number; op: 'sends'; parts: Buffer[] }

function moves(steps: readonly Step[]): Move[] {
  const made: Move[] = []
  for (const step of steps) {
    if (step.op !== 'send') {
      made.push(step)
      continue
    }
    const last = made.at(-1)
    const bytes = Buffer.from(step.bytes_b64, 'base64')
    if (last?.op === 'sends' && last.conn === step.conn) last.parts.push(bytes)
    else made.push({ conn: step.conn, op: 'sends', parts: [bytes] })
  }
  return made
}

function python(replay: Replay, steps: readonly Step[], { host, port }: Address): string {
  const lines = moves(steps).map((move) => {
    switch (move.op) {
      case 'connect':
        return `connect(${move.conn})`
      case 'sends':
        return pythonSends(move.conn, move.parts)
      case 'fin':
        return `conns[${move.conn}].shutdown(socket.SHUT_WR); print(${move.conn}, "-- FIN sent")`
      case 'rst':
        return `conns[${move.conn}].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); conns[${move.conn}].close()  # RST`
      case 'pause':
        return `time.sleep(${move.ms / 1000})`
      case 'read-until':
        return `read(${move.conn}${move.barrier === 'close' ? ', quiet=3' : ''})`
    }
  })
  return `#!/usr/bin/env python3
${about(replay).join('\n')}
# Usage: python3 FILE [HOST [PORT]]
import socket, struct, sys, time
host = sys.argv[1] if len(sys.argv) > 1 else ${JSON.stringify(host)}
port = int(sys.argv[2]) if len(sys.argv) > 2 else ${port}
conns = {}
def connect(n):
    conns[n] = socket.create_connection((host, port), 5)
    conns[n].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def send(n, data):
    print(n, ">>", data if len(data) < 2000 else b"%d bytes" % len(data))
    try: conns[n].sendall(data)
    except OSError as error: print(n, "-- not sent:", error)
def read(n, quiet=0.4):
    conns[n].settimeout(5)
    try:
        while data := conns[n].recv(65536):
            print(n, "<<", data)
            conns[n].settimeout(quiet)
        print(n, "-- closed by the server with FIN")
    except TimeoutError: print(n, "-- nothing more comes, the connection is open")
    except OSError as error: print(n, "-- closed by the server:", error)
${lines.join('\n')}
`
}

function pythonSends(conn: number, parts: readonly Buffer[]): string {
  if (parts.length === 1) return `send(${conn}, ${pythonBytes(parts[0]!)})`
  if (parts.every(({ length }) => length === 1))
    return `for byte in ${pythonBytes(Buffer.concat(parts))}: send(${conn}, bytes([byte])); time.sleep(0.002)`
  const list = parts.map((part) => `\n    ${pythonBytes(part)}`).join(',')
  return `for part in (${list}): send(${conn}, part); time.sleep(0.002)`
}

/** A bytes literal; long runs as products, long text over several lines. */
function pythonBytes(bytes: Buffer): string {
  const pieces: string[] = []
  let plain = ''
  const flush = (): void => {
    if (plain !== '') pieces.push(`b"${plain}"`)
    plain = ''
  }
  for (let at = 0; at < bytes.length;) {
    let end = at + 1
    while (end < bytes.length && bytes[end] === bytes[at]) end += 1
    const one = escapeByte(bytes[at]!)
    if (end - at >= LONG_RUN) {
      flush()
      pieces.push(`b"${one}" * ${end - at}`)
      at = end
      continue
    }
    plain += one
    at += 1
    if (bytes[at - 1] === 0x0a ? plain.length > LINE / 2 : plain.length > LINE) flush()
  }
  flush()
  if (pieces.length <= 1) return pieces[0] ?? 'b""'
  return `(${pieces.join('\n    + ')})`
}

function escapeByte(byte: number): string {
  if (byte === 0x0d) return '\\r'
  if (byte === 0x0a) return '\\n'
  if (byte === 0x09) return '\\t'
  if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`
  if (byte >= 0x20 && byte <= 0x7e) return String.fromCharCode(byte)
  return `\\x${byte.toString(16).padStart(2, '0')}`
}

function bash(replay: Replay, steps: readonly Step[], { host, port }: Address): string {
  const unable =
    new Set(steps.map(({ conn }) => conn)).size > 1
      ? 'several connections'
      : steps.some(({ op }) => op === 'rst')
        ? 'an RST'
        : steps.findIndex(({ op }) => op === 'fin') >= 0
          ? 'a FIN of one direction'
          : undefined
  if (unable !== undefined) {
    throw new UserError({
      where: '--script',
      what: `${replay.case} needs ${unable}, which nc cannot be told`,
      fix: 'write --script python'
    })
  }
  const lines = moves(steps).flatMap((move): string[] => {
    if (move.op === 'sends')
      return move.parts.map(
        (part, i) => `  ${printf(part)}${i < move.parts.length - 1 ? '; sleep 0.01' : ''}`
      )
    if (move.op === 'pause') return [`  sleep ${move.ms / 1000}`]
    return move.op === 'read-until' ? ['  sleep 1'] : []
  })
  return `#!/usr/bin/env bash
${about(replay).join('\n')}
# Usage: bash FILE [HOST [PORT]]; shows what the server answers, as cat -v does.
host=\${1:-${host}} port=\${2:-${port}}
export LC_ALL=C
message() {
${lines.join('\n')}
}
echo '>>'; message | cat -v | head -c 4000; echo
echo '<<'
if command -v nc >/dev/null; then message | nc -w 3 "$host" "$port" | cat -v
else exec 3<>"/dev/tcp/$host/$port"; message >&3; timeout 3 cat <&3 | cat -v; fi
echo
`
}

/** A printf whose bytes are the message; long runs come from head and tr. */
function printf(bytes: Buffer): string {
  const pieces: string[] = []
  let plain = ''
  const flush = (): void => {
    if (plain !== '') pieces.push(`printf -- '${plain}'`)
    plain = ''
  }
  for (let at = 0; at < bytes.length;) {
    let end = at + 1
    while (end < bytes.length && bytes[end] === bytes[at]) end += 1
    if (end - at >= LONG_RUN) {
      flush()
      pieces.push(`head -c ${end - at} /dev/zero | tr '\\0' '\\${bytes[at]!.toString(8).padStart(3, '0')}'`)
      at = end
      continue
    }
    plain += shellByte(bytes[at]!)
    at += 1
    if (plain.length > LINE) flush()
  }
  flush()
  return pieces.join('; ')
}

function shellByte(byte: number): string {
  if (byte === 0x0d) return '\\r'
  if (byte === 0x0a) return '\\n'
  if (byte === 0x25) return '%%'
  if (byte >= 0x20 && byte <= 0x7e && byte !== 0x27 && byte !== 0x5c) return String.fromCharCode(byte)
  return `\\${byte.toString(8).padStart(3, '0')}`
}
