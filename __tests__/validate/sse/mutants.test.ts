/** Each switch against the cases near its own; the one that takes minutes runs in test:soak. */
import { playMutants, without } from '../mutants.ts'
import { table } from './mutants.table.ts'

playMutants(without(table, 'sse-crowd-hangs'))
