/**
 * Nothing of ours outlives us, not even a SIGKILL of the suite.
 *
 * A small shell in a session of its own holds a pipe to us and a list of process groups. When the pipe closes
 * without a goodbye, it kills what is on the list.
 */
import { spawn, type ChildProcess } from 'node:child_process'

const SCRIPT = `
groups=' '
while read -r word id; do
  case $word in
    add) groups="$groups$id " ;;
    del) rest=' '; for one in $groups; do [ "$one" = "$id" ] || rest="$rest$one "; done; groups=$rest ;;
    rm) files="$files $id" ;;
    bye) exit 0 ;;
  esac
done
for one in $groups; do kill -9 -"$one" 2>/dev/null; done
sleep 1
for one in $files; do rm -rf -- "$one"; done
`

let shell: ChildProcess | undefined
let watched = 0

function tell(line: string): void {
  if (shell === undefined) {
    shell = spawn('/bin/sh', ['-c', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    shell.on('error', () => (shell = undefined))
    shell.stdin?.on('error', () => undefined)
    shell.unref()
    ;(shell.stdin as unknown as { unref?: () => void } | null)?.unref?.()
  }
  shell.stdin?.write(`${line}\n`)
}

/** Puts a process group on the list; the returned function takes it off. */
export function watchGroup(pgid: number): () => void {
  tell(`add ${pgid}`)
  watched += 1
  let done = false
  return () => {
    if (done) return
    done = true
    tell(`del ${pgid}`)
    watched -= 1
    if (watched === 0) farewell()
  }
}

/** A temporary folder (a path without blanks) that must not stay behind. */
export function watchFolder(path: string): void {
  if (!/\s/.test(path)) tell(`rm ${path}`)
}

function farewell(): void {
  shell?.stdin?.end('bye\n')
  shell = undefined
}

/** SIGKILL for a whole process group; one that is gone already is no error. */
export function killGroup(pgid: number): void {
  try {
    process.kill(-pgid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}
