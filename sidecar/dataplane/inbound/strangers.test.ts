import { connect as tlsConnect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';

import { FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';
import { ALPN_STREAM } from '../transport/alpn.ts';

/** Nobody gets past the inbound listener without a certificate that proves who it is, and the application never hears of it. */

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { handshakeMs: 1_500, headerMs: 300 } });
});
afterEach(async () => {
  expect(mesh.db.app.seen).toBe(0);
  await mesh.stop();
});

/** Waits until the sidecar refused somebody, and says why. */
async function refusal(): Promise<string> {
  await eventually(() => mesh.db.metrics.refused.length > 0);
  await eventually(() => mesh.db.inbound.accepted === 0);
  return mesh.db.metrics.refused.join(',');
}

async function handshakeWith(
  leaf: { certChainPem: string; keyPem: string },
  options: ConnectionOptions = {},
): Promise<RawPeer> {
  return RawPeer.web(mesh, { cert: leaf.certChainPem, key: leaf.keyPem, ...options });
}

test('a client that says nothing is refused after the handshake timeout', async () => {
  const peer = (await RawPeer.open(mesh)).listen();
  expect(await peer.ended()).toBe('reset');
  expect(await refusal()).toBe('plaintext');
});

test('a client that connects and leaves is no incident', async () => {
  const peer = await RawPeer.open(mesh);
  peer.raw.end();
  expect(await refusal()).toBe('client-gone');
  expect(mesh.db.log.lines.filter(({ level }) => level === 'warn')).toEqual([]);
});

test('plaintext is refused and logged as plaintext', async () => {
  const peer = (await RawPeer.open(mesh)).listen();
  peer.raw.write('GET / HTTP/1.1\r\n\r\n');
  expect(await peer.ended()).toBe('reset');
  expect(await refusal()).toBe('plaintext');
  expect(mesh.db.log.lines.at(-1)).toMatchObject({
    message: 'connection refused',
    fields: { reason: 'plaintext', destination: 'shop/db', source: expect.stringContaining('127.0.0.1:') },
  });
});

test('garbage that begins like TLS is refused', async () => {
  const peer = (await RawPeer.open(mesh)).listen();
  peer.raw.write(Buffer.concat([Buffer.from([0x16, 3, 1]), Buffer.alloc(2000, 0xff)]));
  await peer.ended();
  expect(await refusal()).toBe('handshake-failed');
});

test('a client that begins TLS and stops is refused after the handshake timeout', async () => {
  const peer = (await RawPeer.open(mesh)).listen();
  peer.raw.write(Buffer.from([0x16]));
  expect(await peer.ended()).toBe('reset');
  expect(await refusal()).toBe('handshake-timeout');
});

test('TLS without a certificate is refused', async () => {
  const peer = await (await RawPeer.open(mesh)).handshake({ ALPNProtocols: [ALPN_STREAM] });
  expect(await peer.ended()).toBe('reset');
  expect(await refusal()).toBe('no-client-certificate');
});

test('a certificate of a foreign authority is refused, although it names a workload of ours', async () => {
  const foreign = await mesh.pki.foreign();
  await (await handshakeWith(await foreign.svid(WEB))).ended();
  expect(await refusal()).toBe('untrusted-certificate');
});

test('an expired certificate is refused', async () => {
  const now = Date.now();
  await (
    await handshakeWith(await mesh.pki.leaf(WEB, { notBefore: now - 7200_000, notAfter: now - 3600_000 }))
  ).ended();
  expect(await refusal()).toBe('expired-certificate');
});

test('a certificate whose time has not come is refused', async () => {
  const now = Date.now();
  await (
    await handshakeWith(await mesh.pki.leaf(WEB, { notBefore: now + 3600_000, notAfter: now + 7200_000 }))
  ).ended();
  expect(await refusal()).toBe('not-yet-valid-certificate');
});

