/** Which connections a piece of work opened: their transcripts, in the order in which they were opened. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Transcript } from './transcript.ts'

/** A crowd is not kept whole. */
const MOST_CONNECTIONS = 16

const records = new AsyncLocalStorage<Transcript[]>()

/** Runs the work and keeps what its connections do; work beside it is not seen. The newest recording that is open takes them. */
export async function recorded<T>(work: () => Promise<T>): Promise<{ value: T; wire: Transcript[] }> {
  const wire: Transcript[] = []
  return { value: await records.run(wire, work), wire }
}

/** Called for each connection that is opened. */
export function noteConnection(transcript: Transcript): void {
  const wire = records.getStore()
  if (wire !== undefined && wire.length < MOST_CONNECTIONS) wire.push(transcript)
}
