#!/usr/bin/env node
import { validateMatrixMain } from '../../index.js'
await validateMatrixMain()
