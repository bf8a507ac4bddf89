/** WebSocket cases: what each sends, what is right, and what is wrong how hard. */
export type {
  WsAbortsCase,
  WsBombCase,
  WsClosesCase,
  WsCrowdCase,
  WsDependentCase,
  WsEchoCase,
  WsExpectation,
  WsFragmentsCase,
  WsFrame,
  WsFrameCase,
  WsHandshakeCase,
  WsIdleCase,
  WsItem,
  WsKillCase,
  WsKillStage,
  WsKillWay,
  WsOutcome,
  WsPingsCase,
  WsSequencesCase,
  WsUnreadCase
} from './schema.ts'
export { outcomeOf, outcomesOf, WS_CASES, wsCases, type WsCase } from './cases.ts'
export { wsInfos } from './info.ts'
