/** Sign-in, sign-out, and the carts and items of the account that is signed in. */
import type { Counters } from './counters.ts'
import { type Exchange, HttpError, readJsonObject, respondJson } from './exchange.ts'
import { limits } from './limits.ts'
import { requireUnchanged, respondRepresentation } from './preconditions.ts'
import type { Call, Route } from './router.ts'
import type { Cart, CartContent, Item, ItemContent, Session, Store } from './store.ts'

const COOKIE = 'shop_session'
const cookieFields = `Path=/; HttpOnly; SameSite=Lax; Max-Age=${limits.sessionIdleTime / 1000}`

function presentedToken(exchange: Exchange): string | undefined {
  const bearer = /^Bearer +([\w.~+/-]+=*) *$/i.exec(exchange.header('authorization') ?? '')
  if (bearer !== null) return bearer[1]
  for (const pair of exchange.header('cookie')?.split(/[;,]/) ?? []) {
    const mark = pair.indexOf('=')
    if (mark > 0 && pair.slice(0, mark).trim() === COOKIE) return pair.slice(mark + 1).trim()
  }
  return undefined
}

function unauthorized(message: string): HttpError {
  return new HttpError(401, message, { 'www-authenticate': 'Bearer realm="shop"' })
}

function text(value: unknown, name: string, maximum: number, minimum = 1): string {
  if (typeof value !== 'string' || value.length < minimum || value.length > maximum) {
    throw new HttpError(400, `"${name}" must be a string of ${minimum} to ${maximum} characters`)
  }
  return value
}

async function readCart(exchange: Exchange): Promise<CartContent> {
  const { name, note } = await readJsonObject(exchange)
  return {
    name: text(name, 'name', limits.nameLength),
    note: note === undefined ? '' : text(note, 'note', limits.noteLength, 0)
  }
}

async function readItem(exchange: Exchange): Promise<ItemContent> {
  const { name, quantity = 1 } = await readJsonObject(exchange)
  if (
    typeof quantity !== 'number' ||
    !Number.isInteger(quantity) ||
    quantity < 1 ||
    quantity > limits.quantity
  ) {
    throw new HttpError(400, `"quantity" must be an integer from 1 to ${limits.quantity}`)
  }
  return { name: text(name, 'name', limits.nameLength), quantity }
}

/** A page of a collection, the newest first, as JSON text: `{"<name>":[...],"next":"<id>"}`. */
function respondPage(
  call: Call,
  name: string,
  entries: ReadonlyMap<string, { id: string; body: string }>
): void {
  const given = call.query.get('limit')
  const limit = given === null ? limits.defaultPageSize : Number(given)
  if (!Number.isInteger(limit) || limit < 1 || limit > limits.pageSize) {
    throw new HttpError(400, `"limit" must be an integer from 1 to ${limits.pageSize}`)
  }
  const all = [...entries.values()].reverse()
  const after = call.query.get('after')
  const begin = after === null ? 0 : all.findIndex((entry) => entry.id === after) + 1
  if (after !== null && begin === 0) throw new HttpError(400, '"after" names no entry of this list')
  const page = all.slice(begin, begin + limit)
  const next = begin + limit < all.length ? `,"next":"${page.at(-1)?.id}"` : ''
  call.exchange.respond(
    200,
    { 'content-type': 'application/json', 'cache-control': 'no-store' },
    `{"${name}":[${page.map((entry) => entry.body).join(',')}]${next}}`
  )
}

