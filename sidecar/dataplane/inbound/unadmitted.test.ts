import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { clientHello } from '#core/net/client-hello.fake.ts';
import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';
import { ALPN_STREAM } from '../transport/alpn.ts';

/** How many connections wait for the admission of their peer, and which have to go where there are too many. */

let mesh: FakeMesh;
afterEach(() => mesh.stop());

interface Stranger {
  readonly socket: Socket;
  closed: boolean;
}

/** Connects, says something, and waits. */
async function stranger(words: Buffer, localAddress: string): Promise<Stranger> {
  const socket = connect({ port: mesh.inboundPort, host: mesh.db.address, localAddress });
  const made: Stranger = { socket, closed: false };
  socket.on('error', () => undefined).on('close', () => (made.closed = true));
  socket.resume();
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  socket.write(words);
  mesh.onStop(() => void socket.destroy());
  return made;
}

async function strangers(
  count: number,
  words: Buffer,
  from: (index: number) => string,
): Promise<readonly Stranger[]> {
  const made: Stranger[] = [];
  for (let index = 0; index < count; index++) made.push(await stranger(words, from(index)));
  return made;
}

const ONE_ADDRESS = (): string => '127.0.0.9';
const EACH_ITS_OWN = (index: number): string => `127.0.9.${1 + index}`;
const closed = (all: readonly Stranger[]): readonly boolean[] => all.map((one) => one.closed);

/** A connection of web through its sidecar is served. */
async function served(): Promise<void> {
  const client = await mesh.connect();
  expect((await client.exchange('hello')).toString()).toBe('hello');
}

test.each([
  ['one address', ONE_ADDRESS, { maxGreetings: 50, maxGreetingsPerNetwork: 5 }, 'address'],
  ['an address each', EACH_ITS_OWN, { maxGreetings: 5, maxGreetingsPerNetwork: 5 }, 'total'],
])(
  'of too many connections without a ClientHello, from %s, the oldest are closed, and a peer is served',
  async (_what, from, settings, limit) => {
    mesh = await FakeMesh.start({ settings });
    const waiting = await strangers(12, Buffer.from([0x16, 3, 1]), from);
    await eventually(() => mesh.db.inbound.accepted === 5);
    await eventually(() => closed(waiting).filter(Boolean).length === 7);
    expect(closed(waiting)).toEqual([...Array<boolean>(7).fill(true), ...Array<boolean>(5).fill(false)]);
    expect(mesh.db.metrics.sheds).toEqual(Array<string>(7).fill(`inbound greeting ${limit}`));
    expect(mesh.db.metrics.refused).toEqual(Array<string>(7).fill('limit'));
    await served();
  },
);

test.each([
  ['one address', ONE_ADDRESS, { maxHandshakes: 50, maxHandshakesPerNetwork: 4 }, 'address'],
  ['an address each', EACH_ITS_OWN, { maxHandshakes: 4, maxHandshakesPerNetwork: 4 }, 'total'],
])(
  'of too many handshakes that are not finished, from %s, the oldest are closed, and a peer is served',
  async (_what, from, settings, limit) => {
    mesh = await FakeMesh.start({ settings });
    const waiting = await strangers(12, await clientHello(), from);
    await eventually(() => closed(waiting).filter(Boolean).length === 8);
    expect(closed(waiting).slice(8)).toEqual([false, false, false, false]);
    expect(new Set(mesh.db.metrics.sheds)).toEqual(new Set([`inbound handshake ${limit}`]));
    await served();
  },
);

test('what connections may hold together before their handshake is bounded, and who holds most goes first', async () => {
  mesh = await FakeMesh.start({ settings: { maxGreetingBytes: 40_000 } });
  const large = Buffer.alloc(16_000, 0x61);
  large.set([0x16, 3, 1, 0x40, 0x00, 0x01, 0x00, 0x3f, 0xfc]);
  const waiting = await strangers(6, large, EACH_ITS_OWN);
  await eventually(() => closed(waiting).filter(Boolean).length >= 4);
  expect(new Set(mesh.db.metrics.sheds)).toEqual(new Set(['inbound greeting bytes']));
  await served();
});

test('a peer that proved who it is and does not say what it wants waits among strangers', async () => {
  mesh = await FakeMesh.start({ settings: { maxHandshakes: 3, maxHandshakesPerNetwork: 3 } });
  const peers: RawPeer[] = [];
  for (let index = 0; index < 6; index++) peers.push(await RawPeer.web(mesh));
  await eventually(() => peers.filter(({ ending }) => ending !== 'open').length === 3);
  expect(peers.slice(0, 3).map(({ ending }) => ending)).not.toContain('open');
  await served();
});

test('an admitted peer does not: however many are open, none is closed for a stranger', async () => {
  mesh = await FakeMesh.start({
    settings: { maxHandshakes: 2, maxHandshakesPerNetwork: 2, maxGreetings: 2 },
  });
  const peers: RawPeer[] = [];
  for (let index = 0; index < 8; index++) {
    const peer = await RawPeer.web(mesh, { ALPNProtocols: [ALPN_STREAM] });
    expect(await peer.ask({ port: mesh.db.app.port })).toEqual({ ok: true });
    peers.push(peer);
  }
  await strangers(10, await clientHello(), EACH_ITS_OWN);
  await strangers(10, Buffer.alloc(0), EACH_ITS_OWN);
  await pause(300);
  expect(peers.map(({ ending }) => ending)).toEqual(Array<string>(8).fill('open'));
});

test('a ClientHello in many small pieces begins one handshake, when it is whole', async () => {
  mesh = await FakeMesh.start();
  const hello = await clientHello();
  const { socket } = await stranger(Buffer.alloc(0), '127.0.0.9');
  let answered = false;
  socket.once('data', () => (answered = true));
  for (const byte of hello.subarray(0, -1)) socket.write(Buffer.from([byte]));
  await pause(200);
  expect(answered).toBe(false);
  socket.write(hello.subarray(-1));
  await eventually(() => answered);
});
