import { connect } from 'node:tls';

import { eventually, pause } from '#base/testing/eventually.ts';
import { ALPN_CONTROL } from '#core/wire.ts';
import type { FakeClient } from '../testing/app.fake.ts';
import { ManyCores, childrenOf, isThere } from './many-cores.fake.ts';

/** `db` on two cores: real processes, real sockets. */

const STARTING_MS = 25_000;
let mesh: ManyCores;

afterEach(() => mesh.close());

async function so(condition: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  await eventually(() => condition().catch(() => false), { withinMs });
}

const isReady = async (): Promise<boolean> => (await mesh.admin('/readyz')).status === 200;

/** db on two cores with web allowed. */
async function started(): Promise<void> {
  mesh = await ManyCores.prepare();
  mesh.intend('allow', 1);
  mesh.start(2);
  await so(isReady, STARTING_MS);
}

/** The same, and so many connections of web's application, each of which has moved bytes. */
async function pair(connections: number): Promise<readonly FakeClient[]> {
  await started();
  await mesh.client();
  const clients: FakeClient[] = [];
  // One after another: of those that come together, a worker that is slow to take its own gets fewer.
  while (clients.length < connections) {
    const client = await mesh.connect();
    expect(await says(client, 'hello')).toBe('hello');
    clients.push(client);
  }
  return clients;
}

async function says(client: FakeClient, text: string): Promise<string> {
  return (await client.exchange(text)).toString();
}

async function openByWorker(): Promise<readonly number[]> {
  const shown = JSON.parse((await mesh.local('/connections')).body) as {
    readonly inbound: { readonly open: number };
    readonly workers: readonly { readonly inbound: { readonly open: number } }[];
  };
  const each = shown.workers.map(({ inbound }) => inbound.open);
  expect(shown.inbound.open).toBe(each.reduce((sum, one) => sum + one, 0));
  return each;
}

async function metrics(): Promise<Record<string, number>> {
  const lines = (await mesh.local('/metrics')).body.split('\n').filter((line) => /^[a-z]/.test(line));
  return Object.fromEntries(
    lines.map((line) => [line.replace(/ \S+$/, ''), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

const OPENED =
  'mesh_connections_opened_total{direction="inbound",security="mtls",peer="spiffe://cluster.local/ns/shop/dc/dc1/svc/web"}';
const OPEN = 'mesh_connections_open{direction="inbound",security="mtls"}';

test('the port that other pods reach gives totals over all workers and all peers', async () => {
  await pair(2);
  const { body } = await mesh.admin('/metrics');
  expect(body).toContain('mesh_connections_opened_total{direction="inbound",security="mtls"} 2');
  expect(body).not.toContain('spiffe:');
});

test('connections are shared evenly, and one scrape tells the sum over all workers', async () => {
  await pair(6);
  expect(await openByWorker()).toEqual([3, 3]);
  expect(await metrics()).toMatchObject({
    [OPEN]: 6,
    [OPENED]: 6,
    'mesh_handshake_seconds_count{direction="inbound"}': 6,
    'mesh_handshake_seconds_bucket{direction="inbound",le="+Inf"}': 6,
    mesh_ready: 1,
    mesh_policy_rules: 1,
    mesh_certificates_issued_total: 2,
    mesh_workers: 2,
    mesh_workers_answering: 2,
    mesh_worker_restarts_total: 0,
  });
});

test('every worker shows the same identity, with a certificate of its own', async () => {
  await pair(0);
  const seen = await Promise.all(Array.from({ length: 4 }, () => shownCertificate()));
  expect(new Set(seen.map(({ names }) => names))).toEqual(
    new Set(['URI:spiffe://cluster.local/ns/shop/dc/dc1/svc/db']),
  );
  expect(new Set(seen.map(({ serial }) => serial)).size).toBe(2);
  const { body } = await mesh.local('/certificate');
  const { spiffeId, workers } = JSON.parse(body) as { spiffeId: string; workers: { serial: string }[] };
  expect(spiffeId).toBe('spiffe://cluster.local/ns/shop/dc/dc1/svc/db');
  expect(new Set(workers.map(({ serial }) => serial)).size).toBe(2);
  expect(body).not.toContain('PRIVATE');
});

function shownCertificate(): Promise<{ readonly names: string | undefined; readonly serial: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host: '127.0.4.1', port: mesh.inboundPort, rejectUnauthorized: false, minVersion: 'TLSv1.3' },
      () => {
        const { subjectaltname, serialNumber } = socket.getPeerCertificate();
        resolve({ names: subjectaltname, serial: serialNumber });
        socket.destroy();
      },
    );
    socket.once('error', reject);
  });
}

test('a deny cuts the connections of every worker within a second', async () => {
  const clients = await pair(4);
  expect(await openByWorker()).toEqual([2, 2]);
  const from = Date.now();
  mesh.intend('deny', 2);
  expect(await Promise.all(clients.map((client) => client.ended()))).toEqual(Array(4).fill('reset'));
  expect(Date.now() - from).toBeLessThan(1_000);
});

