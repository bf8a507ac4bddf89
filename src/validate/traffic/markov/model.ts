/** The walkers' model: `markov/SLUG.yaml`, checked when it is loaded. The format is told in docs/markov.md. */
import { z } from 'zod'
import { UserError } from '../../../kit/errors.ts'
import { nearest } from '../../../kit/suggest.ts'
import { readYamlWithLines } from '../../../target/manifest.ts'
import type { Capabilities } from '../../contracts.ts'
import { Template } from './template.ts'

const scalar = z.union([z.string(), z.number(), z.boolean()])
const stepSchema = z.strictObject({
  request: z.string().regex(/^[A-Z]+ \S.*$/, 'must be METHOD and path, such as GET /items'),
  headers: z.record(z.string(), scalar).optional(),
  bearer: z.string().optional(),
  json: z.unknown().optional(),
  form: z.record(z.string(), scalar).optional(),
  body: z.string().optional(),
  /** A body of this many bytes, made of the request's token. */
  bytes: z.int().min(0).max(16777216).optional(),
  expect: z.array(z.int().min(200).max(599)).min(1),
  save: z.record(z.string(), z.string()).optional(),
  check: z.record(z.string(), scalar).optional(),
  differs: z.record(z.string(), scalar).optional(),
  occurs: z.record(z.string(), z.union([z.int().min(0), z.literal('some')])).optional(),
  has: z.array(z.string()).optional(),
  needs: z.array(z.string()).optional(),
  forget: z.array(z.string()).optional(),
  next: z.record(z.string(), z.number().positive()).optional(),
  shared: z.boolean().optional(),
  lost_write: z.boolean().optional(),
  designed: z.enum(['5xx', 'panic']).optional(),
  ends_session: z.boolean().optional(),
  logout: z.boolean().optional()
})
const modelSchema = z.strictObject({
  version: z.literal(1),
  setup: z.array(z.string()).optional(),
  start: z.string(),
  steps: z.record(z.string().regex(/^[a-z0-9_]+$/, 'lower-case letters, digits and _'), stepSchema)
})

export type Source =
  | { kind: 'json' | 'base64'; keys: string[] }
  | { kind: 'header' | 'cookie' | 'var'; name: string }
  | { kind: 'body' | 'status' | 'token' }

export interface Step {
  name: string
  method: string
  path: Template
  /** All fields of the step, as lines. */
  fields: Template
  /** A Cookie field of the step's own stands in for the walker's cookies: there is one such field (RFC 6265 5.4). */
  ownCookies: boolean
  /** It says which content codings it takes. */
  coded: boolean
  body?: Template
  /** Escape of variables within the body. */
  bodyIs: 'json' | 'form' | 'text'
  bytes?: number
  expect: readonly number[]
  save: [string, Source][]
  check: [Source, Template, string][]
  /** Sources that must be there with another value. */
  differs: [Source, Template, string][]
  /** How often a text stands in the body. */
  occurs: [Template, number | 'some', string][]
  /** Sources that must be there and not empty. */
  has: [Source, string][]
  needs: readonly string[]
  forget: readonly string[]
  next: readonly string[]
  weights: readonly number[]
  shared: boolean
  /** More than the status is looked at, or something is kept. */
  looks: boolean
  lostWrite: boolean
  designed?: '5xx' | 'panic'
  endsSession: boolean
  /** May be sent before the answers of those before it: reads that keep nothing. */
  pipelines: boolean
}

export interface MarkovModel {
  /** File it came from, or a word for a built-in one. */
  source: string
  /** Made of routes that the preflight found, and not by a person who knows the server. */
  found: boolean
  setup: readonly string[]
  start: string
  steps: ReadonlyMap<string, Step>
}

const BUILT_IN = new Set(['walker', 'secret', 'token', 'seq'])

/** Loads and checks a model. @throws UserError with every problem */
export function loadMarkov(path: string): MarkovModel {
  const { value, lineAt } = readYamlWithLines(path, path, modelSchema)
  return buildModel(path, value, lineAt)
}

/** A place in the document, as keys from its root. */
type Place = readonly (string | number)[]

