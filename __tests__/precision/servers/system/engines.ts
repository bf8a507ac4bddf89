/** Configurations of the servers that Debian packages: an origin with two fixed routes, or a proxy before a Node server. */
import { join } from 'node:path'

export interface Place {
  port: number
  /** Port of the Node server behind a proxy. */
  behind: number
  /** For configuration, logs, temporary files; its folder www holds index.txt and healthz. */
  folder: string
}

export interface Engine {
  program: string
  packageName: string
  /** Needs a server behind it. */
  proxy?: true
  config(place: Place): string
  args(file: string, place: Place): string[]
}

const FIXED = `
    location = / { return 200 'Hello, World!'; }
    location = /healthz { return 200 'Hello, World!'; }
    location / { return 404; }`

function nginx(http: string, listen: string, locations: (place: Place) => string): Engine {
  return {
    program: 'nginx',
    packageName: 'nginx',
    config: (place) => `
daemon off;
worker_processes 1;
pid ${place.folder}/pid;
worker_rlimit_nofile 20000;
events { worker_connections 8192; }
http {
  access_log off;
  error_log ${place.folder}/error.log crit;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${place.folder}/${kind};`).join('\n  ')}
  default_type text/plain;
  ${http}
  server {
    listen 127.0.0.1:${place.port}${listen};
    ${locations(place)}
  }
}
`,
    args: (file, { folder }) => ['-p', folder, '-c', file, '-e', join(folder, 'error.log')]
  }
}

const APACHE_MODULES = ['mpm_event', 'authz_core', 'mime', 'dir', 'http2', 'reqtimeout']

export const ENGINES: Record<string, Engine> = {
  nginx: nginx('', '', () => FIXED),
  // Before 1.25.1 a clear port speaks either HTTP/1 or HTTP/2.
  'nginx-h2': nginx('', ' http2', () => FIXED),
  'nginx-proxy': {
    ...nginx(
      "map $http_upgrade $hop { default upgrade; '' ''; }",
      '',
      ({ behind }) => `
    client_max_body_size 8m;
    location / {
      proxy_pass http://127.0.0.1:${behind};
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $hop;
    }`
    ),
    proxy: true
  },
  apache: {
    program: 'apache2',
    packageName: 'apache2-bin',
    config: ({ port, folder }) => `
ServerName localhost
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
Listen 127.0.0.1:${port}
ErrorLog ${folder}/error.log
LogLevel crit
${APACHE_MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
${process.getuid?.() === 0 ? 'User www-data\nGroup www-data' : ''}
TypesConfig /dev/null
Protocols h2c http/1.1
DocumentRoot ${folder}/www
DirectoryIndex index.txt
<Directory ${folder}/www>
  ForceType text/plain
</Directory>
`,
    args: (file) => ['-DFOREGROUND', '-f', file]
  },
  haproxy: {
    program: 'haproxy',
    packageName: 'haproxy',
    proxy: true,
    config: ({ port, behind }) => `
global
  maxconn 2000
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  timeout http-request 10s
frontend front
  bind 127.0.0.1:${port}
  default_backend back
backend back
  server node 127.0.0.1:${behind}
`,
    args: (file) => ['-db', '-f', file]
  },
  lighttpd: {
    program: 'lighttpd',
    packageName: 'lighttpd',
    config: ({ port, folder }) => `
server.document-root = "${folder}/www"
server.bind = "127.0.0.1"
server.port = ${port}
server.errorlog = "${folder}/error.log"
index-file.names = ( "index.txt" )
mimetype.assign = ( "" => "text/plain" )
server.feature-flags += ( "server.h2proto" => "enable", "server.h2c" => "enable" )
`,
    args: (file) => ['-D', '-f', file]
  }
}
