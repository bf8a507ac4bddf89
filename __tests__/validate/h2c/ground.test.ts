/** Servers on which nothing, or less, can be judged: no false pass and no false alarm. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { expect, test } from '@jest/globals'
import { h2cInfos } from '../../../src/validate/catalogue/h2c/index.ts'
import { h2cSlice } from '../../../src/validate/traffic/h2c/index.ts'
import { startChild } from '../../fixture/child.ts'
import { attachedTo } from '../../fixture/stand.ts'
import { playFixture, playServer, playTarget } from '../play.ts'

const LONG_MS = 120_000

test(
  'a server that answers the preface and dies on everything else passes nothing',
  async () => {
    const { findings, book, notes } = await playFixture(h2cSlice, ['h2c-dies-on-streams'])
    expect(findings).toEqual([])
    expect(book.exercised).toBe(0)
    expect(book.inapplicable).toEqual([])
    expect(book.inconclusive).toHaveLength(book.planned)
    expect(notes.join()).toContain('the plain request over HTTP/2 is not')
  },
  LONG_MS
)

test(
  'a server that stops to serve HTTP/2 for all is told as a hang of others, HIGH',
  async () => {
    const { findings, count } = await playFixture(h2cSlice, ['h2c-hang-on-reset'])
    expect(findings.length).toBeGreaterThan(0)
    for (const finding of findings)
      expect(finding).toMatchObject({ predicate: 'I-H2C-HANG', severity: 'HIGH' })
    expect(count('h2c_hang')).toBe(findings.length)
  },
  LONG_MS
)

test(
  'a process that ends is told once, with the case that was on its way',
  async () => {
    const child = spawn(process.execPath, ['__tests__/fixture/cli.ts', '-bug', 'h2c-crash-on-reset'], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    try {
      const address = await new Promise<string>((resolve) => {
        createInterface(child.stdout).on('line', (line) => {
          const found = /^ready addr=(\S+)/.exec(line)
          if (found !== null) resolve(found[1]!)
        })
      })
      const [host, port] = address.split(':')
      const target = attachedTo(host!, Number(port))
      child.once('exit', (code, signal) => target.end({ code, signal, at: new Date() }))
      const { findings, book, count } = await playTarget(h2cSlice, target)
      expect(findings).toHaveLength(1)
      expect(findings[0]).toMatchObject({ predicate: 'I-H2C-CRASHED', severity: 'HIGH' })
      expect(findings[0]!.title).toContain('exit code 70')
      expect(count('h2c_crashed')).toBe(1)
      expect(book.inconclusive.length).toBeGreaterThan(20)
    } finally {
      child.kill('SIGKILL')
    }
  },
  LONG_MS
)

test(
  'a server without HTTP/2: declined upgrades are judged, all else is inapplicable with the reason',
  async () => {
    const server = createServer((_, response) => response.end('hello'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const { findings, book } = await playServer(
        h2cSlice,
        '127.0.0.1',
        (server.address() as AddressInfo).port
      )
      expect(findings).toEqual([])
      const reasons = new Map(book.inapplicable.map(({ case: id, reason }) => [id, reason]))
      // Whatever the ledger holds, a person can read of.
      expect(book.planned).toBe(h2cInfos().length)
      expect(reasons.get('sid-even')).toContain('no HTTP/2 with prior knowledge')
      expect(reasons.get('up-two-settings')).toContain('never upgrades')
      expect(reasons.has('up-ok')).toBe(false)
      expect(book.exercised).toBeGreaterThan(2)
      expect(book.inconclusive).toEqual([])
    } finally {
      server.closeAllConnections()
      server.close()
    }
  },
  LONG_MS
)

test(
  'a process that ends when many clients are reset within a header block is told as of that flood',
  async () => {
    const { target, kill } = await startChild(['h2c-crash-on-block-reset'])
    try {
      const only = ['fl-cont-rst', 'ctl-get']
      const { findings, count } = await playTarget(h2cSlice, target, { only })
      expect(findings.map((finding) => [finding.severity, finding.predicate, finding.case])).toEqual([
        ['HIGH', 'I-H2C-CRASHED', 'fl-cont-rst']
      ])
      expect(count('h2c_crashed')).toBe(1)
    } finally {
      kill()
    }
  },
  LONG_MS
)

test(
  'on a port without HTTP/2 the preface must be turned away, and silence is told',
  async () => {
    const only = ['prior-on-h1', 'prior-after-h1', 'prior-garbage', 'up-ok']
    const answers = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
    const http = createServer((request, response) => {
      if (request.url !== '/') response.statusCode = 404
      response.end('hello')
    })
    const playing = async (turnAway: (socket: Socket) => void) => {
      const server = createTcpServer((socket) => {
        socket.on('error', () => socket.destroy())
        socket.once('data', (bytes: Buffer) => {
          if (bytes.toString('latin1').startsWith('PRI ')) return turnAway(socket)
          socket.pause()
          http.emit('connection', socket)
          socket.unshift(bytes)
          socket.resume()
        })
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      try {
        return await playServer(h2cSlice, '127.0.0.1', (server.address() as AddressInfo).port, { only })
      } finally {
        server.close()
      }
    }
    const right = await playing((socket) => socket.end('HTTP/1.1 505 Nope\r\nContent-Length: 0\r\n\r\n'))
    expect(right.findings).toEqual([])
    expect(right.book.inapplicable.map((entry) => entry.case)).toEqual(['prior-garbage'])
    const served = await playing((socket) => void socket.write(answers))
    expect(served.findings.map((finding) => [finding.severity, finding.case])).toEqual([
      ['LOW', 'prior-on-h1']
    ])
    const silent = await playing(() => undefined)
    expect(
      silent.findings.map((finding) => [finding.severity, finding.predicate, finding.case]).sort()
    ).toEqual([['MED', 'I-H2C-HANG', 'prior-on-h1']])
  },
  LONG_MS
)

test(
  "Node's own http2 server, which speaks nothing else: what is known of nghttp2, and nothing HIGH",
  async () => {
    const server = createHttp2((request, response) => {
      request.resume()
      request.on('end', () => response.end('hello over HTTP/2'))
    })
    server.on('sessionError', () => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const { findings, book } = await playServer(
        h2cSlice,
        '127.0.0.1',
        (server.address() as AddressInfo).port
      )
      const hard = findings.filter(({ severity }) => severity !== 'LOW')
      expect(hard.map(({ severity, case: id }) => `${severity} ${id}`)).toEqual(['MED sid-decreasing'])
      expect(book.exercised).toBeGreaterThan(90)
      expect(book.inconclusive).toEqual([])
    } finally {
      server.close()
    }
  },
  LONG_MS
)

test(
  'what is missing while our own process stood still is inconclusive',
  async () => {
    const { findings, book } = await playFixture(h2cSlice, ['h2c-acks-once'], { stallMs: 60_000 })
    expect(findings).toEqual([])
    expect(book.inconclusive.map((entry) => entry.case)).toContain('settings-acks')
  },
  LONG_MS
)
