import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';

/** Peers with a SPIFFE certificate that know nothing of our protocol: Consul's proxy, a native library, openssl. */

const WEB = { namespace: 'shop', service: 'web' };

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { headerMs: 300 } });
});
afterEach(() => mesh.stop());

test.each([
  ['no protocol', []],
  ['h2 alone, as Consul does', ['h2']],
  ['h2 and http/1.1', ['h2', 'http/1.1']],
])('a peer that offers %s reaches the first declared port at once', async (_what, ALPNProtocols) => {
  const peer = await RawPeer.web(mesh, { ALPNProtocols });
  peer.tls!.write('hello');
  await eventually(() => peer.received.toString() === 'hello');
});

test('a server that speaks first is heard before the peer says anything', async () => {
  mesh.db.app.onConnection((socket) => socket.write('220 ready'));
  const peer = await RawPeer.web(mesh, { ALPNProtocols: [] });
  await eventually(() => peer.received.toString() === '220 ready');
});

test('a redirected peer is led to the port it dialed', async () => {
  mesh.own.set({ ports: [1, mesh.db.app.port] });
  mesh.db.originalDestination.next = { address: mesh.db.address, port: mesh.db.app.port };
  const peer = await RawPeer.web(mesh, { ALPNProtocols: [] });
  peer.tls!.write('hello');
  await eventually(() => peer.received.toString() === 'hello');
});

test('a peer that shows a long chain of certificates pays for what is kept of it as long as the connection is open', async () => {
  const held = async (times: number): Promise<number> => {
    const { certChainPem, keyPem } = await mesh.pki.svid(WEB);
    const before = mesh.db.memory.fixed;
    const peer = await RawPeer.web(mesh, {
      ALPNProtocols: [],
      cert: certChainPem.repeat(times),
      key: keyPem,
    });
    peer.tls!.write('hello');
    await eventually(() => peer.received.toString() === 'hello');
    return mesh.db.memory.fixed - before;
  };
  const [ordinary, long] = [await held(1), await held(100)];
  expect(long - ordinary).toBeGreaterThan(100_000);
});

test('a denied peer is reset and the application never sees it', async () => {
  mesh.policy.deny();
  const peer = await RawPeer.web(mesh, { ALPNProtocols: [] });
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.refused).toEqual(['denied']);
  expect(mesh.db.app.seen).toBe(0);
});

test('a redirected peer is refused a port that is not declared', async () => {
  mesh.db.originalDestination.next = { address: mesh.db.address, port: 9 };
  const peer = await RawPeer.web(mesh, { ALPNProtocols: [] });
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.refused).toEqual(['port-not-declared']);
});

test('an open connection of such a peer is cut when it is denied', async () => {
  const peer = await RawPeer.web(mesh, { ALPNProtocols: [] });
  peer.tls!.write('hello');
  await eventually(() => peer.received.toString() === 'hello');
  mesh.policy.deny();
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.cut).toEqual(['denied']);
});

test('openssl s_client with a certificate of the mesh talks to the application', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'plain-peer-'));
  mesh.onStop(() => rm(folder, { recursive: true }));
  const { svid } = mesh.web.identity.current()!;
  const [cert, key, root] = [join(folder, 'cert'), join(folder, 'key'), join(folder, 'root')];
  await writeFile(cert, svid.certChainPem);
  await writeFile(key, svid.keyPem, { mode: 0o600 });
  await writeFile(root, mesh.pki.rootPem);
  const peer = ['-connect', `${mesh.db.address}:${mesh.inboundPort}`, '-cert', cert, '-key', key];
  const client = spawn('openssl', ['s_client', '-quiet', '-CAfile', root, '-verify_return_error', ...peer], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  mesh.onStop(() => void client.kill());
  let answer = '';
  client.stdout.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  client.stdin.write('hello openssl\n');
  await eventually(() => answer === 'hello openssl\n');
});
