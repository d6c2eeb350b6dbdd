import { TestPki } from '#pki/testing/test-pki.fake.ts';
import type { Svid } from '#pki/svid.ts';

import { DB, FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';

/** Connections that outlive certificates, and those that must not. */

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start();
});
afterEach(() => mesh.stop());

/** A certificate of which most is over already, and that ends in so many milliseconds. */
function brief(who: typeof WEB, ms: number): Promise<Svid> {
  const now = Date.now();
  return mesh.pki.svid(who, { notBefore: now - 20_000, notAfter: now + ms });
}

function past({ notAfter }: Svid): Promise<void> {
  return pause(notAfter - Date.now() + 600);
}

function endings(): unknown[] {
  return mesh.web.log.lines
    .filter(({ message }) => message === 'connection ended by the other sidecar')
    .map(({ fields }) => fields['reason']);
}

test('a client that renews its certificate keeps its connections past the end of the first', async () => {
  const first = await brief(WEB, 3_500);
  mesh.web.identity.set({ svid: first });
  const client = await mesh.connect();
  await client.exchange('hello');
  mesh.web.identity.set({ svid: await mesh.pki.svid(WEB) });
  await eventually(() => mesh.db.inbound.tunnels === 2);
  await past(first);
  expect((await client.exchange('still here')).toString()).toBe('still here');
  expect(mesh.db.metrics.cut).toEqual([]);
  // What is new goes where the new certificate was shown.
  await (await mesh.connect()).exchange('hello');
  expect(mesh.web.metrics.handshakes).toBe(2);
});

test('a client that does not is cut when its certificate ends, and finds the reason', async () => {
  const first = await brief(WEB, 2_500);
  mesh.web.identity.set({ svid: first });
  const client = await mesh.connect();
  await client.exchange('hello');
  expect(await client.ended()).toBe('reset');
  expect(Date.now()).toBeGreaterThanOrEqual(first.notAfter);
  expect(Date.now() - first.notAfter).toBeLessThan(2_500);
  expect(mesh.db.metrics.cut).toEqual(['expired-certificate']);
  await eventually(() => endings().length === 1);
  expect(endings()).toEqual(['expired-certificate']);
  await eventually(() => mesh.db.inbound.tunnels === 0);
});

test('a server that renews its certificate keeps its connections, once the client has seen the new one', async () => {
  const first = await brief(DB, 4_500);
  mesh.db.identity.set({ svid: first });
  const client = await mesh.connect();
  await client.exchange('hello');
  mesh.db.identity.set({ svid: await mesh.pki.svid(DB) });
  expect(mesh.web.metrics.handshakes).toBe(1);
  await past(first);
  expect(mesh.web.metrics.handshakes).toBe(2);
  expect((await client.exchange('still here')).toString()).toBe('still here');
  expect(mesh.web.metrics.cut).toEqual([]);
});

test('a server that does not is cut off by its client when its certificate ends', async () => {
  const first = await brief(DB, 3_000);
  mesh.db.identity.set({ svid: first });
  const client = await mesh.connect();
  await client.exchange('hello');
  expect(await client.ended()).toBe('reset');
  expect(Date.now()).toBeGreaterThanOrEqual(first.notAfter);
  expect(mesh.web.metrics.cut).toEqual(['expired-certificate']);
});

test('a tunnel without streams whose server is about to end is replaced, not used until it is cut', async () => {
  const first = await brief(DB, 3_000);
  mesh.db.identity.set({ svid: first });
  const before = await mesh.connect();
  await before.exchange('hello');
  before.close();
  mesh.db.identity.set({ svid: await mesh.pki.svid(DB) });
  // Nineteen twentieths of its life.
  await pause(first.notAfter - Date.now() - 800);
  const client = await mesh.connect();
  await client.exchange('hello');
  await past(first);
  expect((await client.exchange('still here')).toString()).toBe('still here');
  expect(mesh.web.metrics.cut).toEqual([]);
});

test('beside a kept connection, both sides renewed in turn: short ones go on without a failure', async () => {
  const first = await brief(DB, 4_000);
  mesh.db.identity.set({ svid: first });
  const held = await mesh.connect();
  await held.exchange('hello');
  // The second tunnel carries nothing when the certificate that both saw is about to end.
  mesh.web.identity.set({ svid: await mesh.pki.svid(WEB) });
  await eventually(() => mesh.db.inbound.tunnels === 2);
  mesh.db.identity.set({ svid: await mesh.pki.svid(DB) });
  while (Date.now() < first.notAfter + 1_000) {
    const client = await mesh.connect();
    expect((await client.exchange('hello')).toString()).toBe('hello');
    client.close();
    await pause(20);
  }
  expect((await held.exchange('still here')).toString()).toBe('still here');
  expect([...mesh.web.metrics.cut, ...mesh.db.metrics.cut]).toEqual([]);
});

