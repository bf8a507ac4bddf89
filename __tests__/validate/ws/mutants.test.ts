/** Each switch of the fixture's WebSocket flips exactly its own cases; with all off there is nothing to report. */
import { playMutants } from '../mutants.ts'
import { table } from './mutants.table.ts'

playMutants(table)
