/** Reads `probatorium.yml`; every error names the file, the line, what was found and what is allowed. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { isMap, isNode, LineCounter, parseDocument, type Document } from 'yaml'
import { z } from 'zod'
import {
  manifestSchema,
  type BackendName,
  type EngineDocument,
  type ManifestDocument,
  type RefappDocument
} from '../documents/manifest.ts'
import { waiverFileSchema, type Waiver } from '../documents/waivers.ts'
import { parseDuration } from '../kit/duration.ts'
import { UserError } from '../kit/errors.ts'
import { didYouMean, nearest } from '../kit/suggest.ts'
import type { RouteMap } from './types.ts'

/** One server to build and start: a refapp on an engine. */
export interface ServerSpec {
  refapp: string
  engine: string
  toolchain: 'none' | 'node' | 'go' | 'python'
  /** Absolute. */
  dir?: string
  build: string[][]
  run: string[]
  routes: RouteMap
  env: Record<string, string>
  backends: BackendName[]
  celeris: boolean
  debugVars: string
  readyTimeoutMs: number
  stopTimeoutMs: number
  /** Absolute. */
  markov?: string
}

export interface Manifest {
  /** Absolute path of the file. */
  path: string
  folder: string
  celerisVersion?: string
  servers: ServerSpec[]
  refapps: string[]
  engines: string[]
  gates: NonNullable<ManifestDocument['gates']>
}

export const MANIFEST_NAME = 'probatorium.yml'

/**
 * Loads the manifest.
 * @param named the file of `--config`; without it `probatorium.yml` here, or the one that comes with the suite
 * @param suiteRoot folder of the suite, for `{probatorium}`
 * @throws UserError
 */
export function loadManifest(named: string | undefined, suiteRoot: string): Manifest {
  const here = resolve(MANIFEST_NAME)
  const path =
    named === undefined ? (existsSync(here) ? here : join(suiteRoot, MANIFEST_NAME)) : resolve(named)
  const document = readYaml(path, named ?? path, manifestSchema)
  const folder = dirname(path)
  const servers = document.refapps.flatMap((refapp) => serversOf(refapp, folder, suiteRoot))
  return {
    path,
    folder,
    ...(document.celeris === undefined ? {} : { celerisVersion: document.celeris }),
    servers,
    refapps: [...new Set(servers.map(({ refapp }) => refapp))],
    engines: [...new Set(servers.map(({ engine }) => engine))],
    gates: document.gates ?? {}
  }
}

/**
 * Reads a file of waivers: `waivers: [{predicate, reason, expires, ...}]`, `accept: [{case, reason, owner, expires}]`.
 * @throws UserError
 */
export function loadWaivers(path: string): Waiver[] {
  const { waivers = [], accept = [] } = readYaml(resolve(path), path, waiverFileSchema)
  return [...waivers, ...accept]
}

function serversOf(refapp: RefappDocument, folder: string, suiteRoot: string): ServerSpec[] {
  const engines: [string, EngineDocument][] = Array.isArray(refapp.engines)
    ? refapp.engines.map((name) => [name, {}])
    : Object.entries(refapp.engines).map(([name, own]) => [name, own ?? {}])
  const at = (path: string): string => {
    const named = path.replaceAll('{probatorium}', suiteRoot)
    return isAbsolute(named) ? named : join(folder, named)
  }
  return engines.map(([engine, own]) => {
    const merged = { ...refapp, ...own }
    const dir = merged.dir
    const run = merged.run
    return {
      refapp: refapp.slug,
      engine,
      toolchain: merged.toolchain ?? 'none',
      ...(dir === undefined ? {} : { dir: at(dir) }),
      build: merged.build ?? [],
      // The schema has seen to it that each engine has one.
      run: (run ?? []).map((word) => word.replaceAll('{probatorium}', suiteRoot)),
      routes: compact({ ...refapp.routes, ...own.routes }),
      env: { ...refapp.env, ...own.env },
      backends: refapp.backends ?? [],
      celeris: refapp.celeris ?? false,
      debugVars: refapp.debug_vars ?? '/debug/vars',
      readyTimeoutMs:
        refapp.ready_timeout === undefined ? 30_000 : parseDuration(refapp.ready_timeout, 'ready_timeout'),
      stopTimeoutMs:
        refapp.stop_timeout === undefined ? 8000 : parseDuration(refapp.stop_timeout, 'stop_timeout'),
      ...(refapp.markov === undefined ? {} : { markov: at(refapp.markov) })
    }
  })
}

function compact(routes: Record<string, string | undefined>): RouteMap {
  return Object.fromEntries(Object.entries(routes).filter(([, path]) => path !== undefined))
}

/** Reads a YAML file by a schema, with the line of every problem. @throws UserError with all of them */
export function readYaml<T>(path: string, shown: string, schema: z.ZodType<T>): T {
  return readYamlWithLines(path, shown, schema).value
}

