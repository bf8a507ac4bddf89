#!/usr/bin/env node
import { rootMain } from '../../index.js'
await rootMain()
