import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { namespaceName, serviceName } from '#core/names.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { systemClock } from '#base/clock.ts';
import { CATALOG_ENTRIES, INTENTIONS, MESH_CONFIGS, MESH_SERVICES } from '#kube/types.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { LevelLog } from '../admin/level-log.ts';
import { entry, meshService } from '../sources/catalog/objects.fake.ts';
import { LOCAL_REQUEST_HEADER } from '../admin/local-request.ts';
import { SLICES } from '../sources/catalog/slice.ts';
import { readConfig } from '../config/config.ts';
import { FakeOperator } from '../sources/identity/fake-operator.fake.ts';
import { FakeOriginalDestination } from '../dataplane/original-destination/original-destination.fake.ts';
import { FakeApp, FakeClient } from '../testing/app.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { freePort } from '#base/testing/free-port.fake.ts';
import { meshConfigOf } from '../sources/trust/trust.fake.ts';
import { Sidecar } from './sidecar.ts';

/**
 * Two whole sidecars, `web` and `db`, with a fake API server and a fake operator, over real sockets on addresses of
 * loopback: db's pod is 127.0.2.1.
 */

const DB_ADDRESS = '127.0.2.1';
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface FetchedPage {
  readonly status: number;
  readonly body: string;
}

function ask(
  port: number,
  path: string,
  options: { method?: string; body?: string; host?: string } = {},
): Promise<FetchedPage> {
  const { method = 'GET', body, host } = options;
  return new Promise((resolve, reject) => {
    const headers = { [LOCAL_REQUEST_HEADER]: 'true', ...(host === undefined ? {} : { host }) };
    const asking = request({ host: '127.0.0.1', port, path, method, agent: false, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

async function world(options: { upstreamPort?: number } = {}) {
  const pki = await TestPki.create();
  const fake = await FakeApiServer.started();
  const dir = await mkdtemp(join(tmpdir(), 'mesh-sidecar-'));
  await writeFile(join(dir, 'token'), 'a-token');
  const inboundPort = await freePort();
  const upstreamPort = options.upstreamPort ?? (await freePort());
  cleanups.push(
    () => fake.close(),
    () => rm(dir, { recursive: true }),
  );
  fake.put(MESH_CONFIGS, meshConfigOf([pki]));

  const start = async (service: string, address: string, more: Record<string, string> = {}) => {
    const operator = await FakeOperator.start(
      { namespace: namespaceName('shop'), service: serviceName(service) },
      pki,
    );
    const lines: Record<string, unknown>[] = [];
    const log = new LevelLog('debug', (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
    const finished: string[] = [];
    const originalDestination = new FakeOriginalDestination();
    const sidecar = new Sidecar({
      config: readConfig({
        MESH_SERVICE: service,
        POD_NAME: `${service}-1`,
        POD_NAMESPACE: 'shop',
        POD_UID: `uid-${service}`,
        POD_IPS: address,
        POD_SERVICE_ACCOUNT: service,
        MESH_NAMESPACE: 'mesh-system',
        MESH_TRUST_DOMAIN: 'cluster.local',
        MESH_OPERATOR_URL: operator.url,
        MESH_CA_TOKEN_FILE: join(dir, 'token'),
        ...more,
      }),
      api: fake.client(),
      clock: systemClock,
      log,
      originalDestination,
      onFinish: () => finished.push('finish'),
      listen: {
        inboundHosts: [address],
        inboundPort,
        peerPort: inboundPort,
        outboundPort: 0,
        adminHosts: ['127.0.0.1'],
        adminPort: 0,
        localPort: 0,
      },
    });
    cleanups.push(
      () => operator.stop(),
      () => sidecar.stop({ minimumMs: 0, deadlineMs: 0 }),
    );
    await sidecar.start();
    return { sidecar, operator, lines, finished, originalDestination };
  };

  const declare = (name: string, spec: object, services: object[] = []): void => {
    fake.put(MESH_SERVICES, meshService(name, spec));
    fake.put(CATALOG_ENTRIES, entry(name, { services }));
  };
  const intend = (action: string, generation: number): void => {
    fake.put(INTENTIONS, {
      metadata: { name: 'web-db', namespace: 'shop', generation, uid: 'u1' },
      spec: { source: { service: 'web' }, destination: { service: 'db' }, action },
    } as never);
  };
  const endpoints = (port: number, addresses: string[]): void => {
    fake.put(SLICES, {
      metadata: { name: 'db-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'db' } },
      addressType: 'IPv4',
      ports: [{ name: '', port, protocol: 'TCP' }],
      endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    });
  };
  return { pki, fake, start, declare, intend, endpoints, upstreamPort };
}

async function pair() {
  const mesh = await world();
  const app = await new FakeApp().start(DB_ADDRESS);
  cleanups.push(() => app.stop());
  const service = {
    name: 'db',
    clusterIPs: ['10.96.0.5'],
    headless: false,
    ports: [{ port: 5432, targetPort: app.port }],
  };
  mesh.declare('db', {}, [service]);
  mesh.declare('web', {});
  mesh.endpoints(app.port, [DB_ADDRESS]);
  const db = await mesh.start('db', DB_ADDRESS);
  const web = await mesh.start('web', '127.0.0.1', { MESH_UPSTREAMS: `db:${mesh.upstreamPort}` });
  await eventually(() => db.sidecar.missing().length === 0 && web.sidecar.missing().length === 0);
  const connect = async () => {
    const client = await FakeClient.connect(mesh.upstreamPort);
    cleanups.push(() => client.close());
    return client;
  };
  return { ...mesh, app, db, web, connect };
}

test('refused by default, allowed by a rule, cut by its opposite within a second', async () => {
  const { connect, intend, app, db } = await pair();
  const refused = await connect();
  refused.socket.write('hello');
  await refused.ended();
  expect(app.seen).toBe(0);
  expect(db.lines.find((line) => line.msg === 'connection refused')).toMatchObject({
    source: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web',
    destination: 'shop/db',
    reason: 'denied',
    decision: expect.stringContaining('no intention matches and the default is deny'),
  });

  intend('allow', 1);
  await eventually(() => db.sidecar.policy.state().rules.length === 1);
  const open = await connect();
  expect((await open.exchange('hello')).toString()).toBe('hello');

  intend('deny', 2);
  const from = Date.now();
  expect(await open.ended()).toBe('reset');
  expect(Date.now() - from).toBeLessThan(1_000);
  expect(db.lines.some((line) => line.msg === 'connection cut')).toBe(true);
});

test('a redirected connection to the cluster IP leads there too', async () => {
  const { web, intend, db } = await pair();
  intend('allow', 1);
  await eventually(() => db.sidecar.policy.state().rules.length === 1);
  web.originalDestination.next = { address: '10.96.0.5', port: 5432 };
  const client = await FakeClient.connect(web.sidecar.outbound.port);
  cleanups.push(() => client.close());
  expect((await client.exchange('ping')).toString()).toBe('ping');
});

test('a connection made before the sidecar is ready waits for it', async () => {
  const mesh = await world();
  const app = await new FakeApp().start(DB_ADDRESS);
  cleanups.push(() => app.stop());
  mesh.intend('allow', 1);
  mesh.endpoints(app.port, [DB_ADDRESS]);
  const db = await mesh.start('db', DB_ADDRESS);
  mesh.declare('db', {}, [
    { name: 'db', clusterIPs: [], headless: false, ports: [{ port: 5432, targetPort: app.port }] },
  ]);
  await eventually(() => db.sidecar.missing().length === 0 && db.sidecar.own.declaredPorts().size === 1);
  mesh.fake.failNext(500, 3);
  const web = await mesh.start('web', '127.0.0.1', { MESH_UPSTREAMS: `db:${mesh.upstreamPort}` });
  expect(web.sidecar.missing()).not.toEqual([]);
  const client = await FakeClient.connect(mesh.upstreamPort);
  cleanups.push(() => client.close());
  expect((await client.exchange('early')).toString()).toBe('early');
});

test('readiness says what is missing, and start-up stays good once it was', async () => {
  const mesh = await world();
  mesh.fake.failNext(503, 1_000_000, undefined, ({ path }) => path.includes('intentions'));
  const { sidecar } = await mesh.start('db', DB_ADDRESS);
  await eventually(() => sidecar.missing().join() === 'policy');
  const { port } = sidecar.health;
  expect(await ask(port, '/readyz')).toEqual({ status: 503, body: 'waiting for: policy\n' });
  expect((await ask(port, '/startup')).status).toBe(503);
  expect((await ask(port, '/healthz')).status).toBe(200);
});

test('the admin ports', async () => {
  const mesh = await world();
  const app = await new FakeApp((socket) => void socket.end('HTTP/1.1 204 No Content\r\n\r\n')).start();
  cleanups.push(() => app.stop());
  const secret = '0123456789abcdef0123456789abcdef';
  const probes = { [`app/readiness-${secret}`]: { httpGet: { port: app.port, path: '/x' } } };
  mesh.declare('db', { ports: [{ port: 5432 }] });
  mesh.intend('allow', 1);
  const { sidecar, finished, lines } = await mesh.start('db', DB_ADDRESS, {
    MESH_PROBES: JSON.stringify(probes),
  });
  await eventually(() => sidecar.missing().length === 0);
  const open = sidecar.health.port;
  const local = sidecar.local.port;

  expect((await ask(open, '/readyz')).status).toBe(200);
  expect((await ask(open, '/startup')).status).toBe(200);
  expect((await ask(open, `/probe/app/readiness-${secret}`)).status).toBe(200);
  expect((await ask(open, '/probe/app/readiness')).status).toBe(404);
  expect((await ask(open, '/config')).status).toBe(404);
  expect((await ask(open, '/quit', { method: 'POST' })).status).toBe(405);
  expect((await ask(open, '/metrics', { host: 'evil.example' })).status).toBe(403);
  const metrics = (await ask(open, '/metrics')).body;
  expect(metrics).toMatch(/^mesh_ready 1$/m);
  expect(metrics).toMatch(/^mesh_policy_rules 1$/m);
  expect(metrics).toMatch(/^process_resident_memory_bytes \d+$/m);

  expect((await ask(local, '/metrics')).body).toMatch(/^mesh_policy_rules 1$/m);

  const config = await ask(local, '/config');
  expect(JSON.parse(config.body)).toMatchObject({ service: 'db', declaredPorts: [5432], mtls: 'strict' });
  expect(config.body).not.toContain('a-token');
  expect(config.body).toContain('"app/readiness"');
  expect(config.body).not.toContain(secret);
  const certificate = await ask(local, '/certificate');
  expect(certificate.body).toContain('spiffe://cluster.local/ns/shop/dc/dc1/svc/db');
  expect(certificate.body).not.toContain('PRIVATE');
  expect(JSON.parse((await ask(local, '/policy?source=web')).body)).toMatchObject({
    action: 'allow',
    rule: 'shop/web-db',
  });
  expect(JSON.parse((await ask(local, '/policy?source=other/web')).body)).toMatchObject({ action: 'deny' });
  expect((await ask(local, '/policy?source=UPPER%20case')).status).toBe(400);
  expect((await ask(local, '/connections')).status).toBe(200);
  expect((await ask(local, '/config', { host: 'evil.example' })).status).toBe(403);
  expect((await ask(local, '/log-level', { method: 'PUT', body: 'loud' })).status).toBe(400);
  expect((await ask(local, '/log-level', { method: 'PUT', body: 'x'.repeat(9_000) })).status).toBe(413);
  expect((await ask(local, '/log-level', { method: 'PUT', body: 'error' })).status).toBe(200);
  const before = lines.length;
  mesh.intend('deny', 2);
  await eventually(() => sidecar.policy.state().version === 2);
  expect(lines.length).toBe(before);
  expect((await ask(local, '/quit')).status).toBe(405);
  expect((await ask(local, '/quit', { method: 'POST' })).status).toBe(200);
  expect(finished).toEqual(['finish']);
});

test('shutting down lets open connections finish and then closes everything', async () => {
  const { connect, intend, db, web } = await pair();
  intend('allow', 1);
  await eventually(() => db.sidecar.policy.state().rules.length === 1);
  const open = await connect();
  await open.exchange('hello');
  const stopped = db.sidecar.stop({ minimumMs: 0, deadlineMs: 5_000 });
  expect((await ask(db.sidecar.health.port, '/readyz')).status).toBe(503);
  expect((await open.exchange('still')).toString()).toBe('still');
  const late = await connect();
  expect(await late.ended()).toBe('reset');
  open.close();
  await stopped;
  await web.sidecar.stop({ minimumMs: 0, deadlineMs: 1_000 });
  await expect(ask(db.sidecar.health.port, '/healthz')).rejects.toThrow();
});
