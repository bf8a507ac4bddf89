/** Places and values with which cases are shown to people. */
import type { Values } from './render.ts'

export const EXAMPLE: Values = {
  host: 'localhost:8080',
  name: 'localhost',
  get: '/get?n=1',
  path: '/get',
  post: '/post?n=1',
  unknown: '/no-such-path',
  type: '',
  body: 'abc',
  canary: 'GET /get?n=2 HTTP/1.1\r\nHost: localhost:8080\r\n\r\n',
  evil: 'GET /get?n=3 HTTP/1.1\r\nHost: localhost:8080\r\n\r\n'
}
