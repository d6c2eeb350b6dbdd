import { eventually } from '../kit/eventually.ts';
import { apply, exec, execOk, kubectl } from '../kit/kubectl.ts';
import type { PodRef } from '../kit/kubectl.ts';
import { report } from '../kit/measure.ts';
import { readyPod } from '../kit/pods.ts';
import { intention, namespace, workload } from '../kit/workload.ts';

const NS = 'e2e-protocols';
const GIB = 2 ** 30;

interface Protocol {
  readonly name: string;
  readonly port: number;
  /** The upstream's local port in the client pod. */
  readonly local: number;
  readonly server: readonly string[];
  readonly client: (host: string, port: number) => readonly string[];
  readonly expected: RegExp;
  readonly writable?: boolean;
}

const mariadb =
  'mkdir -p /data/run && mariadb-install-db --no-defaults --datadir=/data/db --auth-root-authentication-method=normal >/dev/null && ' +
  `exec mariadbd --no-defaults --datadir=/data/db --socket=/data/run/s --pid-file=/data/run/p --bind-address=0.0.0.0 --port=3306 --init-file=/data/init.sql`;
const mariadbInit = `echo "create user 'u'@'%'; grant all on *.* to 'u'@'%';" > /data/init.sql && ${mariadb}`;
const nginxConfig =
  'daemon off; pid /data/pid; error_log stderr; events {} http { access_log off; client_body_temp_path /data/b; proxy_temp_path /data/p; fastcgi_temp_path /data/f; uwsgi_temp_path /data/u; scgi_temp_path /data/s; server { listen 8080; location / { return 200 "from nginx\\n"; } } }';

const PROTOCOLS: readonly Protocol[] = [
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
    server: ['sh', '-c', `nginx -e stderr -c /dev/stdin <<'X'\n${nginxConfig}\nX`],
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

describe('real programs through the mesh', () => {
  let client: PodRef;

  beforeAll(async () => {
    await apply(
      namespace(NS),
      ...PROTOCOLS.flatMap(({ name, port, server, writable }) => [
        ...workload({
          namespace: NS,
          name,
          command: server,
          ports: [port],
          ...(writable
            ? {
                container: { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
                pod: { volumes: [{ name: 'data', emptyDir: {} }] },
              }
            : {}),
        }),
      ]),
      ...workload({
        namespace: NS,
        name: 'client',
        command: ['sleep', 'infinity'],
        annotations: { 'mesh/upstreams': PROTOCOLS.map(({ name, local }) => `${name}:${local}`).join(',') },
      }),
      intention({ namespace: NS, source: 'client', destination: '*', action: 'allow' }),
    );
    client = await readyPod(NS, 'client');
    for (const { name } of PROTOCOLS) await readyPod(NS, name);
  });

  afterAll(() => kubectl(['delete', 'namespace', NS, '--wait=false']));

  const answers = ({ client: command, expected }: Protocol, host: string, port: number): Promise<string> =>
    eventually(
      `${host}:${port} answers`,
      async () => {
        const { stdout, stderr } = await exec(client, command(host, port));
        if (expected.test(stdout)) return stdout;
        throw new Error(stdout + stderr);
      },
      { timeoutMs: 30_000 },
    );

  test.each(PROTOCOLS)('$name by its name, through transparent redirection', async (protocol) => {
    expect(await answers(protocol, protocol.name, protocol.port)).toMatch(protocol.expected);
  });

  test.each(PROTOCOLS)('$name at localhost, through an explicit upstream port', async (protocol) => {
    expect(await answers(protocol, '127.0.0.1', protocol.local)).toMatch(protocol.expected);
  });

  test('a transfer of 1 GiB arrives intact, in each direction', async () => {
    const up = await execOk(client, ['node', '/toolbox/send-digest.mjs', 'half-close', '7000', String(GIB)], {
      timeoutMs: 300_000,
    });
    const down = await execOk(client, ['node', '/toolbox/fetch-source.mjs', 'source', '7000', String(GIB)], {
      timeoutMs: 300_000,
    });
    for (const [direction, text] of [
      ['to the server', up],
      ['to the client', down],
    ] as const) {
      const { ok, ms } = JSON.parse(text) as { ok: boolean; ms: number };
      expect(ok).toBe(true);
      report(`1 GiB ${direction}`, { seconds: ms / 1000, megabytesPerSecond: Math.round(GIB / 1e3 / ms) });
    }
  });
});
