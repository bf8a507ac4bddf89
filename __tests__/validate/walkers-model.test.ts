import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Cell } from '../../src/documents/result.ts'
import { loadMarkov } from '../../src/validate/traffic/markov/index.ts'
import { documentOf, root, scratch, suite } from '../support/suite.ts'

/** Each engine of the stock breaks one rule: what must be found, and what may be told of it besides. */
const BREAKS: Record<string, { must: string; may?: string[] }> = {
  'loses-update': { must: 'I-LOST-WRITE read', may: ['I-LOST-WRITE changed', 'I-READ-WRITE list'] },
  'keeps-etag': { must: 'I-READ-WRITE change', may: ['I-ETAG read', 'I-STATUS changed'] },
  'false-304': { must: 'I-ETAG changed', may: ['I-STATUS changed'] },
  'keeps-removed': { must: 'I-READ-WRITE list' },
  duplicates: { must: 'I-READ-WRITE list' },
  'half-json': {
    must: 'I-ANSWER read',
    may: ['I-ANSWER changed', 'I-READ-WRITE list', 'I-ETAG read', 'I-ETAG changed', 'I-STATUS read']
  },
  'short-length': {
    must: 'I-RFC-1 answer-length-bytes',
    may: ['I-ANSWER read', 'I-ANSWER changed', 'I-ETAG read', 'I-ETAG changed']
  },
  'long-length': {
    must: 'I-TIMEOUT list',
    may: ['I-TIMEOUT read', 'I-TIMEOUT create', 'I-TIMEOUT change', 'I-TIMEOUT changed']
  },
  'drops-writes': { must: 'I-CONN-LOST exchange-cut' }
}
const folder = scratch()
const cells = new Map<string, Cell>()
const told = (cell: Cell | undefined): string[] =>
  (cell?.findings ?? []).map((finding) => `${finding.predicate} ${finding.case}`)

beforeAll(async () => {
  const server = join(root, '__tests__/support/stock.ts')
  const stock = {
    slug: 'stock',
    run: ['{node}', server, '-bind', '127.0.0.1:0', '-engine', '{engine}'],
    engines: ['strict', ...Object.keys(BREAKS)],
    routes: { get: '/healthz', health: '/healthz' },
    markov: join(root, '__tests__/support/stock.yaml')
  }
  const file = join(folder, 'probatorium.yml')
  writeFileSync(file, JSON.stringify({ refapps: [stock] }))
  const common = ['--slices', 'markov', '--concurrency', '12', '--out', folder]
  await suite(['validate', '--config', file, '--duration', '50s', ...common])
  for (const cell of documentOf(folder).validation_results.cells) cells.set(cell.engine, cell)
}, 240_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a store that obeys has no findings and every step is proven', () => {
  const cell = cells.get('strict')!
  expect(told(cell)).toEqual([])
  expect(cell.status).toBe('pass')
  expect(cell.coverage!.slices['markov']).toMatchObject({ planned: 6, exercised: 6 })
})

test.each(Object.entries(BREAKS))('a store that %s is told for it', (engine, { must, may = [] }) => {
  const found = told(cells.get(engine))
  expect(found).toContain(must)
  expect(found.filter((one) => one !== must && !may.includes(one))).toEqual([])
})

/** What the default model says of a server that nobody wrote a model for. */
async function attach(handler: RequestListener): Promise<Cell> {
  const server: Server = createServer(handler).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const out = scratch()
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    await suite(['validate', '--url', url, '--slices', 'markov', '--duration', '2s', '--out', out])
    return documentOf(out).validation_results.cells[0]!
  } finally {
    server.closeAllConnections()
    server.close()
    rmSync(out, { recursive: true, force: true })
  }
}

test('a server that nobody described is not blamed for what it refuses', async () => {
  const cell = await attach((request, response) => {
    request.resume().on('end', () => {
      const json = request.headers['content-type'] === 'application/json'
      const known = request.url === '/' || (request.url === '/upload' && request.method === 'POST')
      response.statusCode = !known ? 404 : request.method === 'POST' && !json ? 415 : 200
      response.end(`${request.url} ${Math.random()}`)
    })
  })
  expect(told(cell)).toEqual([])
  expect(cell.status).toBe('pass')
  expect(cell.tier_1!.requests_sent).toBeGreaterThan(10)
  const { inapplicable } = cell.coverage!.slices['markov']!
  expect(inapplicable.filter(({ case: name }) => name === 'get')).toEqual([])
}, 60_000)

test('a server without a route is not green', async () => {
  const cell = await attach((_, response) => response.writeHead(404).end('none'))
  expect(cell.status).not.toBe('pass')
  expect(cell.coverage!.slices['markov']).toMatchObject({ planned: 1, exercised: 0 })
}, 60_000)

test.each([
  ['an unknown key', '    expected: [200]', ':6', /unknown key "expected".*allowed:.*expect/],
  ['an unknown step', '    next: { lst: 1 }', ':6', /no step "lst"; did you mean "list"/],
  ['an unknown variable', "    check: { json.id: '{{itm}}' }", ':6', /no step saves {{itm}}/],
  ['a source that is none', '    save: { item: jsn.id }', ':6', /"jsn.id" is no source; allowed: json.PATH/],
  ['a name of the walker', '    save: { token: json.id }', ':6', /"token" is the walker's own/],
  ['a count below zero', "    occurs: { '{{token}}': -1 }", ':6', /occurs/]
])('a model with %s is refused with its line', (_, line, at, message) => {
  const file = join(folder, 'bad.yaml')
  const head = ['version: 1', 'start: list', 'steps:', '  list:', '    request: GET /items']
  writeFileSync(file, [...head, line, '    expect: [200]', ''].join('\n'))
  expect(() => loadMarkov(file)).toThrow(message)
  expect(() => loadMarkov(file)).toThrow(`${file}${at}`)
})
