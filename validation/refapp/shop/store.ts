/**
 * Accounts, their sessions, carts and items, in memory. An account lives as long as one of its sessions:
 * the last logout or two idle minutes free everything it owned, so memory follows the live clients.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Counters } from './counters.ts'
import { limits } from './limits.ts'
import type { Representation } from './preconditions.ts'

export interface Item extends Representation {
  readonly id: string
}

export interface Cart extends Representation {
  readonly id: string
  readonly owner: Account
  readonly items: Map<string, Item>
}

export interface Account {
  readonly id: string
  readonly name: string
  readonly verifier: Buffer
  readonly carts: Map<string, Cart>
  sessions: number
}

export interface Session {
  readonly token: string
  readonly account: Account
  lastSeen: number
}

export interface CartContent {
  name: string
  note: string
}

export interface ItemContent {
  name: string
  quantity: number
}

const newId = (): string => randomBytes(8).toString('hex')

function represent(value: { id: string; version: number }): Representation {
  const body = JSON.stringify(value)
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }
}

export interface Store {
  /** Signs in, and creates the account when the name is free. Undefined when the password is wrong. */
  login(name: string, password: string): Session | undefined
  /** The live session of a token; marks it as seen. */
  session(token: string): Session | undefined
  logout(session: Session): void
  /** Undefined when the account is full. */
  addCart(account: Account, content: CartContent): Cart | undefined
  putCart(cart: Cart, content: CartContent): void
  deleteCart(cart: Cart): void
  /** Undefined when the cart is full. */
  addItem(cart: Cart, content: ItemContent): Item | undefined
  putItem(item: Item, content: ItemContent): void
  deleteItem(cart: Cart, item: Item): void
  sizes(): { accounts: number; sessions: number; carts: number; items: number }
  close(): void
}

export function createStore(counters: Counters): Store {
  const salt = randomBytes(32)
  const accounts = new Map<string, Account>()
  // In order of last use, the oldest first: Map keeps insertion order and every use inserts again.
  const sessions = new Map<string, Session>()
  const versions = new WeakMap<Representation, number>()
  let carts = 0
  let items = 0

  const verifierOf = (name: string, password: string): Buffer =>
    createHmac('sha256', salt)
      .update(JSON.stringify([name, password]))
      .digest()

  const renew = (entry: Representation & { id: string }, content: object): void => {
    const version = (versions.get(entry) ?? 0) + 1
    versions.set(entry, version)
    Object.assign(entry, represent({ id: entry.id, ...content, version }))
  }

  const deleteCart = (cart: Cart): void => {
    if (!cart.owner.carts.delete(cart.id)) return
    carts--
    items -= cart.items.size
    cart.items.clear()
  }

  const end = (session: Session): boolean => {
    if (!sessions.delete(session.token)) return false
    const { account } = session
    account.sessions--
    if (account.sessions === 0) {
      for (const cart of [...account.carts.values()]) deleteCart(cart)
      accounts.delete(account.name)
    }
    return true
  }

  const expire = (before: number): void => {
    for (const session of sessions.values()) {
      const crowded = sessions.size > limits.sessions || carts + items > limits.entries
      if (session.lastSeen >= before && !crowded) break
      if (end(session)) counters.sessionsExpired++
    }
  }

  const sweep = setInterval(() => expire(Date.now() - limits.sessionIdleTime), limits.sessionSweepInterval)
  sweep.unref()

  return {
    login(name, password) {
      const verifier = verifierOf(name, password)
      let account = accounts.get(name)
      if (account !== undefined && !timingSafeEqual(account.verifier, verifier)) return undefined
      if (account === undefined) {
        account = { id: newId(), name, verifier, carts: new Map(), sessions: 0 }
        accounts.set(name, account)
      }
      account.sessions++
      const session = { token: randomBytes(24).toString('base64url'), account, lastSeen: Date.now() }
      sessions.set(session.token, session)
      counters.sessionsCreated++
      if (sessions.size > limits.sessions) expire(0)
      return session
    },

    session(token) {
      const session = sessions.get(token)
      if (session === undefined) return undefined
      const now = Date.now()
      if (now - session.lastSeen > limits.sessionIdleTime) {
        if (end(session)) counters.sessionsExpired++
        return undefined
      }
      session.lastSeen = now
      sessions.delete(token)
      sessions.set(token, session)
      return session
    },

    logout(session) {
      if (end(session)) counters.sessionsEnded++
    },

    addCart(account, content) {
      if (account.carts.size >= limits.cartsPerAccount) return undefined
      const cart: Cart = { id: newId(), owner: account, items: new Map(), body: '', etag: '' }
      renew(cart, content)
      account.carts.set(cart.id, cart)
      carts++
      if (carts + items > limits.entries) expire(0)
      return cart
    },

    putCart: renew,
    deleteCart,

    addItem(cart, content) {
      if (cart.items.size >= limits.itemsPerCart) return undefined
      const item: Item = { id: newId(), body: '', etag: '' }
      renew(item, content)
      cart.items.set(item.id, item)
      items++
      if (carts + items > limits.entries) expire(0)
      return item
    },

    putItem: renew,

    deleteItem(cart, item) {
      if (cart.items.delete(item.id)) items--
    },

    sizes: () => ({ accounts: accounts.size, sessions: sessions.size, carts, items }),
    close: () => clearInterval(sweep)
  }
}
