#!/usr/bin/env node
import { validateMatrixPost } from '../../index.js'
await validateMatrixPost()