function buildModel(
  source: string,
  document: z.infer<typeof modelSchema>,
  lineAt?: (place: Place) => number
): MarkovModel {
  const problems: string[] = []
  const problem = (place: Place, what: string): void => {
    const line = lineAt === undefined ? '' : `:${lineAt(place)}`
    problems.push(`${source}${line}: ${place.join('.')}: ${what}`)
  }
  const names = Object.keys(document.steps)
  const refer = (name: string, place: Place): void => {
    if (!names.includes(name)) problem(place, `there is no step "${name}"${instead(name, names)}`)
  }
  const steps = new Map<string, Step>()
  for (const [name, step] of Object.entries(document.steps)) {
    for (const target of Object.keys(step.next ?? {})) refer(target, ['steps', name, 'next', target])
    try {
      steps.set(name, buildStep(name, step))
    } catch (error) {
      if (!(error instanceof BadStep)) throw error
      problem(['steps', name, ...error.place], error.message)
    }
    for (const variable of Object.keys(step.save ?? {}))
      if (BUILT_IN.has(variable))
        problem(
          ['steps', name, 'save', variable],
          `"${variable}" is the walker's own; save it under another name`
        )
  }
  refer(document.start, ['start'])
  for (const [i, name] of (document.setup ?? []).entries()) refer(name, ['setup', i])
  const saved = new Set([...steps.values()].flatMap((step) => step.save.map(([variable]) => variable)))
  for (const step of steps.values()) {
    const unknown = (variable: string, place: Place): void =>
      problem(
        ['steps', step.name, ...place],
        `no step saves {{${variable}}}${instead(variable, [...BUILT_IN, ...saved])}`
      )
    for (const [place, templates] of templatesOf(step))
      for (const variable of new Set(templates.flatMap((template) => template.names)))
        if (!BUILT_IN.has(variable) && !saved.has(variable)) unknown(variable, place)
    for (const [name, source] of step.save)
      if (source.kind === 'var' && !saved.has(source.name)) unknown(source.name, ['save', name])
    for (const [i, variable] of step.needs.entries())
      if (!saved.has(variable)) unknown(variable, ['needs', i])
  }
  if (problems.length === 0) {
    const reached = new Set<string>()
    const walk = (name: string): void => {
      if (reached.has(name)) return
      reached.add(name)
      for (const target of steps.get(name)!.next) walk(target)
    }
    for (const name of [document.start, ...(document.setup ?? [])]) walk(name)
    for (const name of names)
      if (!reached.has(name)) problem(['steps', name], 'no step leads here; name it in a next, or remove it')
  }
  if (problems.length > 0) {
    throw new UserError(
      problems.length === 1
        ? problems[0]!
        : [`${source}: ${problems.length} problems`, ...problems.map((text) => `  ${text}`)].join('\n')
    )
  }
  return { source, found: lineAt === undefined, setup: document.setup ?? [], start: document.start, steps }
}

/** What is wrong with a step, and where in it. */
class BadStep extends Error {
  readonly place: Place
  constructor(place: Place, message: string) {
    super(message)
    this.place = place
  }
}

/** `; did you mean "list"?` or what is allowed. */
function instead(name: string, allowed: readonly string[]): string {
  const near = nearest(name, allowed)
  return near === undefined ? ` (there are: ${allowed.join(', ')})` : `; did you mean "${near}"?`
}

/** The templates of a step by the place where they stand. */
function templatesOf(step: Step): [Place, Template[]][] {
  return [
    [['request'], [step.path]],
    [['headers'], [step.fields]],
    [[step.bodyIs === 'text' ? 'body' : step.bodyIs], step.body === undefined ? [] : [step.body]],
    ...step.check.map(([, wanted, text]): [Place, Template[]] => [['check', text], [wanted]]),
    ...step.differs.map(([, wanted, text]): [Place, Template[]] => [['differs', text], [wanted]]),
    ...step.occurs.map(([wanted, , text]): [Place, Template[]] => [['occurs', text], [wanted]])
  ]
}

