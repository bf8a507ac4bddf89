/** The walkers' model: `markov/SLUG.yaml`, checked when it is loaded. The format is told in docs/markov.md. */
import { z } from 'zod'
import { UserError } from '../../../kit/errors.ts'
import { nearest } from '../../../kit/suggest.ts'
import { readYaml } from '../../../target/manifest.ts'
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
  | { kind: 'json'; keys: string[] }
  | { kind: 'header' | 'cookie'; name: string }
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
  /** Sources that must be there and not empty. */
  has: [Source, string][]
  needs: readonly string[]
  forget: readonly string[]
  next: readonly string[]
  weights: readonly number[]
  shared: boolean
  lostWrite: boolean
  designed?: '5xx' | 'panic'
  endsSession: boolean
  /** May be sent before the answers of those before it: reads that keep nothing. */
  pipelines: boolean
}

export interface MarkovModel {
  /** File it came from, or a word for a built-in one. */
  source: string
  setup: readonly string[]
  start: string
  steps: ReadonlyMap<string, Step>
}

const BUILT_IN = new Set(['walker', 'secret', 'token', 'seq'])

/** Loads and checks a model. @throws UserError with every problem */
export function loadMarkov(path: string): MarkovModel {
  return buildModel(path, readYaml(path, path, modelSchema))
}

function buildModel(source: string, document: z.infer<typeof modelSchema>): MarkovModel {
  const problems: string[] = []
  const names = Object.keys(document.steps)
  const refer = (name: string, where: string): void => {
    if (names.includes(name)) return
    const near = nearest(name, names)
    problems.push(
      `${where}: there is no step "${name}"${near === undefined ? '' : `; did you mean "${near}"?`}`
    )
  }
  const steps = new Map<string, Step>()
  for (const [name, step] of Object.entries(document.steps)) {
    for (const target of Object.keys(step.next ?? {})) refer(target, `steps.${name}.next`)
    try {
      steps.set(name, buildStep(name, step))
    } catch (error) {
      problems.push(`steps.${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  refer(document.start, 'start')
  for (const name of document.setup ?? []) refer(name, 'setup')
  const saved = new Set([...steps.values()].flatMap((step) => step.save.map(([variable]) => variable)))
  for (const step of steps.values()) {
    const templates = [
      step.path,
      step.fields,
      ...(step.body === undefined ? [] : [step.body]),
      ...step.check.map(([, value]) => value)
    ]
    for (const variable of new Set(templates.flatMap((template) => template.names))) {
      if (BUILT_IN.has(variable) || saved.has(variable)) continue
      const near = nearest(variable, [...BUILT_IN, ...saved])
      problems.push(
        `steps.${step.name}: no step saves {{${variable}}}${near === undefined ? '' : `; did you mean {{${near}}}?`}`
      )
    }
    for (const variable of step.needs)
      if (!saved.has(variable)) problems.push(`steps.${step.name}.needs: no step saves "${variable}"`)
  }
  if (problems.length === 0) {
    const reached = new Set<string>()
    const walk = (name: string): void => {
      if (reached.has(name)) return
      reached.add(name)
      for (const target of steps.get(name)!.next) walk(target)
    }
    for (const name of [document.start, ...(document.setup ?? [])]) walk(name)
    for (const name of names) if (!reached.has(name)) problems.push(`steps.${name}: no step leads here`)
  }
  if (problems.length > 0) {
    throw new UserError(
      problems.length === 1
        ? `${source}: ${problems[0]!}`
        : [`${source}: ${problems.length} problems`, ...problems.map((text) => `  ${text}`)].join('\n')
    )
  }
  return { source, setup: document.setup ?? [], start: document.start, steps }
}

function buildStep(name: string, step: z.infer<typeof stepSchema>): Step {
  const at = step.request.indexOf(' ')
  const method = step.request.slice(0, at)
  const path = step.request.slice(at + 1).trim()
  if (!path.startsWith('/')) throw new Error(`the path "${path}" must begin with /`)
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
    parseSource(text)
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
    check: Object.entries(step.check ?? {}).map(([text, value]) => [
      parseSource(text),
      Template.parse(String(value)),
      text
    ]),
    has: (step.has ?? []).map((text) => [parseSource(text), text]),
    needs: step.needs ?? [],
    forget: step.forget ?? [],
    next: next.map(([target]) => target),
    weights: next.map(([, weight]) => weight),
    shared: step.shared ?? false,
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

function parseSource(text: string): Source {
  if (text === 'body' || text === 'status' || text === 'token') return { kind: text }
  const [kind, ...rest] = text.split('.')
  const name = rest.join('.')
  if (kind === 'json') {
    const keys = name
      .replaceAll(/\[(\d+)\]/g, '.$1')
      .split('.')
      .filter((key) => key !== '')
    return { kind, keys }
  }
  if ((kind === 'header' || kind === 'cookie') && name !== '')
    return { kind, name: kind === 'header' ? name.toLowerCase() : name }
  throw new Error(`"${text}" is no source; allowed: json.PATH, header.NAME, cookie.NAME, body, status, token`)
}

/** A model of the routes that the preflight found, for a server without one of its own. */
export function defaultModel({ routes }: Capabilities): MarkovModel {
  const steps: Record<string, z.input<typeof stepSchema>> = {}
  if (routes.get !== undefined)
    steps['get'] = { request: `GET ${routes.get.path}`, expect: [200, 204, 206, 301, 302, 304], shared: true }
  if (routes.health !== undefined)
    steps['health'] = { request: `GET ${routes.health.path}`, expect: [200, 204], shared: true }
  if (routes.echo !== undefined) {
    steps['echo'] = {
      request: `POST ${routes.echo.path}`,
      body: 'echo of {{token}}',
      headers: { 'X-Token': '{{token}}' },
      expect: [200, 201],
      check: { 'json.method': 'POST' }
    }
  }
  if (routes.post !== undefined && routes.echo === undefined)
    steps['post'] = { request: `POST ${routes.post.path}`, body: '{{token}}', expect: [200, 201, 202, 204] }
  if (routes.upload !== undefined)
    steps['upload'] = { request: `POST ${routes.upload.path}`, bytes: 16384, expect: [200, 201, 202, 204] }
  const names = Object.keys(steps)
  if (names.length === 0) {
    steps['get'] = { request: 'GET /', expect: [200], shared: true }
    names.push('get')
  }
  for (const name of names)
    steps[name]!.next = Object.fromEntries(names.map((target) => [target, target === 'get' ? 6 : 2]))
  return buildModel('the routes that were found', { version: 1, start: names[0]!, steps })
}
