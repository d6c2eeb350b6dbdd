import { PORTS } from '#core/constants.ts';

import { FakeMesh } from '../testing/data-plane.fake.ts';
import { eventually } from '../testing/eventually.fake.ts';
import { RawPeer } from '../testing/raw-peer.fake.ts';

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { handshakeMs: 1_000 } });
  mesh.db.originalDestination.next = { address: mesh.db.address, port: mesh.db.app.port };
});
afterEach(() => mesh.stop());

test('a permissive service takes plaintext that was redirected, and counts it', async () => {
  mesh.own.set({ mtls: 'permissive' });
  const peer = (await RawPeer.open(mesh)).listen();
  peer.raw.write('hello');
  await eventually(() => peer.received.toString() === 'hello');
  expect(mesh.db.metrics.opened).toEqual([{ direction: 'inbound', security: 'plaintext', peer: '' }]);
});

test('a permissive service that speaks first is heard', async () => {
  mesh.own.set({ mtls: 'permissive' });
  mesh.db.app.onConnection((socket) => socket.write('220 ready'));
  const peer = (await RawPeer.open(mesh)).listen();
  await eventually(() => peer.received.toString() === '220 ready');
});

test('a permissive service still takes mutual TLS from sidecars', async () => {
  mesh.own.set({ mtls: 'permissive' });
  mesh.db.originalDestination.next = undefined;
  const client = await mesh.connect();
  expect((await client.exchange('hello')).toString()).toBe('hello');
  expect(mesh.db.metrics.opened).toMatchObject([{ security: 'mtls' }]);
});

test('a permissive service refuses plaintext on the port of the sidecar', async () => {
  mesh.own.set({ mtls: 'permissive' });
  mesh.db.originalDestination.next = undefined;
  const peer = (await RawPeer.open(mesh)).listen();
  peer.raw.write('hello');
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.refused).toEqual(['plaintext']);
});

test.each(Object.entries(PORTS).filter(([name]) => name !== 'inbound'))(
  'plaintext never leads to a port of the sidecar itself (%s)',
  async (_name, port) => {
    mesh.own.set({ mtls: 'permissive' });
    mesh.db.originalDestination.next = { address: mesh.db.address, port };
    const peer = (await RawPeer.open(mesh)).listen();
    expect(await peer.ended()).toBe('reset');
    expect(mesh.db.metrics.refused).toEqual(['port-not-declared']);
  },
);

test('a strict service refuses redirected plaintext', async () => {
  const peer = (await RawPeer.open(mesh)).listen();
  peer.raw.write('hello');
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.refused).toEqual(['plaintext']);
  expect(mesh.db.app.seen).toBe(0);
});

test('the switch from permissive to strict cuts open plaintext and leaves mutual TLS alone', async () => {
  mesh.own.set({ mtls: 'permissive' });
  const peer = (await RawPeer.open(mesh)).listen();
  peer.raw.write('hello');
  await eventually(() => peer.received.toString() === 'hello');
  mesh.db.originalDestination.next = undefined;
  const client = await mesh.connect();
  await client.exchange('hello');
  mesh.own.set({ mtls: 'strict' });
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.cut).toEqual(['plaintext']);
  expect((await client.exchange('still here')).toString()).toBe('still here');
});