test('a worker that dies is replaced; the connections of the others never notice', async () => {
  const clients = await pair(4);
  const counted = (await metrics())[OPENED] ?? 0;
  const [first = 0, second = 0] = mesh.workers();
  process.kill(first, 'SIGKILL');
  await so(async () => (await mesh.admin('/readyz')).body.includes('ended and is started again (worker'));
  await eventually(() => clients.filter(({ ending }) => ending !== 'open').length === 2);
  await so(isReady, STARTING_MS);
  const alive = clients.filter(({ ending }) => ending === 'open');
  expect(alive).toHaveLength(2);
  for (const client of alive) expect(await says(client, 'still')).toBe('still');
  expect(mesh.workers()).toHaveLength(2);
  expect(mesh.workers()).toContain(second);
  const told = mesh.lines.filter(({ msg }) => String(msg).startsWith('a worker ended unexpectedly'));
  expect(told).toEqual([expect.objectContaining({ pid: first, signal: 'SIGKILL', level: 'error' })]);
  for (let count = 0; count < 2; count++) expect(await says(await mesh.connect(), 'new')).toBe('new');
  expect((await openByWorker()).every((open) => open > 0)).toBe(true);
  // What the dead one had counted is not forgotten: a counter that shrinks would read as a restart.
  expect(await metrics()).toMatchObject({ [OPENED]: counted + 2, [OPEN]: 4, mesh_worker_restarts_total: 1 });
});

test('a worker that does not answer holds nobody up: readiness and a metric say so', async () => {
  await pair(2);
  const counted = (await metrics())[OPENED];
  const [first = 0] = mesh.workers();
  process.kill(first, 'SIGSTOP');
  const from = Date.now();
  const shown = await metrics();
  expect(Date.now() - from).toBeLessThan(3_000);
  expect(shown).toMatchObject({
    mesh_workers: 2,
    mesh_workers_answering: 1,
    mesh_ready: 0,
    [OPENED]: counted,
  });
  expect(await mesh.admin('/readyz')).toEqual({
    status: 503,
    body: expect.stringMatching(/^waiting for: an answer \(worker [12]\)\n$/),
  });
  process.kill(first, 'SIGCONT');
  await so(isReady);
});

test('the log level is set in all processes', async () => {
  await pair(0);
  expect(await mesh.local('/log-level', 'PUT', 'loud')).toMatchObject({ status: 400 });
  expect(await mesh.local('/log-level', 'PUT', 'error')).toEqual({ status: 200, body: 'error\n' });
  await so(isReady);
  const before = mesh.lines.length;
  mesh.intend('deny', 2);
  await so(async () => (await mesh.local('/policy')).body.includes('"deny"'));
  expect(await (await mesh.connect()).ended()).toBe('reset');
  expect(mesh.lines.slice(before)).toEqual([]);
  expect(await mesh.local('/log-level')).toEqual({ status: 200, body: 'error\n' });
});

test('SIGTERM: open connections finish in every worker, new ones are not taken, and all processes end with 0', async () => {
  const clients = await pair(4);
  const workers = mesh.workers();
  process.kill(mesh.pid, 'SIGTERM');
  await so(async () => (await mesh.admin('/readyz')).body.includes('it is shutting down'));
  for (const client of clients) expect(await says(client, 'still')).toBe('still');
  expect(await (await mesh.connect()).ended()).toBe('reset');
  for (const client of clients) client.close();
  expect(await mesh.exit).toEqual({ code: 0, signal: null });
  expect(workers.filter(isThere)).toEqual([]);
});

test('asked to quit, all processes end, open connections or not', async () => {
  const [client] = await pair(1);
  const workers = mesh.workers();
  expect(await mesh.local('/quit', 'POST')).toMatchObject({ status: 200 });
  expect(await mesh.exit).toEqual({ code: 0, signal: null });
  expect(await client?.ended()).toBe('reset');
  expect(workers.filter(isThere)).toEqual([]);
});

test('a tunnel outlives its certificate, though the peer vouches for it in another worker', async () => {
  await started();
  const web = await mesh.client({ tunnel: 'on', ttlMs: 6_000 });
  const first = web.identity.state().svid!;
  const open = await mesh.connect();
  expect(await says(open, 'hello')).toBe('hello');
  expect((await metrics())['mesh_tunnels_open{direction="inbound"}']).toBe(1);
  await eventually(() => web.identity.state().svid?.serial !== first.serial);
  await so(async () => (await metrics())['mesh_tunnels_open{direction="inbound"}'] === 2);
  await pause(first.notAfter - Date.now() + 1_000);
  expect(await says(open, 'still here')).toBe('still here');
});

test('told by the operator to finish, which one worker hears, all processes end', async () => {
  await pair(1);
  const workers = mesh.workers();
  const { certChainPem: cert, keyPem: key } = await mesh.operatorSvid();
  const options = { host: '127.0.4.1', port: mesh.inboundPort, rejectUnauthorized: false, cert, key };
  const socket = connect({ ...options, ALPNProtocols: [ALPN_CONTROL] }, () =>
    socket.write('{"command":"finish"}\n'),
  );
  socket.on('error', () => undefined);
  mesh.onClose(() => socket.destroy());
  expect(await mesh.exit).toEqual({ code: 0, signal: null });
  expect(workers.filter(isThere)).toEqual([]);
});

test('a primary that is killed takes its workers along', async () => {
  await pair(1);
  const workers = mesh.workers();
  expect(workers).toHaveLength(2);
  process.kill(mesh.pid, 'SIGKILL');
  await mesh.exit;
  await eventually(() => !workers.some(isThere));
  expect(childrenOf(mesh.pid)).toEqual([]);
});

test('where no worker comes up, the sidecar ends with 1 and says why', async () => {
  mesh = await ManyCores.prepare();
  await mesh.takeInboundPort();
  mesh.start(2);
  expect(await mesh.exit).toMatchObject({ code: 1 });
  expect(mesh.stderr).toContain(`cannot listen on port ${mesh.inboundPort}`);
  expect(mesh.stderr).toMatch(/worker [12] ended with code 1 before any worker was up/);
});
