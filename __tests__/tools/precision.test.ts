import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { loadManifest } from '../../src/target/manifest.ts'
import { catalogueInfos } from '../../src/validate/catalogue/list.ts'
import { knownDeviationsPage, readKnown } from '../../tools/known-deviations.ts'
import { root } from '../support/suite.ts'

const known = readKnown(root)

test('each known deviation names a case of the catalogue', () => {
  const cases = new Set(catalogueInfos().map(({ id }) => id))
  expect(known.deviations.filter((entry) => !cases.has(entry.case))).toEqual([])
})

test('the servers of the deviations are those of the manifest', () => {
  const { servers } = loadManifest(join(root, '__tests__/precision/probatorium.yml'), root)
  const names = servers.map(({ refapp, engine }) => `${refapp}/${engine}`)
  expect(Object.keys(known.servers).sort()).toEqual(names.sort())
})

test('the page shows every deviation, and a server without any', () => {
  const page = knownDeviationsPage(known)
  for (const { server, evidence } of known.deviations) {
    expect(page).toContain(`## ${server}\n`)
    expect(page).toContain(evidence.replaceAll('|', '\\|'))
  }
  const clean = knownDeviationsPage({ servers: { 'a/b': 'B 1' }, deviations: [] })
  expect(clean).toContain('## a/b\n\nB 1.\n\nNothing at HIGH or MED.\n')
})
