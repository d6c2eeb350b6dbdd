import type { WorkloadOptions } from './workload.ts';

/** A real server and a real client of the toolbox image that speak one protocol the mesh must carry. */
export interface Protocol {
  readonly name: string;
  readonly port: number;
  /** The upstream's local port in the client pod. */
  readonly local: number;
  readonly server: readonly string[];
  readonly client: (host: string, port: number) => readonly string[];
  readonly expected: RegExp;
  readonly writable?: boolean;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}

const mariadb =
  'mkdir -p /data/run && mariadb-install-db --no-defaults --datadir=/data/db --auth-root-authentication-method=normal >/dev/null && ' +
  `exec mariadbd --no-defaults --datadir=/data/db --socket=/data/run/s --pid-file=/data/run/p --bind-address=0.0.0.0 --port=3306 --init-file=/data/init.sql`;
const mariadbInit = `printf "create user 'u'@'%%';\\ngrant all on *.* to 'u'@'%%';\\n" > /data/init.sql && ${mariadb}`;
const nginxConfig =
  'daemon off; pid /data/pid; error_log stderr; events {} http { access_log off; client_body_temp_path /data/b; proxy_temp_path /data/p; fastcgi_temp_path /data/f; uwsgi_temp_path /data/u; scgi_temp_path /data/s; server { listen 8080; location / { return 200 "from nginx\\n"; } } }';

export const PROTOCOLS: readonly Protocol[] = [
  {
    name: 'postgresql',
    port: 5432,
    local: 19001,
    server: ['/example/start-postgresql'],
    client: (host, port) => ['psql', '-h', host, '-p', String(port), '-U', 'postgres', '-Atc', 'select 40+2'],
    expected: /^42$/m,
    writable: true,
  },
  {
    name: 'mariadb',
    port: 3306,
    local: 19002,
    server: ['sh', '-c', mariadbInit],
    client: (host, port) => [
      'mariadb',
      '--no-defaults',
      '--protocol=tcp',
      '-h',
      host,
      '-P',
      String(port),
      '-u',
      'u',
      '-Nse',
      'select 40+2',
    ],
    expected: /^42$/m,
    writable: true,
  },
  {
    name: 'redis',
    port: 6379,
    local: 19003,
    server: ['/example/start-redis'],
    client: (host, port) => ['redis-cli', '-h', host, '-p', String(port), 'incrby', 'counter', '42'],
    expected: /42/,
  },
  {
    name: 'http1',
    port: 8080,
    local: 19004,
    server: ['sh', '-c', 'printf %s "$NGINX" > /data/nginx.conf && exec nginx -e stderr -c /data/nginx.conf'],
    env: [{ name: 'NGINX', value: nginxConfig }],
    client: (host, port) => ['curl', '-sf', '--http1.1', `http://${host}:${port}/`],
    expected: /from nginx/,
    writable: true,
  },
  {
    name: 'http2',
    port: 8443,
    local: 19005,
    server: ['nghttpd', '--no-tls', '-d', '/etc', '8443'],
    client: (host, port) => [
      'curl',
      '-sf',
      '--http2-prior-knowledge',
      '-w',
      ' version=%{http_version}',
      `http://${host}:${port}/hostname`,
    ],
    expected: /version=2/,
  },
  {
    name: 'grpc',
    port: 50051,
    local: 19006,
    server: ['python3', '/toolbox/grpc_server.py', '50051'],
    client: (host, port) => ['python3', '/toolbox/grpc_client.py', host, String(port)],
    expected: /^ok$/m,
  },
  {
    name: 'websocket',
    port: 8765,
    local: 19007,
    server: ['python3', '/toolbox/ws_server.py', '8765'],
    client: (host, port) => ['python3', '/toolbox/ws_client.py', host, String(port)],
    expected: /^ok$/m,
  },
  {
    name: 'half-close',
    port: 7000,
    local: 19008,
    server: ['node', '/toolbox/tcp-server.mjs', '7000', 'digest'],
    client: (host, port) => ['node', '/toolbox/send-digest.mjs', host, String(port), '100000'],
    expected: /"ok":true/,
  },
  {
    name: 'source',
    port: 7000,
    local: 19009,
    server: ['node', '/toolbox/tcp-server.mjs', '7000', 'source'],
    client: (host, port) => ['node', '/toolbox/fetch-source.mjs', host, String(port), '100000'],
    expected: /"ok":true/,
  },
];

/** The workload options that are the same wherever a protocol's server runs. */
export function serverOptions({
  name,
  server,
  port,
  writable,
  env,
}: Protocol): Pick<WorkloadOptions, 'name' | 'command' | 'ports' | 'container' | 'pod'> {
  return {
    name,
    command: server,
    ports: [port],
    container: {
      ...(env ? { env } : {}),
      ...(writable ? { volumeMounts: [{ name: 'data', mountPath: '/data' }] } : {}),
    },
    ...(writable ? { pod: { volumes: [{ name: 'data', emptyDir: {} }] } } : {}),
  };
}
