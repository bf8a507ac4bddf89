/** One question to the server on a connection of its own, strictly parsed. */
import { Connection, ConnectFailed, WriteFailed } from '../../wire/tcp.ts'
import { parseResponses, type HttpResponse, type ParseError } from '../../wire/http1.ts'

export interface Reply {
  responses: HttpResponse[]
  error?: ParseError
  /** Why nothing could be asked: refused, timed out, gone while writing. */
  failed?: string
  closed: 'eof' | 'reset' | 'open'
  received: Buffer
  ms: number
}

export interface Question {
  host: string
  port: number
  bytes: Buffer
  /** Methods of the requests within the bytes, in order. */
  methods: readonly string[]
  /** Responses to wait for; default all. */
  wanted?: number
  timeoutMs: number
  /** Also wait for the server's close, at most this long. */
  waitCloseMs?: number
}

/** Sends the bytes, waits for the wanted number of final responses. Never throws. */
export async function ask(question: Question): Promise<Reply> {
  const { host, port, bytes, methods, timeoutMs } = question
  const wanted = question.wanted ?? methods.length
  const begun = performance.now()
  let connection: Connection
  try {
    connection = await Connection.connect({ host, port, timeoutMs })
  } catch (error) {
    const failed = error instanceof ConnectFailed ? error.code : String(error)
    return { responses: [], failed, closed: 'open', received: Buffer.alloc(0), ms: performance.now() - begun }
  }
  let failed: string | undefined
  try {
    // A server may answer and close before it has read everything: its answer counts.
    const written = connection.write(bytes).catch((error: unknown) => {
      if (!(error instanceof WriteFailed)) throw error
      failed = error.message
    })
    const parse = (received: Buffer, closed: boolean): ReturnType<typeof parseResponses> =>
      parseResponses(received, methods, closed)
    await connection.waitFor((received, state) => {
      const parsed = parse(received, state !== 'open')
      return parsed.error !== undefined || parsed.responses.length >= wanted ? true : undefined
    }, timeoutMs)
    const ms = performance.now() - begun
    if (question.waitCloseMs !== undefined) await connection.waitClose(question.waitCloseMs)
    const { responses, error } = parse(connection.received, connection.state !== 'open')
    if (responses.length > 0) failed = undefined
    void written
    return {
      responses,
      ...(error === undefined ? {} : { error }),
      ...(failed === undefined ? {} : { failed }),
      closed: connection.state,
      received: Buffer.from(connection.received),
      ms
    }
  } finally {
    connection.destroy()
  }
}
