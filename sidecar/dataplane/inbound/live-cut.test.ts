import { TestPki } from '#pki/testing/test-pki.fake.ts';

import type { FakeClient } from '../../testing/app.fake.ts';
import { DB, FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';

/** An open connection lives exactly as long as what let it in. */

let mesh: FakeMesh;
let client: FakeClient;
beforeEach(async () => {
  mesh = await FakeMesh.start();
  client = await mesh.connect();
  await client.exchange('hello');
});
afterEach(() => mesh.stop());

async function expectCut(reason: string): Promise<void> {
  expect(await client.ended()).toBe('reset');
  await eventually(() => mesh.db.inbound.open === 0 && mesh.outbound.open === 0);
  expect(mesh.db.metrics.cut).toEqual([reason]);
}

async function expectOpen(): Promise<void> {
  await pause(100);
  expect((await client.exchange('still here')).toString()).toBe('still here');
}

test('a cut is logged with who, whom and why', async () => {
  mesh.policy.deny();
  await expectCut('denied');
  expect(mesh.db.log.lines).toContainEqual({
    level: 'warn',
    message: 'connection cut',
    fields: expect.objectContaining({
      source: mesh.pki.spiffeId(WEB),
      destination: 'shop/db',
      port: mesh.db.app.port,
      reason: 'denied',
      decision: 'no intention matches and the default is deny',
    }),
  });
});

test('the application of the server sees a reset too', async () => {
  let failure: string | undefined;
  mesh.db.app.sockets[0]!.on('error', (error: NodeJS.ErrnoException) => (failure = error.code));
  mesh.policy.deny();
  await expectCut('denied');
  await eventually(() => failure === 'ECONNRESET');
});

test('a connection whose client does not read is cut all the same', async () => {
  mesh.db.app.sockets[0]!.write(Buffer.alloc(32 * 1024 * 1024));
  client.socket.pause();
  await pause(300);
  mesh.policy.deny();
  await eventually(() => mesh.db.inbound.accepted === mesh.db.inbound.tunnels && mesh.db.inbound.open === 0);
  client.socket.resume();
  await expectCut('denied');
});

test('only the denied peer is cut', async () => {
  const svid = await mesh.pki.svid({ namespace: 'shop', service: 'batch' });
  const other = await RawPeer.web(mesh, { cert: svid.certChainPem, key: svid.keyPem });
  await other.ask({ port: mesh.db.app.port });
  mesh.policy.decideBy((source) => (source === svid.spiffeId ? 'deny' : 'allow'));
  expect(await other.ended()).toBe('reset');
  await expectOpen();
});

test('a change that allows the same leaves connections alone', async () => {
  mesh.policy.allow();
  await expectOpen();
});

test('a port that is declared no longer is cut', async () => {
  mesh.own.set({ ports: [1] });
  await expectCut('port-not-declared');
});

test('a peer whose root is trusted no longer is cut', async () => {
  const next = await TestPki.create();
  mesh.db.identity.set({ svid: await next.svid(DB), bundle: next.bundle });
  await expectCut('untrusted-certificate');
});

test('a server whose root is trusted no longer is cut by the client', async () => {
  const next = await TestPki.create();
  mesh.web.identity.set({ bundle: next.bundle });
  expect(await client.ended()).toBe('reset');
  expect(mesh.web.metrics.cut).toEqual(['untrusted-certificate']);
});

test('a new bundle that still holds the root leaves connections alone', async () => {
  mesh.db.identity.set({ bundle: mesh.pki.bundle });
  mesh.web.identity.set({ bundle: mesh.pki.bundle });
  await expectOpen();
});

test('a peer whose certificate expires is cut at that moment', async () => {
  const ends = Date.now() + 3_000;
  const svid = await mesh.pki.svid({ namespace: 'shop', service: 'brief' }, { notAfter: ends });
  const peer = await RawPeer.web(mesh, { cert: svid.certChainPem, key: svid.keyPem });
  expect(await peer.ask({ port: mesh.db.app.port })).toEqual({ ok: true });
  expect(await peer.ended()).toBe('reset');
  expect(Date.now()).toBeGreaterThanOrEqual(Math.floor(ends / 1000) * 1000);
  expect(mesh.db.metrics.cut).toEqual(['expired-certificate']);
  await expectOpen();
});

test('where expired peers are kept, a connection outlives its certificate but not a denial', async () => {
  await mesh.stop();
  mesh = await FakeMesh.start({ settings: { expiredPeers: 'keep' } });
  const svid = await mesh.pki.svid({ namespace: 'shop', service: 'brief' }, { ttlMs: 3_000 });
  const peer = await RawPeer.web(mesh, { cert: svid.certChainPem, key: svid.keyPem });
  expect(await peer.ask({ port: mesh.db.app.port })).toEqual({ ok: true });
  await pause(Math.max(0, svid.notAfter - Date.now()) + 300);
  mesh.policy.allow();
  await pause(100);
  expect(peer.ending).toBe('open');
  mesh.policy.deny();
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.cut).toEqual(['denied']);
});

test('a thousand connections are cut within a second', async () => {
  const clients: FakeClient[] = [];
  for (let index = 0; index < 25; index++) {
    clients.push(...(await Promise.all(Array.from({ length: 40 }, () => mesh.connect()))));
    await eventually(() => mesh.db.inbound.open === clients.length + 1, { withinMs: 60_000 });
  }
  const started = Date.now();
  mesh.policy.deny();
  await eventually(() => mesh.db.inbound.open === 0);
  const took = Date.now() - started;
  expect(mesh.db.metrics.cut).toHaveLength(1_001);
  expect(took).toBeLessThan(10_000);
  await eventually(() => clients.every(({ ending }) => ending === 'reset'));
}, 120_000);
