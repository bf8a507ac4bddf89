/** HTTP/2 cases in clear: the cases, their shapes, and how people read them. */
export * from './cases.ts'
export { h2cInfos } from './infos.ts'
export type {
  H2cBlock,
  H2cChurnCase,
  H2cExpectation,
  H2cFloodCase,
  H2cFrame,
  H2cFrameCase,
  H2cPlayedFlood,
  H2cPriorCase,
  H2cStage,
  H2cUnitFrame,
  H2cUpgradeCase,
  H2cWay,
  H2cWrong
} from './schema.ts'
