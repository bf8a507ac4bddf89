/** The import table of the house: which room may import which. */
const ROOMS = {
  wire: [],
  documents: [],
  kit: ['documents'],
  target: ['kit', 'documents'],
  validate: ['wire', 'target', 'kit', 'documents'],
  report: ['documents'],
  cli: ['wire', 'documents', 'kit', 'target', 'validate', 'report']
}
const forbidden = Object.entries(ROOMS).map(([room, allowed]) => ({
  name: `room-${room}`,
  comment: `src/${room} may import ${allowed.length === 0 ? 'nothing of ours' : allowed.join(', ')}`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^(src|actions|tools|validation)/', pathNot: `^src/(${[room, ...allowed].join('|')})/` }
}))
module.exports = {
  forbidden: [
    ...forbidden,
    { name: 'no-circle', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'documents-zod-only', severity: 'error', from: { path: '^src/documents/' }, to: { dependencyTypes: ['npm'], pathNot: 'node_modules/zod/' } },
    { name: 'no-test-imports', severity: 'error', from: { path: '^(src|actions)/' }, to: { path: '^__tests__/' } }
  ],
  options: { doNotFollow: { path: 'node_modules' }, tsPreCompilationDeps: true, tsConfig: { fileName: 'tsconfig.json' } }
}
