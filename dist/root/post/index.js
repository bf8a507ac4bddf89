#!/usr/bin/env node
import { rootPost } from '../../index.js'
await rootPost()
