import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { TunnelPod } from '../../testing/tunnel-pod.fake.ts';
import { codeOf } from '../refusals/reset-reason.ts';
import { frameBytes, helloBytes, openBytes } from '../tunnel/frames/frames.fake.ts';
import { FRAME } from '../tunnel/frames/protocol.ts';

/** A pod of the service that was wanted, with the right certificate, that breaks the protocol or drags its feet. */

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { dialAttempts: 1, verdictMs: 600 } });
});
afterEach(async () => {
  expect(mesh.web.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  await mesh.stop();
});

const accept = (id: number) => frameBytes(FRAME.accept, id);
const data = (id: number, text = 'x') => frameBytes(FRAME.data, id, Buffer.from(text));
const end = (id: number) => frameBytes(FRAME.end, id);

test.each<[string, (id: number) => readonly Buffer[], string]>([
  ['opens a stream itself', () => [openBytes(2, 80)], 'an OPEN from the side that takes streams'],
  ['says hello twice', () => [helloBytes()], 'a second HELLO'],
  ['answers before it consents', (id) => [data(id)], 'DATA on a stream before its ACCEPT'],
  ['ends before it consents', (id) => [end(id)], 'END on a stream before its ACCEPT'],
  ['consents twice', (id) => [accept(id), accept(id)], 'a second ACCEPT for a stream'],
  ['consents to what nobody asked', (id) => [accept(id + 1)], 'ACCEPT on a stream that was never opened'],
  ['goes on after its end', (id) => [accept(id), end(id), data(id)], 'DATA on a stream after its END'],
  [
    'sends more than it has credit for',
    (id) => [accept(id), data(id, 'x'.repeat(32_769))],
    'more data than the stream has credit for',
  ],
  [
    'sends a frame that is too long',
    () => [Buffer.from([1, 0, 1, 3, 0, 0, 0, 1])],
    'a frame of 65537 bytes; at most 65536 are allowed',
  ],
  [
    'floods',
    () => Array.from({ length: 12_000 }, () => frameBytes(FRAME.ping)),
    'far more frames without work than work',
  ],
])('a pod that %s is cut off and told why, and the application is reset', async (_what, frames, text) => {
  const pod = await TunnelPod.start(mesh, '127.0.8.1', ({ type, stream }, tunnel) => {
    if (type === FRAME.open) tunnel.say(...frames(stream));
  });
  const client = await mesh.connect();
  client.socket.write('hello');
  expect(await client.ended()).toBe('reset');
  expect(await pod.tunnels[0]!.closeReason()).toEqual({ code: codeOf('protocol-error'), text });
  expect(mesh.web.metrics.tunnelsClosed).toEqual(['protocol-error']);
  await eventually(() => mesh.target.held === 0);
});

test('a pod that ends a stream before its consent leaves nobody waiting, also when the application has ended', async () => {
  await TunnelPod.start(mesh, '127.0.8.1', ({ type, stream }, tunnel) => {
    if (type === FRAME.end) tunnel.say(end(stream));
  });
  const client = await mesh.connect();
  client.socket.end('hello');
  expect(await client.ended()).toBe('reset');
  await eventually(() => mesh.target.held === 0);
});

test('a pod that says nothing at all costs the time of a verdict and no more', async () => {
  await TunnelPod.start(mesh, '127.0.8.1', () => undefined, { mute: true });
  const started = Date.now();
  expect(await (await mesh.connect()).ended()).toBe('reset');
  expect(Date.now() - started).toBeGreaterThanOrEqual(590);
  expect(mesh.web.metrics.refused).toEqual(['verdict-timeout']);
});

test('what was said to a pod that then never answers is not said to another one', async () => {
  await mesh.stop();
  mesh = await FakeMesh.start({ settings: { verdictMs: 300 } });
  const heard: string[] = [];
  const listen = ({ type, payload }: { type: number; payload: Buffer }) => {
    if (type === FRAME.data) heard.push(payload.toString());
  };
  await TunnelPod.start(mesh, '127.0.8.1', listen);
  await TunnelPod.start(mesh, '127.0.8.2', listen);
  mesh.target.set(['127.0.8.1', '127.0.8.2'].map((address) => ({ address, port: mesh.db.app.port })));
  const client = await mesh.connect();
  client.socket.write('transfer 100');
  expect(await client.ended()).toBe('reset');
  await pause(100);
  expect(heard).toEqual(['transfer 100']);
});

test('what nobody said anything to is tried elsewhere', async () => {
  await mesh.stop();
  mesh = await FakeMesh.start({ settings: { verdictMs: 300 } });
  const endpoints = mesh.target.endpoints();
  await TunnelPod.start(mesh, '127.0.8.1', () => undefined);
  mesh.db.app.onConnection((socket) => socket.write('220 ready'));
  const silent = mesh.target.endpoints();
  const client = await mesh.connect();
  setTimeout(() => mesh.target.set([...silent, ...endpoints]), 50);
  await eventually(() => client.text === '220 ready');
});

test('a pod that takes no new streams, although it said so a moment after the tunnel was opened, is not used', async () => {
  const good = mesh.target.endpoints();
  await TunnelPod.start(mesh, '127.0.8.1', ({ type }, tunnel) => {
    if (type === FRAME.hello) tunnel.say(frameBytes(FRAME.goAway, 0, Buffer.from([0, codeOf('draining')])));
  });
  expect(await (await mesh.connect()).ended()).toBe('reset');
  mesh.target.set(good);
  expect((await (await mesh.connect()).exchange('hello')).toString()).toBe('hello');
});

test('a refusal of a newer version is like an application that does not answer', async () => {
  await TunnelPod.start(mesh, '127.0.8.1', ({ type, stream }, tunnel) => {
    if (type === FRAME.open) tunnel.say(frameBytes(FRAME.reset, stream, Buffer.from([0x12, 0x34, 110, 111])));
  });
  expect(await (await mesh.connect()).ended()).toBe('reset');
  expect(mesh.web.metrics.refused).toEqual(['app-unreachable']);
});
