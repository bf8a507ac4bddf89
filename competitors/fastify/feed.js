const INTERVAL = 200
const KEPT = 4096
const MAX_BACKLOG = 1024 * 1024

/** Numbered events, five a second (WHATWG HTML, server-sent events). An event's text follows from its number. */
export function createFeed() {
  const subscribers = new Set()
  let last = 0

  const text = (id) => `id: ${id}\nevent: tick\ndata: {"id":${id}}\n\n`
  const timer = setInterval(() => {
    last++
    const event = text(last)
    for (const response of subscribers) {
      response.write(event)
      // A reader this slow is dropped; it can resume.
      if (response.writableLength > MAX_BACKLOG) response.destroy()
    }
  }, INTERVAL)
  timer.unref()

  return {
    subscribe(response, lastEventId) {
      const seen = /^\d{1,15}$/.test(lastEventId ?? '') ? Number(lastEventId) : -1
      let begin = 'retry: 1000\n\n'
      if (seen >= Math.max(0, last - KEPT)) {
        for (let id = seen + 1; id <= last; id++) begin += text(id)
      }
      response.write(begin)
      subscribers.add(response)
      response.once('close', () => subscribers.delete(response))
    },
    get size() {
      return subscribers.size
    },
    close() {
      clearInterval(timer)
      for (const response of subscribers) response.end()
      subscribers.clear()
    }
  }
}
