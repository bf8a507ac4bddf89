/** Reads `-bind HOST:PORT -engine fastify`; ends the process with code 2 when it cannot. */
export function parseOptions(argv) {
  const given = { bind: '127.0.0.1:8080', engine: 'fastify' }
  for (let index = 0; index < argv.length; index += 2) {
    const name = /^--?(bind|engine)$/.exec(argv[index])?.[1]
    if (name === undefined || argv[index + 1] === undefined) {
      return fail(`bad argument "${argv[index]}"; known are -bind HOST:PORT and -engine fastify`)
    }
    given[name] = argv[index + 1]
  }
  if (given.engine !== 'fastify') return fail(`unknown engine "${given.engine}"; the engine is fastify`)
  const bind = /^(?:\[([0-9a-f:.]+)\]|([^:]+)):(\d{1,5})$/i.exec(given.bind)
  if (bind === null) return fail(`-bind "${given.bind}" is not HOST:PORT`)
  return { host: bind[1] ?? bind[2], port: Number(bind[3]) }
}

function fail(message) {
  console.error(`fastify: ${message}`)
  process.exit(2)
}
