import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';

/** A permissive service takes cleartext from anybody; how much of it is bounded. */

let mesh: FakeMesh;
afterEach(() => mesh.stop());

interface Stranger {
  readonly socket: Socket;
  received: string;
  closed: boolean;
}

async function permissive(maxCleartext: number, maxCleartextPerAddress: number): Promise<void> {
  mesh = await FakeMesh.start({ settings: { maxCleartext, maxCleartextPerAddress } });
  mesh.own.set({ mtls: 'permissive' });
  mesh.db.originalDestination.next = { address: mesh.db.address, port: mesh.db.app.port };
}

async function stranger(localAddress: string, words = ''): Promise<Stranger> {
  const socket = connect({ port: mesh.inboundPort, host: mesh.db.address, localAddress });
  const made: Stranger = { socket, received: '', closed: false };
  socket.setEncoding('utf8').on('data', (chunk: string) => (made.received += chunk));
  socket.on('error', () => undefined).on('close', () => (made.closed = true));
  mesh.onStop(() => void socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  if (words !== '') {
    socket.write(words);
    await eventually(() => made.closed || made.received === words);
  }
  return made;
}

test('one address cannot have all cleartext connections, and no more than its share', async () => {
  await permissive(8, 4);
  for (let index = 0; index < 4; index++) await stranger('127.0.0.9', 'hello');
  expect((await stranger('127.0.0.9', 'hello')).closed).toBe(true);
  expect(mesh.db.metrics.sheds).toEqual(['inbound cleartext address']);
  expect(mesh.db.metrics.refused).toEqual(['limit']);
  expect((await stranger('127.0.0.10', 'hello')).received).toBe('hello');
});

test('all of them together leave room for peers of the mesh', async () => {
  await permissive(6, 4);
  for (let index = 0; index < 12; index++) await stranger(`127.0.0.${9 + index}`, 'hello');
  expect(mesh.db.inbound.open).toBe(6);
  expect(new Set(mesh.db.metrics.sheds)).toEqual(new Set(['inbound cleartext total']));
  mesh.db.originalDestination.next = undefined;
  const client = await mesh.connect();
  expect((await client.exchange('hello')).toString()).toBe('hello');
});

test('of clients that say nothing the oldest is closed for another; one that spoke is not', async () => {
  await permissive(16, 16);
  const spoke = await stranger('127.0.0.9', 'hello');
  const silent: Stranger[] = [];
  for (let index = 0; index < 8; index++) silent.push(await stranger(`127.0.0.${20 + index}`));
  await eventually(() => silent.filter(({ closed }) => closed).length === 4);
  expect(silent.slice(0, 4).every(({ closed }) => closed)).toBe(true);
  expect(spoke.closed).toBe(false);
  expect(new Set(mesh.db.metrics.sheds)).toEqual(new Set(['inbound cleartext total']));
});

test('a connection that closes gives its place back', async () => {
  await permissive(8, 2);
  for (let round = 0; round < 6; round++) {
    const one = await stranger('127.0.0.9', 'hello');
    expect(one.received).toBe('hello');
    one.socket.destroy();
    await eventually(() => mesh.db.inbound.accepted === 0);
  }
  expect(mesh.db.metrics.sheds).toEqual([]);
});