test('a certificate for servers only is refused', async () => {
  await (await handshakeWith(await mesh.pki.leaf(WEB, { eku: ['serverAuth'] }))).ended();
  expect(await refusal()).toBe('untrusted-certificate');
});

test.each([
  ['no URI name', { uri: null }],
  [
    'two URI names',
    { extraSans: [{ type: 'url' as const, value: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/admin' }] },
  ],
  [
    'a second name hidden behind a comma',
    { uri: 'spiffe://cluster.local/x, URI:spiffe://cluster.local/ns/shop/dc/dc1/svc/web' },
  ],
  ['a dot segment', { uri: 'spiffe://cluster.local/ns/shop/../shop/dc/dc1/svc/web' }],
  ['a query', { uri: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web?x' }],
  ['an escaped letter', { uri: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/we%62' }],
  ['a trailing slash', { uri: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web/' }],
  ['upper case in the trust domain', { uri: 'spiffe://Cluster.local/ns/shop/dc/dc1/svc/web' }],
  ['another scheme', { uri: 'https://cluster.local/ns/shop/dc/dc1/svc/web' }],
])('a certificate with %s is refused', async (_what, bends) => {
  await (await handshakeWith(await mesh.pki.leaf(WEB, bends))).ended();
  expect(await refusal()).toBe('not-a-mesh-identity');
});

test('a certificate of a trust domain that nobody federated is refused, even signed by our own root', async () => {
  const leaf = await mesh.pki.leaf(WEB, { uri: 'spiffe://elsewhere.example/ns/shop/dc/dc1/svc/web' });
  await (await handshakeWith(leaf)).ended();
  expect(await refusal()).toBe('untrusted-certificate');
});

test('TLS 1.2 is refused', async () => {
  await RawPeer.web(mesh, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
  expect(await refusal()).toBe('handshake-failed');
});

test('a session cannot be resumed', async () => {
  const first = await RawPeer.web(mesh);
  let session: Buffer | undefined;
  first.tls!.on('session', (ticket: Buffer) => (session = ticket));
  await eventually(() => session !== undefined || first.ending !== 'open').catch(() => undefined);
  first.raw.destroy();
  await eventually(() => mesh.db.inbound.accepted === 0);
  const { svid } = mesh.web.identity.current()!;
  const again = tlsConnect({
    port: mesh.inboundPort,
    host: mesh.db.address,
    cert: svid.certChainPem,
    key: svid.keyPem,
    rejectUnauthorized: false,
    ALPNProtocols: [ALPN_STREAM],
    ...(session ? { session } : {}),
  });
  await new Promise((resolve) => again.once('secureConnect', resolve));
  expect(again.isSessionReused()).toBe(false);
  again.on('error', () => undefined).destroy();
});

test('a sidecar without a certificate refuses everybody', async () => {
  const pod = await mesh.addPod({
    inbound: { identity: { current: () => undefined, onChange: () => () => undefined } },
  });
  mesh.target.set([{ address: pod.address, port: pod.app.port }]);
  const client = await mesh.connect();
  expect(await client.ended()).toBe('reset');
  expect(pod.metrics.refused).toContain('not-ready');
  expect(pod.app.seen).toBe(0);
});

test('while no intentions have been read everybody is denied', async () => {
  mesh.policy.unread();
  const peer = await RawPeer.web(mesh);
  expect(await peer.ask({ port: mesh.db.app.port })).toEqual({
    ok: false,
    code: 'denied',
    reason: 'the intentions have not been read yet, so everything is denied',
  });
});

test('a stranger that connects a thousand times leaves no thousand log lines', async () => {
  for (let round = 0; round < 10; round++) {
    const peers = await Promise.all(Array.from({ length: 20 }, () => RawPeer.open(mesh)));
    for (const peer of peers) peer.listen().raw.write('hello');
  }
  await eventually(() => mesh.db.metrics.refused.length === 200);
  const lines = mesh.db.log.lines.filter(({ message }) => message === 'connection refused');
  expect(lines.length).toBeLessThan(120);
  await pause(1);
});
