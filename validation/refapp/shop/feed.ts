/** The event stream (WHATWG HTML, server-sent events): one producer, a ring of past events, many subscribers. */
import type { Counters } from './counters.ts'
import type { Outlet } from './exchange.ts'
import { limits } from './limits.ts'

const NAMES = ['price', 'stock', 'order'] as const

export interface Feed {
  /**
   * Sends what the ring holds after `lastEventId`, then every new event. An id that this server never gave,
   * or that is malformed, begins with the next event.
   */
  subscribe(outlet: Outlet, lastEventId: string | undefined): void
  readonly subscribers: number
  readonly kept: number
  /** Ends every stream and the producer. */
  close(): void
}

export function createFeed(counters: Counters): Feed {
  const subscribers = new Set<Outlet>()
  // The event with id n is at n % eventsKept.
  const ring: string[] = []
  let last = 0

  const send = (outlet: Outlet, text: string): void => {
    outlet.write(text)
    if (outlet.backlog <= limits.subscriberBacklogBytes) return
    // A reader this slow is dropped; it can resume from the ring.
    subscribers.delete(outlet)
    counters.subscribersDropped++
    outlet.destroy()
  }

  const produce = (): void => {
    last++
    counters.eventsProduced++
    const data = JSON.stringify({ id: last, at: new Date().toISOString(), sku: `sku-${(last % 24) + 1}` })
    const text = `id: ${last}\nevent: ${NAMES[last % NAMES.length]}\ndata: ${data}\n\n`
    ring[last % limits.eventsKept] = text
    for (const outlet of subscribers) send(outlet, text)
  }

  const beat = (): void => {
    for (const outlet of subscribers) send(outlet, ': heartbeat\n\n')
  }

  const producer = setInterval(produce, limits.eventInterval)
  const heartbeat = setInterval(beat, limits.eventHeartbeat)
  producer.unref()
  heartbeat.unref()

  return {
    subscribe(outlet, lastEventId) {
      const oldest = Math.max(1, last - limits.eventsKept + 1)
      const seen = /^\d{1,15}$/.test(lastEventId ?? '') ? Number(lastEventId) : undefined
      let text = `retry: ${limits.eventRetry}\n\n`
      if (seen !== undefined && seen >= oldest - 1 && seen <= last) {
        for (let id = seen + 1; id <= last; id++) text += ring[id % limits.eventsKept] ?? ''
      }
      outlet.write(text)
      subscribers.add(outlet)
      outlet.onClose(() => subscribers.delete(outlet))
    },
    get subscribers() {
      return subscribers.size
    },
    get kept() {
      return Math.min(last, limits.eventsKept)
    },
    close() {
      clearInterval(producer)
      clearInterval(heartbeat)
      for (const outlet of subscribers) outlet.end()
      subscribers.clear()
    }
  }
}
