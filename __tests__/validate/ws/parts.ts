/** The two tables of the WebSocket mutants: what is quick, and what needs crowds, floods or time. */
import { WS_CASES } from '../../../src/validate/catalogue/ws/index.ts'
import type { Slice } from '../../../src/validate/contracts.ts'
import { wsSlice } from '../../../src/validate/traffic/ws/index.ts'
import type { Switch } from '../../fixture/types.ts'
import { wsSwitches } from '../../fixture/ws-switches.ts'

const LONG_PLAYS = ['idle', 'closes', 'unread', 'aborts', 'bomb']

/** Crowds, floods and clients that take their time. */
export const long = new Set(
  WS_CASES.filter(
    (spec) =>
      LONG_PLAYS.includes(spec.play) ||
      ('forMs' in spec && spec.forMs !== undefined) ||
      ('pauseMs' in spec && spec.pauseMs !== undefined) ||
      (spec.play === 'stream' && spec.messages > 1000)
  ).map(({ id }) => id)
)

/** The slice with the cases of a part. */
export const partOf = (wants: (id: string) => boolean): Slice => ({
  ...wsSlice,
  run: (context) => wsSlice.run({ ...context, wants })
})

/**
 * The switches that break a case of a part, and what they break of it.
 * @param lawful with them those that break nothing at all
 */
export const breaking = (part: (id: string) => boolean, lawful: boolean): Switch[] =>
  wsSwitches
    .filter(({ breaks }) => breaks.some((id) => id === '*' || part(id)) || (lawful && breaks.length === 0))
    .map((entry) => ({ ...entry, breaks: entry.breaks.filter((id) => id === '*' || part(id)) }))
