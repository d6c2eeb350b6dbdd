import type { FakeClient } from '../../testing/app.fake.ts';
import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { TunnelPeer } from '../../testing/tunnel-peer.fake.ts';
import { codeOf } from '../refusals/reset-reason.ts';
import { frameBytes, helloBytes, numberBytes, openBytes } from '../tunnel/frames/frames.fake.ts';
import { FRAME, MAX_STREAM_ID, SETTING } from '../tunnel/frames/protocol.ts';

/** A peer that may be let in and yet breaks the protocol: it is told so and cut off, and nobody else notices. */

const PROTOCOL_ERROR = codeOf('protocol-error');
const HELLO = helloBytes();
const OPEN = () => openBytes(1, mesh.db.app.port);
const header = (type: number, length: number) => {
  const bytes = frameBytes(type);
  bytes.writeUIntBE(length, 0, 3);
  return bytes;
};

let mesh: FakeMesh;
let bystander: FakeClient;
beforeAll(async () => {
  mesh = await FakeMesh.start();
  // Takes what it is sent and says nothing.
  mesh.db.app.onConnection((socket) =>
    socket.on('data', (data: Buffer) => data.length < 20 && socket.write(data)),
  );
  bystander = await mesh.connect();
  await bystander.exchange('hello');
});
afterEach(async () => {
  expect((await bystander.exchange('still here')).toString()).toBe('still here');
  await eventually(() => mesh.db.inbound.tunnels === 1 && mesh.db.inbound.open === 1);
  expect(mesh.db.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
});
afterAll(() => mesh.stop());

test.each<[string, () => readonly Buffer[], string]>([
  ['an OPEN before the HELLO', () => [OPEN()], 'the first frame is not a HELLO'],
  [
    'data before the HELLO',
    () => [frameBytes(FRAME.data, 1, Buffer.from('x'))],
    'the first frame is not a HELLO',
  ],
  ['a frame of a newer version before the HELLO', () => [frameBytes(99)], 'the first frame is not a HELLO'],
  ['a second HELLO', () => [HELLO, HELLO], 'a second HELLO'],
  [
    'a HELLO with a stream window below the base',
    () => [helloBytes([[SETTING.streamWindow, 1]])],
    'a HELLO that offers 1 where 32768 is the least',
  ],
  [
    'a HELLO that takes no streams',
    () => [helloBytes([[SETTING.maxStreams, 0]])],
    'a HELLO that offers 0 where 1024 is the least',
  ],
  ['half a HELLO', () => [frameBytes(FRAME.hello, 0, Buffer.alloc(7))], 'a HELLO of broken length'],
  [
    'a control frame that is too long',
    () => [HELLO, header(FRAME.ping, 1_025)],
    'a control frame of 1025 bytes; at most 1024 are allowed',
  ],
  [
    'a frame that is too long',
    () => [HELLO, OPEN(), header(FRAME.data, 65_537)],
    'a frame of 65537 bytes; at most 65536 are allowed',
  ],
  [
    'a frame of the greatest length',
    () => [header(255, 0xff_ffff)],
    'a frame of 16777215 bytes; at most 65536 are allowed',
  ],
  ['an OPEN without a port', () => [HELLO, frameBytes(FRAME.open, 1)], 'an OPEN without a port'],
  ['an OPEN for port 0', () => [HELLO, openBytes(1, 0)], 'an OPEN for port 0'],
  [
    'an OPEN that would write into our log',
    () => [HELLO, frameBytes(FRAME.open, 1, Buffer.from('\x00\x50x\nfake log line'))],
    'an OPEN whose original destination is not a valid address',
  ],
  [
    'an OPEN with a number that was there',
    () => [HELLO, OPEN(), OPEN()],
    'an OPEN whose number is not a new one',
  ],
  [
    'OPENs whose numbers go backwards',
    () => [HELLO, openBytes(7, 80), openBytes(3, 80)],
    'an OPEN whose number is not a new one',
  ],
  ['an OPEN of stream 0', () => [HELLO, openBytes(0, 80)], 'an OPEN whose number is not a new one'],
  [
    'an OPEN beyond the last number',
    () => [HELLO, openBytes(MAX_STREAM_ID + 1, 80)],
    'an OPEN whose number is not a new one',
  ],
  [
    'data on a stream that was never opened',
    () => [HELLO, frameBytes(FRAME.data, 1, Buffer.from('x'))],
    'DATA on a stream that was never opened',
  ],
  [
    'data on the connection itself',
    () => [HELLO, OPEN(), frameBytes(FRAME.data, 0, Buffer.from('x'))],
    'DATA on a stream that was never opened',
  ],
  [
    'the end of a stream that never was',
    () => [HELLO, frameBytes(FRAME.end, 9)],
    'END on a stream that was never opened',
  ],
  [
    'the reset of a stream that never was',
    () => [HELLO, frameBytes(FRAME.reset, 9, Buffer.from([0, 9]))],
    'RESET on a stream that was never opened',
  ],
  [
    'credit for a stream that never was',
    () => [HELLO, frameBytes(FRAME.credit, 9, numberBytes(5))],
    'CREDIT on a stream that was never opened',
  ],
  [
    'data after the end',
    () => [HELLO, OPEN(), frameBytes(FRAME.end, 1), frameBytes(FRAME.data, 1, Buffer.from('x'))],
    'DATA on a stream after its END',
  ],
  [
    'an end after the end',
    () => [HELLO, OPEN(), frameBytes(FRAME.end, 1), frameBytes(FRAME.end, 1)],
    'a second END for a stream',
  ],
  [
    'consent to its own stream',
    () => [HELLO, OPEN(), frameBytes(FRAME.accept, 1)],
    'an ACCEPT from the side that opens streams',
  ],
  ['a reason without a code', () => [HELLO, OPEN(), frameBytes(FRAME.reset, 1)], 'a reason of broken length'],
  ['a credit of nothing', () => [HELLO, frameBytes(FRAME.credit, 0, numberBytes(0))], 'a credit of 0 bytes'],
  [
    'a credit of three bytes',
    () => [HELLO, frameBytes(FRAME.credit, 0, Buffer.alloc(3))],
    'a number that is not four bytes long',
  ],
  [
    'a credit that no window can hold',
    () => [HELLO, frameBytes(FRAME.credit, 0, numberBytes(0x8000_0000))],
    'a credit of 2147483648 bytes',
  ],
  [
    'credits for the connection that no window can hold together',
    () => [HELLO, frameBytes(FRAME.credit, 0, numberBytes(0x7fff_ffff))],
    'more credit than a window can hold',
  ],
  [
    'credits for a stream that no window can hold together',
    () => [HELLO, OPEN(), frameBytes(FRAME.credit, 1, numberBytes(0x7fff_ffff))],
    'more credit than a window can hold',
  ],
  [
    'a byte more than the stream has credit for',
    () => [HELLO, OPEN(), frameBytes(FRAME.data, 1, Buffer.alloc(32_769))],
    'more data than the stream has credit for',
  ],
])('%s: the peer is cut off and told why', async (_what, frames, text) => {
  const peer = await TunnelPeer.mute(mesh);
  const before = mesh.db.metrics.tunnelsClosed.length;
  peer.say(...frames());
  expect(await peer.closeReason()).toEqual({ code: PROTOCOL_ERROR, text });
  await eventually(() => mesh.db.metrics.tunnelsClosed.length > before);
  expect(mesh.db.metrics.tunnelsClosed.slice(before)).toEqual(['protocol-error']);
});

test('what a newer version says beyond ours is passed over', async () => {
  const peer = await TunnelPeer.mute(mesh);
  peer.say(
    helloBytes([
      [900, 5],
      [SETTING.streamWindow, 70_000],
    ]),
  );
  peer.say(
    ...Array.from({ length: 200 }, (_, index) => frameBytes(11 + index, index, Buffer.alloc(index * 300))),
  );
  await peer.open(1, mesh.db.app.port);
  peer.data(1, Buffer.from('hello'));
  const answer = await peer.until(({ type }) => type === FRAME.data);
  expect(answer!.payload.toString()).toBe('hello');
  peer.close();
});
