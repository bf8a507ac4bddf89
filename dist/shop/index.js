#!/usr/bin/env node
import { runShop } from '../index.js'
await runShop(process.argv.slice(2))