/** The same, and the line of a place in the file, for problems that no schema sees. */
export function readYamlWithLines<T>(
  path: string,
  shown: string,
  schema: z.ZodType<T>
): { value: T; lineAt(place: readonly PropertyKey[]): number } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const what =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EISDIR'
          ? 'it is a folder, not a file'
          : `cannot be read (${code})`
    throw new UserError({
      where: shown,
      what,
      fix: `name an existing file, or make one: see docs/manifest.md`
    })
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const syntax = document.errors[0]
  if (syntax !== undefined) {
    const { line, col } = lines.linePos(syntax.pos[0])
    throw new UserError({ where: `${shown}:${line}:${col}`, what: syntax.message })
  }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new UserError({ where: shown, what: `its aliases cannot be followed: ${(error as Error).message}` })
  }
  if (value === null || value === undefined) {
    throw new UserError({
      where: shown,
      what: 'the file is empty',
      fix: 'see docs/manifest.md for what it holds'
    })
  }
  const read = schema.safeParse(value)
  if (read.success) return { value: read.data, lineAt: (place) => lineOf(document, lines, place) }
  const problems = flattenIssues(read.error.issues).map((issue) =>
    describe(issue, value, document, lines, shown, schema)
  )
  throw new UserError(
    problems.length === 1
      ? problems[0]!
      : [`${shown}: ${problems.length} problems`, ...problems.map((text) => `  ${text}`)].join('\n')
  )
}

interface Issue {
  code: string
  path: PropertyKey[]
  message: string
  keys?: string[]
  /** What an enumeration allows. */
  values?: string[]
}

/** The issues of the branch of a union that came closest say more than "invalid input". */
function flattenIssues(issues: readonly z.core.$ZodIssue[], prefix: PropertyKey[] = []): Issue[] {
  return issues.flatMap((issue): Issue[] => {
    const path = [...prefix, ...issue.path]
    if (issue.code === 'invalid_union') {
      const branches = issue.errors.map((branch) => flattenIssues(branch, path))
      const deepest = branches.filter((branch) => branch.some((entry) => entry.path.length > path.length))
      const best = deepest.sort((a, b) => a.length - b.length)[0]
      if (best !== undefined) return best
    }
    return [
      {
        code: issue.code,
        path,
        message: issue.message,
        ...(issue.code === 'unrecognized_keys' ? { keys: issue.keys } : {}),
        ...(issue.code === 'invalid_value' ? { values: issue.values.map(String) } : {})
      }
    ]
  })
}

function describe(
  issue: Issue,
  value: unknown,
  document: Document,
  lines: LineCounter,
  shown: string,
  schema: z.ZodType
): string {
  const trail = issue.path.map(String).join('.') || 'the document'
  if (issue.keys !== undefined) {
    const allowed = keysAt(schema, issue.path)
    return issue.keys
      .map((key) => {
        const near = nearest(key, allowed)
        const meant = near === undefined ? '' : `; did you mean "${near}"?`
        const list = allowed.length === 0 ? '' : ` (allowed: ${allowed.join(', ')})`
        return `${shown}:${lineOf(document, lines, [...issue.path, key])}: unknown key "${key}" in ${trail}${meant}${list}`
      })
      .join('\n')
  }
  const at = `${shown}:${lineOf(document, lines, issue.path)}`
  const found = issue.path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key],
    value
  )
  if (found === undefined) return `${at}: ${trail} is missing`
  if (issue.values !== undefined) {
    const shownValue = JSON.stringify(found)
    return `${at}: ${trail}: ${shownValue} is not allowed${didYouMean(shownValue.replaceAll('"', ''), issue.values)} (allowed: ${issue.values.join(', ')})`
  }
  const told = issue.message.replace(/^Invalid input: /, '')
  const literal = typeof found === 'object' || issue.code === 'custom' ? '' : `${JSON.stringify(found)} `
  return `${at}: ${trail}: ${literal}${told}`
}

function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent: unknown = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true)
    const key = path[depth - 1]
    if (isMap(parent)) {
      const pair = parent.items.find(
        (item) => String((item.key as { value?: unknown } | null)?.value ?? item.key) === String(key)
      )
      if (pair !== undefined && isNode(pair.key) && pair.key.range)
        return lines.linePos(pair.key.range[0]).line
    }
    const node: unknown = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return 1
}

/** Keys allowed at a place of the schema, for the nearest right one. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  interface JsonSchema {
    properties?: Record<string, JsonSchema>
    items?: JsonSchema
    additionalProperties?: JsonSchema | boolean
    anyOf?: JsonSchema[]
  }
  let nodes: JsonSchema[] = [z.toJSONSchema(schema, { io: 'input' }) as JsonSchema]
  const unfold = (list: JsonSchema[]): JsonSchema[] =>
    list.flatMap((node) => (node.anyOf === undefined ? [node] : unfold(node.anyOf)))
  for (const key of path) {
    nodes = unfold(nodes).flatMap((node) => {
      if (typeof key === 'number') return node.items === undefined ? [] : [node.items]
      const inner = node.properties?.[String(key)] ?? node.additionalProperties
      return typeof inner === 'object' ? [inner] : []
    })
  }
  return [...new Set(unfold(nodes).flatMap((node) => Object.keys(node.properties ?? {})))]
}
