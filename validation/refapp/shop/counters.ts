/** What the server counts about itself; read by `/debug/vars`. Totals only ever grow. */
export interface Counters {
  connectionsAccepted: number
  connectionsClosed: number
  requests: number
  responses5xx: number
  badMessages: number
  panics: number
  sessionsCreated: number
  sessionsExpired: number
  sessionsEnded: number
  ownerMismatches: number
  eventsProduced: number
  subscribersDropped: number
}

export function createCounters(): Counters {
  return {
    connectionsAccepted: 0,
    connectionsClosed: 0,
    requests: 0,
    responses5xx: 0,
    badMessages: 0,
    panics: 0,
    sessionsCreated: 0,
    sessionsExpired: 0,
    sessionsEnded: 0,
    ownerMismatches: 0,
    eventsProduced: 0,
    subscribersDropped: 0
  }
}