/** Routes that sign in, or need a session by cookie or bearer token. */
export function sessionRoutes(store: Store, counters: Counters): Route[] {
  const signedIn = (exchange: Exchange): Session => {
    const token = presentedToken(exchange)
    const session = token === undefined ? undefined : store.session(token)
    if (session === undefined) throw unauthorized('sign in first')
    // Counted before anything of the session is shown; a zero is a statement only because this line runs.
    if (session.token !== token || session.account.sessions < 1) {
      counters.ownerMismatches++
      throw new Error('session of another token')
    }
    return session
  }

  const ownCart = ({ exchange, params }: Call): Cart => {
    const { account } = signedIn(exchange)
    const cart = account.carts.get(params.cart ?? '')
    // Another owner's cart is answered like an unknown one, so ids tell nothing.
    if (cart === undefined) throw new HttpError(404, 'no such cart')
    if (cart.owner !== account) {
      counters.ownerMismatches++
      throw new Error('cart of another owner')
    }
    return cart
  }

  const ownItem = (call: Call): { cart: Cart; item: Item } => {
    const cart = ownCart(call)
    const item = cart.items.get(call.params.item ?? '')
    if (item === undefined) throw new HttpError(404, 'no such item')
    return { cart, item }
  }

  return [
    {
      path: '/login',
      methods: {
        POST: async ({ exchange }) => {
          const { user, password } = await readJsonObject(exchange)
          const name = text(user, 'user', limits.nameLength)
          const session = store.login(name, text(password, 'password', limits.passwordLength))
          if (session === undefined) throw unauthorized('wrong password')
          const previous = store.session(presentedToken(exchange) ?? '')
          if (previous !== undefined) store.logout(previous)
          const { token, account } = session
          respondJson(
            exchange,
            200,
            { user: { id: account.id, name: account.name }, token },
            { 'set-cookie': `${COOKIE}=${token}; ${cookieFields}` }
          )
        }
      }
    },
    {
      path: '/logout',
      methods: {
        POST: ({ exchange }) => {
          store.logout(signedIn(exchange))
          exchange.respond(204, { 'set-cookie': `${COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0` })
        }
      }
    },
    {
      path: '/me',
      methods: {
        GET: ({ exchange }) => {
          const { account } = signedIn(exchange)
          respondJson(exchange, 200, { user: { id: account.id, name: account.name } })
        }
      }
    },
    {
      path: '/carts',
      methods: {
        GET: (call) => respondPage(call, 'carts', signedIn(call.exchange).account.carts),
        POST: async ({ exchange }) => {
          signedIn(exchange)
          const content = await readCart(exchange)
          // The session may have ended while the body was on its way.
          const cart = store.addCart(signedIn(exchange).account, content)
          if (cart === undefined) throw new HttpError(409, `an account holds ${limits.cartsPerAccount} carts`)
          const fields = { 'content-type': 'application/json', 'cache-control': 'no-store' }
          exchange.respond(201, { ...fields, location: `/carts/${cart.id}`, etag: cart.etag }, cart.body)
        }
      }
    },
    {
      path: '/carts/:cart',
      methods: {
        GET: (call) => respondRepresentation(call.exchange, ownCart(call)),
        PUT: async (call) => {
          ownCart(call)
          const content = await readCart(call.exchange)
          const cart = ownCart(call)
          requireUnchanged(call.exchange, cart)
          store.putCart(cart, content)
          const fields = { 'content-type': 'application/json', 'cache-control': 'no-store' }
          call.exchange.respond(200, { ...fields, etag: cart.etag }, cart.body)
        },
        DELETE: (call) => {
          const cart = ownCart(call)
          requireUnchanged(call.exchange, cart)
          store.deleteCart(cart)
          call.exchange.respond(204, {})
        }
      }
    },
    {
      path: '/carts/:cart/items',
      methods: {
        GET: (call) => respondPage(call, 'items', ownCart(call).items),
        POST: async (call) => {
          ownCart(call)
          const content = await readItem(call.exchange)
          const cart = ownCart(call)
          const item = store.addItem(cart, content)
          if (item === undefined) throw new HttpError(409, `a cart holds ${limits.itemsPerCart} items`)
          const fields = { 'content-type': 'application/json', 'cache-control': 'no-store' }
          const location = `/carts/${cart.id}/items/${item.id}`
          call.exchange.respond(201, { ...fields, location, etag: item.etag }, item.body)
        }
      }
    },
    {
      path: '/carts/:cart/items/:item',
      methods: {
        GET: (call) => respondRepresentation(call.exchange, ownItem(call).item),
        PUT: async (call) => {
          ownItem(call)
          const content = await readItem(call.exchange)
          const { item } = ownItem(call)
          requireUnchanged(call.exchange, item)
          store.putItem(item, content)
          const fields = { 'content-type': 'application/json', 'cache-control': 'no-store' }
          call.exchange.respond(200, { ...fields, etag: item.etag }, item.body)
        },
        DELETE: (call) => {
          const { cart, item } = ownItem(call)
          requireUnchanged(call.exchange, item)
          store.deleteItem(cart, item)
          call.exchange.respond(204, {})
        }
      }
    }
  ]
}
