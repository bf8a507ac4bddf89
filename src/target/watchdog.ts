/**
 * Nothing of ours outlives us, not even a SIGKILL of the suite.
 *
 * A small shell in a session of its own holds a pipe to us and a list. When the pipe closes without a goodbye, it
 * kills the process groups on the list, then whatever carries one of the marks in its environment (that finds
 * processes which left their group), and removes the temporary folders.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { processesMarked } from './processes.ts'

const MARK = 'PROBATORIUM_LAUNCH'
const RUN = 'PROBATORIUM_RUN'
const run = randomBytes(8).toString('hex')

/** Stands in the environment of everything that this process starts: the post step of an action finds by it what a run left behind. */
export const runMark = `${RUN}=${run}`

const SCRIPT = `
without() { rest=' '; for one in $2; do [ "$one" = "$1" ] || rest="$rest$one "; done; echo "$rest"; }
groups=' '; marks=' '; folders=' '; leaders=' '
while read -r word id; do
  case $word in
    group) groups="$groups$id " ;;
    mark) marks="$marks$id " ;;
    folder) folders="$folders$id " ;;
    leader) leaders="$leaders$id " ;;
    -group) groups=$(without "$id" "$groups") ;;
    -mark) marks=$(without "$id" "$marks") ;;
    -folder) folders=$(without "$id" "$folders") ;;
    -leader) leaders=$(without "$id" "$leaders") ;;
    bye) exit 0 ;;
  esac
done
for one in $leaders; do kill -3 "$one" 2>/dev/null && sleep 1; done
for one in $groups; do kill -9 -"$one" 2>/dev/null; done
for turn in 1 2; do
  for one in $marks; do
    for file in /proc/[0-9]*/environ; do
      grep -q "${MARK}=$one" "$file" 2>/dev/null || continue
      id=\${file#/proc/}
      kill -9 "\${id%/environ}" 2>/dev/null
    done
  done
  sleep 0.3
done
for one in $folders; do rm -rf -- "$one"; done
`

let shell: ChildProcess | undefined
let entries = 0

function tell(line: string): void {
  if (shell === undefined) {
    const fresh = spawn('/bin/sh', ['-c', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    fresh.on('error', () => (shell = undefined))
    fresh.stdin.on('error', () => undefined)
    fresh.unref()
    ;(fresh.stdin as unknown as { unref?: () => void }).unref?.()
    shell = fresh
  }
  shell.stdin?.write(`${line}\n`)
}

function enter(word: 'group' | 'mark' | 'folder' | 'leader', id: string | number): () => void {
  tell(`${word} ${id}`)
  entries += 1
  let done = false
  return () => {
    if (done) return
    done = true
    tell(`-${word} ${id}`)
    entries -= 1
    if (entries > 0) return
    shell?.stdin?.end('bye\n')
    shell = undefined
  }
}

/** Whatever one launch starts, under guard from before its first process until `release`. */
export interface Guard {
  /** For the environment of the launched process; its descendants inherit it. */
  readonly env: Readonly<Record<string, string>>
  /** Adds the process group of the launched process. */
  group(pgid: number): void
  /** The leader of the group has ended: what it left in the group is killed, and its number may go to others. */
  leaderEnded(): void
  /** SIGKILL for the group and for everything that carries the mark. Synchronous. */
  kill(): void
  /** Takes it off the list. */
  release(): void
}

/** Begins to guard a launch. */
export function guard(): Guard {
  const mark = randomBytes(8).toString('hex')
  const offMark = enter('mark', mark)
  let offGroup: (() => void) | undefined
  let group: number | undefined
  const killGroup = (): void => {
    if (group === undefined) return
    try {
      process.kill(-group, 'SIGKILL')
    } catch {
      // Gone already.
    }
  }
  return {
    env: { [MARK]: mark, [RUN]: run },
    group(pgid) {
      group = pgid
      offGroup = enter('group', pgid)
    },
    leaderEnded() {
      killGroup()
      group = undefined
      offGroup?.()
    },
    kill() {
      killGroup()
      for (const pid of processesMarked(`${MARK}=${mark}`)) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // Gone already.
        }
      }
    },
    release() {
      offGroup?.()
      offMark()
    }
  }
}

/**
 * A process that leaves something in the kernel when it is killed (System V shared memory) gets SIGQUIT and a second
 * first; the returned function takes it off the list.
 */
export function guardLeader(pid: number): () => void {
  return enter('leader', pid)
}

/** A temporary folder that must not stay behind; the returned function takes it off the list. */
export function guardFolder(path: string): () => void {
  // The shell splits its list at blanks.
  return /\s/.test(path) ? () => undefined : enter('folder', path)
}
