/** The server's side of connections of ours, where it is on this machine: the socket table of the kernel. */
import { readFile } from 'node:fs/promises'

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6']

export interface ServerSide {
  /** Bytes of ours that the server has not read. */
  unread: number
  /** A process still has a descriptor of it. */
  held: boolean
}

/** By port of ours; a port without an entry has no socket on the server's side, or one that cannot be seen. */
export async function serverSides(
  serverPort: number,
  ports: ReadonlySet<number>
): Promise<Map<number, ServerSide>> {
  const tables = await Promise.all(TABLES.map((path) => readFile(path, 'latin1').catch(() => '')))
  const portOf = (field: string | undefined): number => parseInt(field?.split(':')[1] ?? '', 16)
  const sides = new Map<number, ServerSide>()
  for (const line of tables.join('\n').split('\n')) {
    const [, local, remote, , queues, , , , , inode] = line.trim().split(/\s+/)
    const port = portOf(remote)
    if (portOf(local) !== serverPort || !ports.has(port) || inode === undefined) continue
    sides.set(port, { unread: portOf(queues), held: inode !== '0' })
  }
  return sides
}
