/** Bytes as `hexdump -C` shows them. */
const MOST_HEX = 64 << 10

/** Offset, sixteen bytes, text. */
export function hexOf(bytes: Buffer): string {
  const lines: string[] = []
  for (let at = 0; at < Math.min(bytes.length, MOST_HEX); at += 16) {
    const row = bytes.subarray(at, at + 16)
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = row.toString('latin1').replaceAll(/[^\x20-\x7e]/g, '.')
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  |${text}|`)
  }
  if (bytes.length > MOST_HEX) lines.push(`... ${bytes.length - MOST_HEX} more bytes`)
  return `${lines.join('\n')}\n`
}