test('a server that renews at the very last moment keeps its connections', async () => {
  const first = await brief(DB, 4_000);
  mesh.db.identity.set({ svid: first });
  const client = await mesh.connect();
  await client.exchange('hello');
  await pause(first.notAfter - Date.now() - 500);
  mesh.db.identity.set({ svid: await mesh.pki.svid(DB) });
  await past(first);
  expect((await client.exchange('still here')).toString()).toBe('still here');
  expect(mesh.web.metrics.cut).toEqual([]);
});

test('a certificate renewed while a tunnel is being opened is the one that the peer sees', async () => {
  const first = await brief(WEB, 2_500);
  const next = await mesh.pki.svid(WEB);
  mesh.web.identity.set({ svid: first });
  const client = await mesh.connect();
  while (mesh.db.inbound.accepted === 0) await new Promise(setImmediate);
  mesh.web.identity.set({ svid: next });
  expect(mesh.web.metrics.handshakes).toBe(0);
  await client.exchange('hello');
  await past(first);
  expect((await client.exchange('still here')).toString()).toBe('still here');
  expect(mesh.web.metrics.handshakes).toBe(2);
});

test('where expired peers are kept, nobody is cut', async () => {
  await mesh.stop();
  mesh = await FakeMesh.start({ settings: { expiredPeers: 'keep' } });
  const first = await brief(WEB, 2_500);
  mesh.web.identity.set({ svid: first });
  const client = await mesh.connect();
  await client.exchange('hello');
  await past(first);
  expect((await client.exchange('still here')).toString()).toBe('still here');
});

test('renewing replaces a tunnel that carries nothing', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  client.close();
  await eventually(() => mesh.db.inbound.open === 0);
  mesh.web.identity.set({ svid: await mesh.pki.svid(WEB) });
  await eventually(() => mesh.db.inbound.tunnels === 0);
  expect(mesh.web.metrics.tunnelsClosed).toEqual(['idle']);
  await (await mesh.connect()).exchange('hello');
  expect(mesh.web.metrics.handshakes).toBe(2);
});

test('again and again: one connection outlives four certificates of both sides', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  for (let round = 0; round < 4; round++) {
    const [web, db] = [await brief(WEB, 3_000), await brief(DB, 3_000)];
    mesh.db.identity.set({ svid: round < 3 ? db : await mesh.pki.svid(DB) });
    mesh.web.identity.set({ svid: round < 3 ? web : await mesh.pki.svid(WEB) });
    await eventually(() => mesh.web.metrics.handshakes >= round + 2);
    await pause(1_200);
    expect((await client.exchange('still here')).toString()).toBe('still here');
  }
  await pause(3_000);
  expect((await client.exchange('still here')).toString()).toBe('still here');
  expect([...mesh.web.metrics.cut, ...mesh.db.metrics.cut]).toEqual([]);
}, 60_000);

test.each([
  ['with streams', true],
  ['without streams', false],
])('tunnels %s are closed by the server when it trusts their root no longer', async (_what, streams) => {
  const client = await mesh.connect();
  await client.exchange('hello');
  if (!streams) client.close();
  await eventually(() => streams || mesh.db.inbound.open === 0);
  const next = await TestPki.create();
  mesh.db.identity.set({ svid: await next.svid(DB), bundle: next.bundle });
  await eventually(() => mesh.db.inbound.tunnels === 0 && mesh.db.inbound.accepted === 0);
  expect(mesh.db.metrics.tunnelsClosed).toEqual(['untrusted-certificate']);
  expect(mesh.db.metrics.cut).toEqual(streams ? ['untrusted-certificate'] : []);
});

test.each([
  ['with streams', true],
  ['without streams', false],
])('tunnels %s are closed by the client when it trusts their root no longer', async (_what, streams) => {
  const client = await mesh.connect();
  await client.exchange('hello');
  if (!streams) client.close();
  await eventually(() => streams || mesh.db.inbound.open === 0);
  const next = await TestPki.create();
  mesh.web.identity.set({ bundle: next.bundle });
  await eventually(() => mesh.db.inbound.tunnels === 0);
  expect(mesh.web.metrics.tunnelsClosed).toEqual(['untrusted-certificate']);
  expect(mesh.web.metrics.cut).toEqual(streams ? ['untrusted-certificate'] : []);
});
