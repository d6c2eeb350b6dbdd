import type { Socket } from 'node:net';

import type { FakeClient } from '../../testing/app.fake.ts';
import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { heldMegabytes } from '../../testing/memory.fake.ts';
import { TunnelPeer } from '../../testing/tunnel-peer.fake.ts';
import { codeOf } from '../refusals/reset-reason.ts';
import { closeReasonIn, frameBytes, numberBytes, openBytes } from '../tunnel/frames/frames.fake.ts';
import { FRAME } from '../tunnel/frames/protocol.ts';

/** A peer that says far more than it has to: bounded, told why, and nobody else notices. */

const TOO_MUCH = { code: codeOf('protocol-error'), text: 'far more frames without work than work' };

let mesh: FakeMesh;
let bystander: FakeClient;
beforeEach(async () => {
  // Who floods reads late, and later still on a busy machine.
  mesh = await FakeMesh.start({ settings: { lingerMs: 30_000 } });
  bystander = await mesh.connect();
  await bystander.exchange('hello');
});
afterEach(async () => {
  expect((await bystander.exchange('still here')).toString()).toBe('still here');
  await eventually(() => mesh.db.inbound.tunnels === 1);
  await mesh.stop();
});

test.each<[string, (index: number) => Buffer]>([
  ['pings', () => frameBytes(FRAME.ping, 0, Buffer.alloc(8))],
  ['long pings', () => frameBytes(FRAME.ping, 0, Buffer.alloc(1_024))],
  ['answers that nobody asked for', () => frameBytes(FRAME.pong, 0, Buffer.alloc(8))],
  ['empty data', () => frameBytes(FRAME.data, 1)],
  ['frames of no known type', () => frameBytes(77, 0, Buffer.alloc(20))],
  ['credit, one byte each', () => frameBytes(FRAME.credit, 1, numberBytes(1))],
  ['close frames', () => frameBytes(FRAME.goAway, 0, Buffer.from([0, 4]))],
  ['vouches for nothing', (index) => frameBytes(FRAME.vouch, 0, Buffer.alloc(32, index))],
  ['vouches of a wrong length', () => frameBytes(FRAME.vouch, 0, Buffer.alloc(31))],
  ['streams for a port that is not offered', (index) => openBytes(index + 2, 9)],
  [
    'streams that are opened and reset at once',
    (index) =>
      Buffer.concat([
        openBytes(index + 2, mesh.db.app.port),
        frameBytes(FRAME.reset, index + 2, Buffer.from([0, 11])),
      ]),
  ],
])(
  'a flood of %s is borne for a while and then cut off',
  async (_what, frame) => {
    const peer = await TunnelPeer.greeted(mesh);
    await peer.open(1, mesh.db.app.port);
    const before = await heldMegabytes();
    for (let index = 0; index < 12_000; index += 100)
      peer.say(...Array.from({ length: 100 }, (_, more) => frame(index + more)));
    expect(await peer.closeReason()).toEqual(TOO_MUCH);
    expect((await heldMegabytes()) - before).toBeLessThan(30);
    // What was dialed for it is bounded too.
    expect(mesh.db.app.seen).toBeLessThan(9_000);
  },
  60_000,
);

test('a few thousand frames without work are no flood', async () => {
  const peer = await TunnelPeer.greeted(mesh);
  await peer.open(1, mesh.db.app.port);
  for (let index = 0; index < 3_000; index++) peer.say(frameBytes(FRAME.ping, 0, numberBytes(index)));
  await eventually(() => peer.frames.filter(({ type }) => type === FRAME.pong).length === 3_000);
  const pongs = peer.frames.filter(({ type }) => type === FRAME.pong);
  expect(pongs.every(({ payload }, index) => payload.readUInt32BE() === index)).toBe(true);
  peer.close();
});

test('streams beyond what a tunnel takes are refused one by one, and the others stay', async () => {
  const accepted: Socket[] = [];
  mesh.db.app.onConnection((socket) => accepted.push(socket));
  const peer = await TunnelPeer.greeted(mesh);
  for (let id = 1; id <= 1_100; id++) peer.say(openBytes(id, mesh.db.app.port));
  const answered = () => peer.frames.filter(({ type }) => type === FRAME.accept || type === FRAME.reset);
  await eventually(() => answered().length === 1_100, { withinMs: 20_000 });
  const limit = answered().filter(
    (frame) => frame.type === FRAME.reset && closeReasonIn(frame).code === codeOf('limit'),
  );
  expect(limit.map(({ stream }) => stream)).toEqual(Array.from({ length: 76 }, (_, index) => 1_025 + index));
  expect(closeReasonIn(limit[0]!).text).toBe('a tunnel takes 1024 streams');
  peer.close();
}, 60_000);

test('a peer that reads nothing stops its application, and costs bounded memory', async () => {
  let written = 0;
  mesh.db.app.onConnection((socket) => {
    const chunk = Buffer.alloc(65_536);
    const more = () => {
      while (written < 512 * 1_048_576) {
        written += chunk.length;
        if (!socket.write(chunk)) return void socket.once('drain', more);
      }
    };
    more();
  });
  const before = await heldMegabytes();
  const peer = await TunnelPeer.greeted(mesh);
  // It takes as much as one can say, and then takes nothing.
  for (let id = 1; id <= 32; id++) await peer.open(id, mesh.db.app.port);
  peer.peer.tls!.pause();
  const received = peer.peer.received.length;
  const most = frameBytes(FRAME.credit, 0, numberBytes(0x7000_0000));
  peer.say(
    most,
    ...Array.from({ length: 32 }, (_, id) => frameBytes(FRAME.credit, id + 1, numberBytes(0x7000_0000))),
  );
  let last = -1;
  await eventually(() => last === (last = written) && written > 1_048_576, { withinMs: 20_000 });
  await new Promise((resolve) => setTimeout(resolve, 500));
  // Thirty-two sockets of the application hold what the kernel takes; the sidecar holds little.
  expect((await heldMegabytes()) - before).toBeLessThan(60);
  expect(peer.peer.received.length - received).toBeLessThan(8 * 1_048_576);
  peer.close();
}, 60_000);
