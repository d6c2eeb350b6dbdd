import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { TunnelPeer } from '../../testing/tunnel-peer.fake.ts';
import { codeOf } from '../refusals/reset-reason.ts';
import { closeReasonIn, frameBytes, openBytes } from '../tunnel/frames/frames.fake.ts';
import { FRAME } from '../tunnel/frames/protocol.ts';
import { MOST_IDLE_TUNNELS_OF_A_PEER } from './tunnel-room.ts';

/** Tunnels that carry nothing: who opened them is told to go away, and they go whether or not it does. */

const IDLE_MS = 1_500;

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { servedTunnelIdleMs: IDLE_MS } });
});
afterEach(() => mesh.stop());

test('a tunnel in which no stream is opened is told to go away for being idle', async () => {
  const peer = await TunnelPeer.greeted(mesh);
  const told = await peer.until(({ type }) => type === FRAME.goAway);
  expect(closeReasonIn(told!).code).toBe(codeOf('idle'));
  expect(await peer.closeReason()).toBeDefined();
  await eventually(() => mesh.db.inbound.tunnels === 0);
}, 30_000);

test('a tunnel whose streams all are refused, again and again, is idle', async () => {
  const peer = await TunnelPeer.greeted(mesh);
  let stream = 0;
  const asking = setInterval(() => peer.say(openBytes((stream += 1), 9)), 100);
  try {
    const told = await peer.until(({ type }) => type === FRAME.goAway);
    expect(closeReasonIn(told!).code).toBe(codeOf('idle'));
    expect(peer.frames.filter(({ type }) => type === FRAME.reset).length).toBeGreaterThan(5);
  } finally {
    clearInterval(asking);
  }
}, 30_000);

test('a tunnel in which one stream was refused, and none let through, is told to go away long before it is idle', async () => {
  await mesh.stop();
  mesh = await FakeMesh.start();
  const peer = await TunnelPeer.greeted(mesh);
  peer.say(openBytes(1, 9));
  await eventually(() => peer.frames.some(({ type }) => type === FRAME.goAway), { withinMs: 30_000 });
  expect(await peer.closeReason()).toEqual({
    code: codeOf('denied'),
    text: 'none of the streams of this tunnel was let through',
  });
  await eventually(() => mesh.db.inbound.tunnels === 0);
}, 60_000);

test('a tunnel with an open stream stays, and goes when that has ended', async () => {
  const peer = await TunnelPeer.greeted(mesh);
  await peer.open(1, mesh.db.app.port);
  await new Promise((resolve) => setTimeout(resolve, 3 * IDLE_MS));
  expect(peer.frames.some(({ type }) => type === FRAME.goAway)).toBe(false);
  peer.say(frameBytes(FRAME.reset, 1, Buffer.from([0, codeOf('cancelled')])));
  const told = await peer.until(({ type }) => type === FRAME.goAway);
  expect(closeReasonIn(told!).code).toBe(codeOf('idle'));
}, 30_000);

test('of very many tunnels of one peer that carry nothing the oldest have to go, and one in use stays', async () => {
  await mesh.stop();
  mesh = await FakeMesh.start();
  const used = await TunnelPeer.greeted(mesh);
  await used.open(1, mesh.db.app.port);
  const peers: TunnelPeer[] = [];
  for (let count = 0; count < MOST_IDLE_TUNNELS_OF_A_PEER + 8; count++)
    peers.push(await TunnelPeer.greeted(mesh));
  const told = () => peers.map(({ frames }) => frames.find(({ type }) => type === FRAME.goAway));
  await eventually(() => told().filter(Boolean).length === 8);
  expect(
    told()
      .slice(0, 8)
      .map((frame) => closeReasonIn(frame!).code),
  ).toEqual(Array(8).fill(codeOf('limit')));
  expect(used.frames.some(({ type }) => type === FRAME.goAway)).toBe(false);
  for (const peer of [used, ...peers]) peer.close();
}, 60_000);
