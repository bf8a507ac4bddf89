import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ENGINES, runShopProcess, type ShopProcess, startShop } from './shop-process.ts'

const json = { 'content-type': 'application/json' }

interface Customer {
  cookie: string
  token: string
  id: string
}

async function signIn(base: string, user: string, password = 'secret'): Promise<Customer> {
  const response = await fetch(`${base}/login`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ user, password })
  })
  expect(response.status).toBe(200)
  const setCookie = response.headers.get('set-cookie') ?? ''
  expect(setCookie).toMatch(/HttpOnly/)
  const body = (await response.json()) as { user: { id: string; name: string }; token: string }
  expect(body.user.name).toBe(user)
  return { cookie: setCookie.split(';')[0] ?? '', token: body.token, id: body.user.id }
}

describe.each(ENGINES)('shop on %s', (engine) => {
  let shop: ShopProcess
  beforeAll(async () => {
    shop = await startShop(engine)
  })
  afterAll(async () => {
    await shop.stop()
  })

  const call = (
    method: string,
    path: string,
    who?: Customer,
    body?: unknown,
    headers: Record<string, string> = {}
  ): Promise<Response> =>
    fetch(shop.base + path, {
      method,
      headers: {
        ...(who === undefined ? {} : { cookie: who.cookie }),
        ...(body === undefined ? {} : json),
        ...headers
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) })
    })

  test('answers its public routes', async () => {
    expect(await (await call('GET', '/healthz')).json()).toEqual({ status: 'ok' })
    expect(await (await call('GET', '/')).json()).toMatchObject({ service: 'shop', engine })
    const catalog = await call('GET', '/catalog')
    const etag = catalog.headers.get('etag') ?? ''
    expect(((await catalog.json()) as { products: unknown[] }).products).toHaveLength(24)
    const again = await call('GET', '/catalog', undefined, undefined, {
      'if-none-match': `"other", W/${etag}`
    })
    expect(again.status).toBe(304)
    const head = await call('HEAD', '/catalog')
    expect(head.headers.get('content-length')).toBe(catalog.headers.get('content-length'))
    expect(await head.text()).toBe('')
  })

  test('refuses unknown paths and methods', async () => {
    expect((await call('GET', '/nothing')).status).toBe(404)
    expect((await call('GET', '/catalog/')).status).toBe(404)
    const refused = await call('DELETE', '/catalog')
    expect(refused.status).toBe(405)
    expect(refused.headers.get('allow')).toBe('GET, HEAD, OPTIONS')
    const options = await call('OPTIONS', '/carts')
    expect(options.status).toBe(204)
    expect(options.headers.get('allow')).toBe('GET, POST, HEAD, OPTIONS')
    expect((await call('GET', '/carts/%zz')).status).toBe(400)
    const plain = await call('GET', '/ws')
    expect(plain.status).toBe(426)
    expect(plain.headers.get('upgrade')).toBe('websocket')
  })

  test('echoes method, target, fields in order and body', async () => {
    const response = await call('PATCH', '/echo?a=%20b', undefined, '\u0000é', {
      'content-type': 'application/octet-stream',
      'x-first': '1',
      'x-second': '2'
    })
    const echo = (await response.json()) as {
      method: string
      target: string
      headers: [string, string][]
      body: string
    }
    expect(echo.method).toBe('PATCH')
    expect(echo.target).toBe('/echo?a=%20b')
    expect(Buffer.from(echo.body, 'base64').toString()).toBe('\u0000é')
    const names = echo.headers.map(([name]) => name)
    expect(names.indexOf('x-second')).toBe(names.indexOf('x-first') + 1)
  })

  test('takes an upload of 8 MiB and no byte more', async () => {
    const body = Buffer.alloc(8 * 1024 * 1024, 'upload')
    const taken = await fetch(`${shop.base}/upload`, { method: 'POST', body })
    expect(await taken.json()).toEqual({
      bytes: body.length,
      sha256: createHash('sha256').update(body).digest('hex')
    })
    const refused = await fetch(`${shop.base}/upload`, {
      method: 'POST',
      body: Buffer.concat([body, Buffer.from('x')])
    })
    expect(refused.status).toBe(413)
  })

  test('signs in and out', async () => {
    const ada = await signIn(shop.base, 'ada')
    expect(await (await call('GET', '/me', ada)).json()).toEqual({ user: { id: ada.id, name: 'ada' } })
    const byToken = await call('GET', '/me', undefined, undefined, { authorization: `Bearer ${ada.token}` })
    expect(byToken.status).toBe(200)
    expect((await call('POST', '/login', undefined, { user: 'ada', password: 'wrong' })).status).toBe(401)
    const stranger = await call('GET', '/me')
    expect(stranger.status).toBe(401)
    expect(stranger.headers.get('www-authenticate')).toMatch(/^Bearer/)
    expect((await call('POST', '/logout', ada)).status).toBe(204)
    expect((await call('GET', '/me', ada)).status).toBe(401)
    // The name is free again, and nothing of the account before is left.
    const next = await signIn(shop.base, 'ada', 'another')
    expect(await (await call('GET', '/carts', next)).json()).toEqual({ carts: [] })
    await call('POST', '/logout', next)
  })

  test('keeps carts and items per owner, with entity tags', async () => {
    const ada = await signIn(shop.base, 'ada')
    const bob = await signIn(shop.base, 'bob')
    const created = await call('POST', '/carts', ada, { name: 'first', note: 'n' })
    expect(created.status).toBe(201)
    const location = created.headers.get('location') ?? ''
    const etag = created.headers.get('etag') ?? ''
    const cart = (await created.json()) as { id: string }
    expect(location).toBe(`/carts/${cart.id}`)

    const read = await call('GET', location, ada)
    expect(await read.json()).toEqual({ id: cart.id, name: 'first', note: 'n', version: 1 })
    expect(read.headers.get('etag')).toBe(etag)
    expect((await call('GET', location, ada, undefined, { 'if-none-match': etag })).status).toBe(304)
    for (const method of ['GET', 'DELETE']) expect((await call(method, location, bob)).status).toBe(404)
    expect((await call('PUT', location, bob, { name: 'mine' })).status).toBe(404)

    const changed = await call('PUT', location, ada, { name: 'second' }, { 'if-match': etag })
    expect(changed.status).toBe(200)
    expect(changed.headers.get('etag')).not.toBe(etag)
    expect((await call('PUT', location, ada, { name: 'third' }, { 'if-match': etag })).status).toBe(412)
    expect((await call('DELETE', location, ada, undefined, { 'if-match': etag })).status).toBe(412)
    expect(await (await call('GET', location, ada)).json()).toMatchObject({ name: 'second', version: 2 })

    const item = await call('POST', `${location}/items`, ada, { name: 'bread', quantity: 2 })
    const itemPath = item.headers.get('location') ?? ''
    expect(await (await call('GET', itemPath, ada)).json()).toMatchObject({ name: 'bread', quantity: 2 })
    expect((await call('GET', itemPath, bob)).status).toBe(404)
    expect((await call('PUT', itemPath, ada, { name: 'rye' }, { 'if-match': '*' })).status).toBe(200)
    const other = (await (await call('POST', '/carts', ada, { name: 'other' })).json()) as { id: string }
    expect((await call('GET', itemPath.replace(cart.id, other.id), ada)).status).toBe(404)

    expect(await (await call('GET', '/carts', bob)).json()).toEqual({ carts: [] })
    const page = (await (await call('GET', '/carts?limit=1', ada)).json()) as {
      carts: { id: string }[]
      next: string
    }
    expect(page.carts.map(({ id }) => id)).toEqual([other.id])
    const rest = (await (await call('GET', `/carts?after=${page.next}`, ada)).json()) as {
      carts: { id: string }[]
    }
    expect(rest.carts.map(({ id }) => id)).toEqual([cart.id])
    expect((await call('GET', '/carts?limit=0', ada)).status).toBe(400)

    expect((await call('DELETE', location, ada)).status).toBe(204)
    expect((await call('DELETE', location, ada)).status).toBe(404)
    expect((await call('GET', itemPath, ada)).status).toBe(404)
    for (const customer of [ada, bob]) await call('POST', '/logout', customer)
    expect(await shop.vars()).toMatchObject({ accounts: 0, sessions: 0, carts: 0, items: 0 })
  })

  test.each([
    ['no JSON', '{"name": ', json, 400],
    ['no object', '[1]', json, 400],
    ['no name', '{}', json, 400],
    ['a name of the wrong type', '{"name":{"__proto__":1}}', json, 400],
    ['deep nesting', '['.repeat(100_000), json, 400],
    ['another type', 'name=x', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['too much', JSON.stringify({ name: 'x', note: 'n'.repeat(300_000) }), json, 413]
  ])('refuses a cart of %s', async (_, body, headers, status) => {
    const ada = await signIn(shop.base, 'refused')
    expect((await call('POST', '/carts', ada, body, headers)).status).toBe(status)
    expect(await (await call('GET', '/carts', ada)).json()).toEqual({ carts: [] })
    await call('POST', '/logout', ada)
  })

  test('refuses text that is not UTF-8', async () => {
    const response = await fetch(`${shop.base}/login`, {
      method: 'POST',
      headers: json,
      body: Buffer.from('7b2275736572223a22ff227d', 'hex')
    })
    expect(response.status).toBe(400)
  })
})

test.each([
  [['-engine', 'nodehttp'], /unknown engine "nodehttp"; allowed are node-http, node-http2/],
  [['-bind', 'nowhere'], /is not HOST:PORT/],
  [['-port', '1'], /unknown argument "-port"/]
])('refuses the arguments %j', async (args, message) => {
  const { child, ended } = runShopProcess(args)
  let errors = ''
  child.stderr?.on('data', (chunk) => (errors += String(chunk)))
  expect(await ended).toEqual({ code: 2, signal: null })
  expect(errors).toMatch(message)
})
