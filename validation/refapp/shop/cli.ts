import { runShop } from './main.ts'

await runShop(process.argv.slice(2))
