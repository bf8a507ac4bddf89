/** Every bound of the server in one place. Times in milliseconds, sizes in bytes. */
export const limits = {
  headBytes: 16 * 1024,
  jsonBytes: 256 * 1024,
  bodyBytes: 8 * 1024 * 1024,
  webSocketMessageBytes: 16 * 1024 * 1024,

  connections: 20_000,
  sessions: 20_000,
  cartsPerAccount: 200,
  itemsPerCart: 500,
  entries: 200_000,
  nameLength: 200,
  noteLength: 4_000,
  passwordLength: 200,
  quantity: 1_000,
  pageSize: 200,
  defaultPageSize: 50,

  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 10_000,
  connectionCheckInterval: 1_000,
  prefaceTimeout: 10_000,
  http2IdleTimeout: 25_000,
  lingerTimeout: 1_000,
  sessionIdleTime: 120_000,
  sessionSweepInterval: 5_000,
  stopTimeout: 4_500,

  http2Streams: 128,
  http2Window: 256 * 1024,

  eventInterval: 200,
  eventsKept: 4_096,
  eventHeartbeat: 5_000,
  eventRetry: 1_000,
  subscribers: 5_000,
  subscriberBacklogBytes: 1024 * 1024,

  webSocketPingInterval: 15_000,
  webSocketBacklogBytes: 4 * 1024 * 1024
} as const