function buildStep(name: string, step: z.infer<typeof stepSchema>): Step {
  const at = step.request.indexOf(' ')
  const method = step.request.slice(0, at)
  const path = step.request.slice(at + 1).trim()
  if (!path.startsWith('/')) throw new BadStep(['request'], `the path "${path}" must begin with /`)
  const headers = Object.entries(step.headers ?? {}).map(([key, value]) => [key, String(value)])
  if (step.bearer !== undefined) headers.push(['Authorization', `Bearer ${step.bearer}`])
  const has = (key: string): boolean => headers.some(([header]) => header!.toLowerCase() === key)
  let body: Template | undefined
  let bodyIs: Step['bodyIs'] = 'text'
  if (step.json !== undefined) {
    body = Template.parse(JSON.stringify(step.json))
    bodyIs = 'json'
    if (!has('content-type')) headers.push(['Content-Type', 'application/json'])
  } else if (step.form !== undefined) {
    body = Template.parse(
      Object.entries(step.form)
        .map(([key, value]) => `${encodeURIComponent(key)}=${String(value)}`)
        .join('&')
    )
    bodyIs = 'form'
    if (!has('content-type')) headers.push(['Content-Type', 'application/x-www-form-urlencoded'])
  } else if (step.body !== undefined) body = Template.parse(step.body)
  const save = Object.entries(step.save ?? {}).map(([variable, text]): [string, Source] => [
    variable,
    parseSource(text, ['save', variable])
  ])
  const next = Object.entries(step.next ?? {})
  return {
    name,
    method,
    path: Template.parse(path),
    fields: Template.parse(headers.map(([key, value]) => `${key}: ${value}\r\n`).join('')),
    ownCookies: has('cookie'),
    coded: has('accept-encoding'),
    ...(body === undefined ? {} : { body }),
    bodyIs,
    ...(step.bytes === undefined ? {} : { bytes: step.bytes }),
    expect: step.expect,
    save,
    check: comparisons('check', step.check),
    differs: comparisons('differs', step.differs),
    occurs: Object.entries(step.occurs ?? {}).map(([text, times]) => [Template.parse(text), times, text]),
    has: (step.has ?? []).map((text, i) => [parseSource(text, ['has', i]), text]),
    needs: step.needs ?? [],
    forget: step.forget ?? [],
    next: next.map(([target]) => target),
    weights: next.map(([, weight]) => weight),
    shared: step.shared ?? false,
    looks: [step.check, step.differs, step.occurs, step.has, step.save].some(
      (part) => part !== undefined && Object.keys(part).length > 0
    ),
    lostWrite: step.lost_write ?? false,
    ...(step.designed === undefined ? {} : { designed: step.designed }),
    endsSession: (step.ends_session ?? false) || (step.logout ?? false),
    pipelines:
      method === 'GET' &&
      save.length === 0 &&
      (step.forget ?? []).length === 0 &&
      step.designed === undefined &&
      !(step.ends_session ?? false)
  }
}

function comparisons(
  key: 'check' | 'differs',
  entries: Record<string, z.infer<typeof scalar>> | undefined
): [Source, Template, string][] {
  return Object.entries(entries ?? {}).map(([text, value]) => [
    parseSource(text, [key, text]),
    Template.parse(String(value)),
    text
  ])
}

function parseSource(text: string, place: Place): Source {
  if (text === 'body' || text === 'status' || text === 'token') return { kind: text }
  const [kind, ...rest] = text.split('.')
  const name = rest.join('.')
  if (kind === 'json' || kind === 'base64') {
    const keys = name
      .replaceAll(/\[(\d+)\]/g, '.$1')
      .split('.')
      .filter((key) => key !== '')
    return { kind, keys }
  }
  if ((kind === 'header' || kind === 'cookie' || kind === 'var') && name !== '')
    return { kind, name: kind === 'header' ? name.toLowerCase() : name }
  throw new BadStep(
    place,
    `"${text}" is no source; allowed: json.PATH, base64.PATH, header.NAME, cookie.NAME, var.NAME, body, status, token`
  )
}

const READ = [200, 201, 202, 203, 204, 206, 301, 302, 303, 304, 307, 308, 429]
/** What a route that nobody described may say to a body that it did not ask for. */
const TAKEN = [...READ, 400, 401, 403, 404, 405, 409, 411, 413, 415, 422]

/**
 * A model of the routes that the preflight found, for a server without one of its own. It claims no more than every
 * server owes: an answer that is framed as it says, no 5xx, the tokens of nobody else, an echo of what was sent.
 * Without a route it has no steps.
 */
export function defaultModel({ routes }: Capabilities): MarkovModel {
  const steps: Record<string, z.input<typeof stepSchema>> = {}
  if (routes.get !== undefined)
    steps['get'] = { request: `GET ${routes.get.path}`, expect: READ, shared: true }
  if (routes.health !== undefined && routes.health.path !== routes.get?.path)
    steps['health'] = { request: `GET ${routes.health.path}`, expect: READ, shared: true }
  if (routes.echo !== undefined) {
    steps['echo'] = {
      request: `POST ${routes.echo.path}`,
      body: '{{token}}',
      headers: { 'X-Token': '{{token}}' },
      expect: [200, 201, 429],
      check: { 'json.method': 'POST', 'base64.body': '{{token}}' }
    }
  }
  if (routes.post !== undefined && routes.echo === undefined)
    steps['post'] = { request: `POST ${routes.post.path}`, body: '{{token}}', expect: TAKEN, shared: true }
  if (routes.upload !== undefined)
    steps['upload'] = { request: `POST ${routes.upload.path}`, bytes: 16384, expect: TAKEN }
  const names = Object.keys(steps)
  for (const name of names)
    steps[name]!.next = Object.fromEntries(names.map((target) => [target, target === 'get' ? 6 : 2]))
  if (names.length === 0) return { source: 'no route', found: true, setup: [], start: '', steps: new Map() }
  return buildModel('the routes that were found', { version: 1, start: names[0]!, steps })
}
