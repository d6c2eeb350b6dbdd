import { PORTS } from '#core/constants.ts';

import { FakeApp } from '../../testing/app.fake.ts';
import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';

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

test('a permissive service refuses cleartext on the port of the sidecar, the only one there is without redirection', async () => {
  mesh.own.set({ mtls: 'permissive' });
  mesh.db.originalDestination.next = undefined;
  const peer = (await RawPeer.open(mesh)).listen();
  peer.raw.write('hello');
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.refused).toEqual(['plaintext']);
  expect(mesh.db.app.seen).toBe(0);
});

describe('cleartext is led to the address that it was sent to and to no other', () => {
  test.each([
    ['loopback', '127.0.0.1', '127.0.0.1'],
    ['an address of another host', '127.0.3.7', '127.0.3.7'],
    ['the pod, whose application listens on loopback', undefined, '127.0.0.1'],
  ])('%s', async (_what, sentTo, listensOn) => {
    mesh.own.set({ mtls: 'permissive' });
    const app = await new FakeApp().start(listensOn, mesh.db.app.port);
    mesh.onStop(() => app.stop());
    if (sentTo === undefined) await mesh.db.app.stop();
    const address = sentTo ?? mesh.db.address;
    mesh.db.originalDestination.next = { address, port: app.port };
    const peer = (await RawPeer.open(mesh)).listen();
    expect(await peer.ended()).toBe('reset');
    expect(app.seen).toBe(0);
    expect(mesh.db.metrics.refused).toEqual([
      sentTo === undefined ? 'app-unreachable' : 'unknown-destination',
    ]);
  });
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
