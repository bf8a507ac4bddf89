/** autocannon as a process of its own: `autocannon.ts URL CONNECTIONS REQUESTS`; prints what it did and what it cost. */
import { createRequire } from 'node:module'
import { usage } from './usage.ts'

type Autocannon = (options: {
  url: string
  connections: number
  amount: number
  pipelining: number
}) => Promise<{ '2xx': number; non2xx: number; errors: number }>

const autocannon = createRequire(import.meta.url)('autocannon') as Autocannon
const [base, connections, requests] = process.argv.slice(2)
const result = await autocannon({
  // As long as the paths of the walkers.
  url: `${base}/t/pt10-0123456789`,
  connections: Number(connections),
  amount: Number(requests),
  pipelining: 1
})
console.log(JSON.stringify(usage(result['2xx'], result.non2xx + result.errors)))
