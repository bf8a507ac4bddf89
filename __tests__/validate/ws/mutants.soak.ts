/** The whole table: each switch against all cases of the slice. */
import { playMutants } from '../mutants.ts'
import { table } from './mutants.table.ts'

playMutants(table, true)
